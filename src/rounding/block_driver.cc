#include "rounding/block_driver.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>

#include "adaround/base/error.h"
#include "base/checked_math.h"
#include "base/parallel_for.h"
#include "quant/range_estimator.h"

namespace adaround {
namespace {

// Weights of one block: eight float arrays of this size fill a second-level cache of 1 MiB.
constexpr int64_t kWeightsPerBlock = 24 * 1024;
constexpr int64_t kRowMultiple = 16;
constexpr int64_t kMaxRowsPerBlock = 64;
// What normalize_rows scales nearest rounding's error to.
constexpr double kNormalizedError = 0.02;

int64_t RowsPerBlock(int64_t row_length) {
  const int64_t fitting = kWeightsPerBlock / std::max<int64_t>(1, row_length);
  return std::clamp(fitting / kRowMultiple * kRowMultiple, kRowMultiple, kMaxRowsPerBlock);
}

// What all blocks of a group share, made by the first that needs it.
struct GroupData {
  std::once_flag once;
  Matrix features;
  Matrix gram;
  std::vector<float> ridge;  // see RowBlock
};

void Prepare(const RoundingProblem& problem, const BlockNeeds& needs, int64_t group,
             GroupData& data) {
  const SampledColumns& samples = *problem.samples;
  const ConstMatrixView columns(samples.GroupColumns(group), samples.num_samples,
                                samples.row_length);
  const auto num_samples = static_cast<float>(samples.num_samples);
  data.ridge.resize(static_cast<size_t>(samples.row_length));
  const float ridge = static_cast<float>(needs.ridge) * static_cast<float>(samples.row_length) /
                      static_cast<float>(samples.NumIndependent());
  for (int64_t k = 0; k < samples.row_length; ++k) {
    data.ridge[static_cast<size_t>(k)] = ridge * columns.col(k).squaredNorm() / num_samples;
  }
  if (needs.gram) {
    data.gram.resize(samples.row_length, samples.row_length);
    data.gram.noalias() = columns.transpose() * columns;
    data.gram *= 2.0F / num_samples;
    for (int64_t k = 0; k < samples.row_length; ++k) {
      data.gram(k, k) += 2.0F * data.ridge[static_cast<size_t>(k)];
    }
  }
  if (needs.features) data.features = columns.transpose();
}

Matrix GramTarget(const RoundingProblem& problem, const RowBlock& block) {
  const SampledColumns& samples = *problem.samples;
  Matrix without_bias = block.target;
  for (int64_t r = 0; r < block.num_rows(); ++r) {
    without_bias.row(r).array() -= problem.bias[static_cast<size_t>(block.first_row + r)];
  }
  const ConstMatrixView columns(samples.GroupColumns(block.group), samples.num_samples,
                                samples.row_length);
  Matrix gram_target(block.num_rows(), samples.row_length);
  gram_target.noalias() = without_bias * columns;
  gram_target *= 2.0F / static_cast<float>(samples.num_samples);
  // The ridge pulls towards w, which is base + step * fraction; a weight without a choice stays.
  for (int64_t r = 0; r < block.num_rows(); ++r) {
    for (int64_t k = 0; k < samples.row_length; ++k) {
      gram_target(r, k) += 2.0F * block.ridge[static_cast<size_t>(k)] *
                           (block.base(r, k) + block.step(r, k) * block.fraction(r, k));
    }
  }
  return gram_target;
}

// For all rows of the layer; 1 where rows are not normalized.
std::vector<float> RowWeights(const RoundingProblem& problem, const BlockNeeds& needs,
                              const std::vector<int16_t>& nearest, int num_threads) {
  const SampledColumns& samples = *problem.samples;
  std::vector<float> weights(static_cast<size_t>(samples.num_rows), 1.0F);
  if (!needs.normalize_rows) return weights;
  const std::vector<double> nearest_errors = RowErrors(
      problem, samples,
      DequantizeMatrix(nearest, samples.num_rows, samples.row_length, problem.grid), num_threads);
  for (size_t row = 0; row < weights.size(); ++row) {
    const double error = nearest_errors[row];
    // A row that nearest rounding leaves exact has nothing to win: its data term stays as it is.
    if (error > 0.0 && std::isfinite(kNormalizedError / error)) {
      weights[row] = static_cast<float>(std::min(kNormalizedError / error, 1e12));
    }
  }
  return weights;
}

}  // namespace

DataTerm BlockInputs::MakeDataTerm(bool exact) const {
  DataTerm term;
  term.row_weight = row_weight;
  if (exact) {
    term.gram = &gram;
    term.gram_target = &gram_target;
  }
  return term;
}

RoundingResult SolveInBlocks(const RoundingProblem& problem, const SolveContext& context,
                             const BlockNeeds& needs, const BlockSolver& solve_block) {
  const SampledColumns& samples = *problem.samples;
  const int64_t length = samples.row_length;
  RoundingResult result;
  result.integers =
      RoundToNearest({problem.weights.data(), samples.num_rows, length}, problem.grid);
  const std::vector<float> row_weights =
      RowWeights(problem, needs, result.integers, context.num_threads);

  const int64_t rows_per_group = samples.RowsPerGroup();
  const int64_t rows_per_block = std::min(rows_per_group, RowsPerBlock(length));
  const int64_t blocks_per_group = CeilDivide(rows_per_group, rows_per_block);
  const int64_t num_blocks = blocks_per_group * samples.num_groups;
  std::vector<GroupData> groups(static_cast<size_t>(samples.num_groups));
  std::vector<RoundingSummary> summaries(static_cast<size_t>(num_blocks));
  std::vector<std::atomic<int64_t>> blocks_left(static_cast<size_t>(samples.num_groups));
  for (std::atomic<int64_t>& left : blocks_left) left = blocks_per_group;
  std::atomic<int64_t> num_done{0};
  ParallelFor(num_blocks, context.num_threads, [&](int64_t task) {
    if (context.should_stop && context.should_stop()) {
      throw Error(ErrorCode::kCancelled, "stopped on request");
    }
    const int64_t group = task / blocks_per_group;
    const int64_t first_in_group = (task % blocks_per_group) * rows_per_block;
    const int64_t rows = std::min(rows_per_block, rows_per_group - first_in_group);
    const int64_t first_row = group * rows_per_group + first_in_group;
    GroupData& data = groups[static_cast<size_t>(group)];
    std::call_once(data.once, [&] { Prepare(problem, needs, group, data); });
    RowBlock block = MakeRowBlock(problem, group, first_row, rows);
    block.ridge = data.ridge;
    BlockInputs inputs{data.features, data.gram, {}, {}};
    inputs.row_weight.assign(row_weights.begin() + first_row,
                             row_weights.begin() + first_row + rows);
    if (needs.gram) inputs.gram_target = GramTarget(problem, block);
    solve_block(inputs, block, summaries[static_cast<size_t>(task)], result.integers);
    if (--blocks_left[static_cast<size_t>(group)] == 0) {
      data.features.resize(0, 0);
      data.gram.resize(0, 0);
    }
    const int64_t done = ++num_done;
    if (context.on_progress) context.on_progress(done, num_blocks);
  });
  for (const RoundingSummary& summary : summaries) {
    result.summary.num_undecided += summary.num_undecided;
    result.summary.num_descent_flips += summary.num_descent_flips;
  }
  return result;
}

}  // namespace adaround
