#include "rounding/adaround_solver.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>

#include "adaround/base/error.h"
#include "base/checked_math.h"
#include "base/parallel_for.h"
#include "quant/range_estimator.h"
#include "rounding/discrete_search.h"
#include "rounding/relaxation.h"
#include "rounding/row_block.h"

namespace adaround {
namespace {

// Weights of one block: eight float arrays of this size fill a second-level cache of 1 MiB.
constexpr int64_t kWeightsPerBlock = 24 * 1024;
constexpr int64_t kRowMultiple = 16;
constexpr int64_t kMaxRowsPerBlock = 64;
// What normalize_rows scales nearest rounding's error to.
constexpr double kNormalizedError = 0.02;
// Beyond this many weights a row, [K, K] is too large to hold.
constexpr int64_t kMaxGramLength = 8192;

// A function of the shape alone: blocks must not depend on the number of threads.
int64_t RowsPerBlock(int64_t row_length) {
  const int64_t fitting = kWeightsPerBlock / std::max<int64_t>(1, row_length);
  return std::clamp(fitting / kRowMultiple * kRowMultiple, kRowMultiple, kMaxRowsPerBlock);
}

// What all blocks of a group share, made by the first that needs it.
struct GroupData {
  std::once_flag once;
  Matrix features;           // X_hat^T [K, N]
  Matrix gram;               // 2 / N X_hat^T X_hat [K, K], ridge added to its diagonal
  std::vector<float> ridge;  // see RowBlock
};

class AdaRoundSolver final : public RoundingSolver {
 public:
  explicit AdaRoundSolver(const AdaRoundOptions& options) : options_(options) {
    ADAROUND_CHECK(options.Validate().empty());
  }

  RoundingResult Solve(const RoundingProblem& problem, const SolveContext& context) const override;
  bool StaysAtFloorOrCeil() const override { return true; }

 private:
  bool Enumerates(const RoundingProblem& problem) const {
    return problem.samples->row_length <= options_.enumerate_row_length;
  }
  bool UsesGram(const RoundingProblem& problem) const {
    return problem.activation.IsIdentity() && problem.samples->row_length <= kMaxGramLength &&
           !Enumerates(problem) && (GramGradient(problem) || options_.descent_sweeps > 0);
  }
  // A Gram gradient costs 2 K operations a weight and step, a minibatch 4 per column.
  bool GramGradient(const RoundingProblem& problem) const {
    return options_.exact_gradient && problem.activation.IsIdentity() &&
           problem.samples->row_length <= 2 * options_.batch_size;
  }
  void Prepare(const RoundingProblem& problem, int64_t group, GroupData& data) const;
  void SolveBlock(const RoundingProblem& problem, const SolveContext& context,
                  const std::vector<double>& nearest_errors, const GroupData& data, RowBlock& block,
                  RoundingSummary& summary) const;

