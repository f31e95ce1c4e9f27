#include "rounding/block_driver.h"

#include <algorithm>
#include <cmath>

#include "adaround/base/error.h"
#include "quant/range_estimator.h"
#include "rounding/block_schedule.h"
#include "rounding/layer_gram.h"

namespace adaround {
namespace {

// Weights of one block: eight float arrays of this size fill a second-level cache of 1 MiB.
constexpr int64_t kWeightsPerBlock = 24 * 1024;
constexpr int64_t kRowMultiple = 16;
constexpr int64_t kMaxRowsPerBlock = 64;
constexpr int64_t kRowsPerBlockWithoutSteps = 64;
// What normalize_rows scales nearest rounding's error to.
constexpr double kNormalizedError = 0.02;

int64_t RowsPerBlock(const BlockNeeds& needs, int64_t row_length) {
  if (!needs.steps) return kRowsPerBlockWithoutSteps;
  const int64_t fitting = kWeightsPerBlock / std::max<int64_t>(1, row_length);
  return std::clamp(fitting / kRowMultiple * kRowMultiple, kRowMultiple, kMaxRowsPerBlock);
}

// What all blocks of a group share, made by the first that needs it.
struct GroupData {
  Matrix features;
  Matrix gram;
  std::vector<float> ridge;  // see RowBlock
};

GroupData Prepare(const RoundingProblem& problem, const BlockNeeds& needs, int64_t group,
                  int num_threads) {
  const SampledColumns& samples = *problem.samples;
  GroupData data;
  data.ridge = RidgeOf(samples, group, needs.ridge);
  if (needs.gram) {
    data.gram = needs.gram_of_only_group != nullptr
                    ? std::move(*needs.gram_of_only_group)
                    : Matrix(GroupGram(samples, group, num_threads).cast<float>());
    AddRidge(data.ridge, data.gram);
  }
  if (needs.features) {
    data.features = ConstMatrixView(samples.GroupColumns(group), samples.num_samples,
                                    samples.row_length)
                        .transpose();
  }
  return data;
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
    ADAROUND_CHECK(gram.size() > 0 && gram_target.size() > 0);
    term.gram = &gram;
    term.gram_target = &gram_target;
  }
  return term;
}

RoundingResult SolveRowBlocks(const RoundingProblem& problem, const SolveContext& context,
                              const BlockNeeds& needs, const BlockSolver& solve_block) {
  const SampledColumns& samples = *problem.samples;
  const int64_t length = samples.row_length;
  RoundingResult result;
  result.integers =
      RoundToNearest({problem.weights.data(), samples.num_rows, length}, problem.grid);
  const std::vector<float> row_weights =
      RowWeights(problem, needs, result.integers, context.num_threads);
  std::vector<GroupData> groups(static_cast<size_t>(samples.num_groups));
  BlockSteps steps;
  steps.prepare = [&](int64_t group, int num_threads) {
    groups[static_cast<size_t>(group)] = Prepare(problem, needs, group, num_threads);
  };
  steps.solve = [&](const RowRange& rows) {
    const GroupData& data = groups[static_cast<size_t>(rows.group)];
    RowBlock block = MakeRowBlock(problem, rows.group, rows.first_row, rows.num_rows);
    block.ridge = data.ridge;
    RoundingSummary summary;
    SearchRecorder recorder(problem, block, summary.trace);
    recorder.AtDecisions("nearest");
    BlockInputs inputs{data.features, data.gram, {}, {}, recorder};
    inputs.row_weight.assign(row_weights.begin() + rows.first_row,
                             row_weights.begin() + rows.first_row + rows.num_rows);
    if (needs.gram_target) inputs.gram_target = GramTarget(problem, block);
    solve_block(inputs, block, summary, result.integers);
    return summary;
  };
  steps.release = [&](int64_t group) { groups[static_cast<size_t>(group)] = GroupData(); };
  result.summary = SolveInBlocks(samples, context, RowsPerBlock(needs, length), steps);
  return result;
}

}  // namespace adaround
