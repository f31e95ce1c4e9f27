#include "rounding/adaround_solver.h"

#include <algorithm>
#include <cmath>

#include "adaround/base/error.h"
#include "quant/range_estimator.h"
#include "rounding/block_schedule.h"
#include "rounding/discrete_search.h"
#include "rounding/layer_gram.h"
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

// A function of the shape alone: blocks must not depend on the number of threads.
int64_t RowsPerBlock(int64_t row_length) {
  const int64_t fitting = kWeightsPerBlock / std::max<int64_t>(1, row_length);
  return std::clamp(fitting / kRowMultiple * kRowMultiple, kRowMultiple, kMaxRowsPerBlock);
}

// What all blocks of a group share, made by the first that needs it.
struct GroupData {
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
  data.ridge = RidgeOf(samples, group, options_.ridge);
  if (UsesGram(problem)) {
    data.gram = GroupGram(samples, group);
    for (int64_t k = 0; k < samples.row_length; ++k) {
      data.gram(k, k) += 2.0F * data.ridge[static_cast<size_t>(k)];
    }
  } else if (Enumerates(problem) || options_.descent_sweeps > 0) {
    data.features = ConstMatrixView(samples.GroupColumns(group), samples.num_samples,
                                    samples.row_length)
                        .transpose();
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
  result.summary.strategy = Enumerates(problem)        ? "enumeration"
                            : options_.iterations > 0 ? "relaxation"
                                                      : "descent";
  result.summary.iterations = Enumerates(problem) ? 0 : options_.iterations;
  const std::vector<double> nearest_errors = RowErrors(
      problem, samples, DequantizeMatrix(result.integers, samples.num_rows, length, problem.grid),
      context.num_threads);

  std::vector<GroupData> groups(static_cast<size_t>(samples.num_groups));
  BlockSteps steps;
  steps.prepare = [&](int64_t group) {
    Prepare(problem, group, groups[static_cast<size_t>(group)]);
  };
  steps.solve = [&](const RowRange& rows) {
    const GroupData& data = groups[static_cast<size_t>(rows.group)];
    RowBlock block = MakeRowBlock(problem, rows.group, rows.first_row, rows.num_rows);
    block.ridge = data.ridge;
    RoundingSummary summary;
    SolveBlock(problem, context, nearest_errors, data, block, summary);
    StoreIntegers(problem, block, result.integers);
    return summary;
  };
  steps.release = [&](int64_t group) { groups[static_cast<size_t>(group)] = GroupData(); };
  const RoundingSummary summary = SolveInBlocks(samples, context, RowsPerBlock(length), steps);
  result.summary.num_undecided = summary.num_undecided;
  result.summary.num_descent_flips = summary.num_descent_flips;
  return result;
}

}  // namespace

std::unique_ptr<RoundingSolver> MakeAdaRoundSolver(const AdaRoundOptions& options) {
  return std::make_unique<AdaRoundSolver>(options);
}

std::unique_ptr<RoundingSolver> MakeCoordinateDescentSolver(
    const CoordinateDescentOptions& options, double ridge) {
  AdaRoundOptions descent_alone;
  descent_alone.iterations = 0;
  descent_alone.enumerate_row_length = 0;
  descent_alone.descent_sweeps = options.max_sweeps;
  descent_alone.ridge = ridge;
  return std::make_unique<AdaRoundSolver>(descent_alone);
}

}  // namespace adaround