  AdaRoundOptions options_;
};

void AdaRoundSolver::Prepare(const RoundingProblem& problem, int64_t group, GroupData& data) const {
  const SampledColumns& samples = *problem.samples;
  const ConstMatrixView columns(samples.GroupColumns(group), samples.num_samples,
                                samples.row_length);
  const auto num_samples = static_cast<float>(samples.num_samples);
  data.ridge.resize(static_cast<size_t>(samples.row_length));
  const float ridge = static_cast<float>(options_.ridge) * static_cast<float>(samples.row_length) /
                      static_cast<float>(samples.NumIndependent());
  for (int64_t k = 0; k < samples.row_length; ++k) {
    data.ridge[static_cast<size_t>(k)] = ridge * columns.col(k).squaredNorm() / num_samples;
  }
  if (UsesGram(problem)) {
    data.gram.resize(samples.row_length, samples.row_length);
    data.gram.noalias() = columns.transpose() * columns;
    data.gram *= 2.0F / num_samples;
    for (int64_t k = 0; k < samples.row_length; ++k) {
      data.gram(k, k) += 2.0F * data.ridge[static_cast<size_t>(k)];
    }
  } else if (Enumerates(problem) || options_.descent_sweeps > 0) {
    data.features = columns.transpose();
  }
}

void AdaRoundSolver::SolveBlock(const RoundingProblem& problem, const SolveContext& context,
                                const std::vector<double>& nearest_errors, const GroupData& data,
                                RowBlock& block, RoundingSummary& summary) const {
  if (Enumerates(problem)) {
    for (int64_t r = 0; r < block.num_rows(); ++r) EnumerateRow(problem, data.features, r, block);
    return;
  }
  const SampledColumns& samples = *problem.samples;
  std::vector<float> row_weight(static_cast<size_t>(block.num_rows()), 1.0F);
  if (options_.normalize_rows) {
    for (int64_t r = 0; r < block.num_rows(); ++r) {
      const double error = nearest_errors[static_cast<size_t>(block.first_row + r)];
      // A row that nearest rounding leaves exact has nothing to win: its data term stays as it is.
      if (error > 0.0 && std::isfinite(kNormalizedError / error)) {
        row_weight[static_cast<size_t>(r)] =
            static_cast<float>(std::min(kNormalizedError / error, 1e12));
      }
    }
  }
  Matrix gram_target;
  if (UsesGram(problem)) {
    Matrix without_bias = block.target;
    for (int64_t r = 0; r < block.num_rows(); ++r) {
      without_bias.row(r).array() -= problem.bias[static_cast<size_t>(block.first_row + r)];
    }
    const ConstMatrixView columns(samples.GroupColumns(block.group), samples.num_samples,
                                  samples.row_length);
    gram_target.resize(block.num_rows(), samples.row_length);
    gram_target.noalias() = without_bias * columns;
    gram_target *= 2.0F / static_cast<float>(samples.num_samples);
    // The ridge pulls towards w, which is base + step * fraction; a weight without a choice stays.
    for (int64_t r = 0; r < block.num_rows(); ++r) {
      for (int64_t k = 0; k < samples.row_length; ++k) {
        gram_target(r, k) += 2.0F * data.ridge[static_cast<size_t>(k)] *
                             (block.base(r, k) + block.step(r, k) * block.fraction(r, k));
      }
    }
  }
  const bool gram_gradient = GramGradient(problem);
  if (options_.iterations > 0) {
    summary.num_undecided =
        RelaxAndRound(problem, options_, context, row_weight, gram_gradient ? &data.gram : nullptr,
                      gram_gradient ? &gram_target : nullptr, block);
  }
  if (options_.descent_sweeps > 0) {
    summary.num_descent_flips =
        UsesGram(problem)
            ? DescendOnGram(data.gram, gram_target, options_.descent_sweeps, block)
            : DescendOnColumns(problem, data.features, options_.descent_sweeps, block);
  }
}

RoundingResult AdaRoundSolver::Solve(const RoundingProblem& problem,
                                     const SolveContext& context) const {
  const SampledColumns& samples = *problem.samples;
  const int64_t length = samples.row_length;
  RoundingResult result;
  result.integers =
      RoundToNearest({problem.weights.data(), samples.num_rows, length}, problem.grid);
  result.summary.strategy = Enumerates(problem) ? "enumeration" : "relaxation";
  result.summary.iterations = Enumerates(problem) ? 0 : options_.iterations;
  const std::vector<double> nearest_errors = RowErrors(
      problem, samples, DequantizeMatrix(result.integers, samples.num_rows, length, problem.grid),
      context.num_threads);

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
    const auto group = static_cast<size_t>(task / blocks_per_group);
    const int64_t first_in_group = (task % blocks_per_group) * rows_per_block;
    const int64_t rows = std::min(rows_per_block, rows_per_group - first_in_group);
    GroupData& data = groups[group];
    std::call_once(data.once, [&] { Prepare(problem, static_cast<int64_t>(group), data); });
    RowBlock block =
        MakeRowBlock(problem, static_cast<int64_t>(group),
                     static_cast<int64_t>(group) * rows_per_group + first_in_group, rows);
    block.ridge = data.ridge;
    SolveBlock(problem, context, nearest_errors, data, block, summaries[static_cast<size_t>(task)]);
    StoreIntegers(problem, block, result.integers);
    if (--blocks_left[group] == 0) {
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

}  // namespace

std::unique_ptr<RoundingSolver> MakeAdaRoundSolver(const AdaRoundOptions& options) {
  return std::make_unique<AdaRoundSolver>(options);
}

}  // namespace adaround
