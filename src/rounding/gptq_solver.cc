#include "rounding/gptq_solver.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "adaround/base/error.h"
#include "rounding/block_schedule.h"
#include "rounding/gptq_rounding.h"
#include "rounding/layer_gram.h"
#include "rounding/ridge_choice.h"

namespace adaround {
namespace {

// Rows that share a pass over the factor: more of them where that leaves enough blocks to threads.
int64_t MaxRowsPerBlock(const SampledColumns& samples) {
  if (samples.RowsPerGroup() >= 2048) return 128;
  return samples.RowsPerGroup() >= 256 ? 64 : 32;
}

void RoundBlock(const RoundingProblem& problem, const GptqFactor& factor, const RowRange& rows,
                std::vector<int16_t>& integers) {
  const int64_t length = problem.samples->row_length;
  const ConstMatrixView weights(problem.weights.data() + rows.first_row * length, rows.num_rows,
                                length);
  const Matrix gradient =
      LossGradient(problem, *problem.samples, rows.group, rows.first_row, weights);
  CheckGram(gradient);
  RoundBySecondOrder(problem, factor, gradient, rows, integers);
}

class GptqSolver final : public RoundingSolver {
 public:
  GptqSolver(const GptqOptions& options, std::optional<double> ridge)
      : options_(options), ridge_(ridge) {
    ADAROUND_CHECK(options.Validate().empty());
  }

  RoundingResult Solve(const RoundingProblem& problem, const SolveContext& context) const override {
    return SolveByGptq(problem, options_, ridge_, KeepGram::kNo, context).result;
  }
  bool SolvesRows(const LayerExtent& layer) const override { return layer.num_groups == 1; }
  bool StaysAtFloorOrCeil() const override { return false; }
  SizeLimit Limit() const override {
    SizeLimit limit;
    limit.max_row_length = kMaxGramLength;
    return limit;
  }
  double Work(const LayerExtent& layer, int64_t num_columns) const override {
    return GptqWork(layer, ridge_, num_columns);
  }
  int64_t PairBytes(const LayerExtent& layer, int num_threads) const override {
    return GptqPairBytes(layer, ridge_, KeepGram::kNo, num_threads);
  }

 private:
  GptqOptions options_;
  std::optional<double> ridge_;
};

}  // namespace

GptqSolution SolveByGptq(const RoundingProblem& problem, const GptqOptions& options,
                         std::optional<double> ridge, KeepGram keep_gram,
                         const SolveContext& context) {
  const SampledColumns& samples = *problem.samples;
  Eigen::MatrixXd gram;
  GptqSolution solution;
  if (samples.num_groups == 1) gram = GroupGram(samples, 0, context.num_threads);
  solution.ridge = ridge ? *ridge : ChooseRidge(problem, options, gram, context);
  if (keep_gram == KeepGram::kYes) solution.gram = gram.cast<float>();
  std::vector<GptqFactor> groups(static_cast<size_t>(samples.num_groups));
  std::vector<double> damping(groups.size());
  RoundingResult& result = solution.result;
  result.integers.resize(problem.weights.size());
  BlockSteps steps;
  steps.prepare = [&](int64_t group, int num_threads) {
    Eigen::MatrixXd hessian =
        samples.num_groups == 1 ? std::move(gram) : GroupGram(samples, group, num_threads);
    AddRidge(RidgeOf(samples, group, solution.ridge), hessian);
    GptqFactor& factor = groups[static_cast<size_t>(group)];
    factor = FactorHessian(std::move(hessian), options, num_threads);
    damping[static_cast<size_t>(group)] = factor.damping;
  };
  steps.solve = [&](const RowRange& rows) {
    RoundBlock(problem, groups[static_cast<size_t>(rows.group)], rows, result.integers);
    return RoundingSummary();
  };
  steps.release = [&](int64_t group) { groups[static_cast<size_t>(group)] = GptqFactor(); };
  result.summary = SolveInBlocks(samples, context, MaxRowsPerBlock(samples), steps);
  result.summary.strategy = "gptq";
  result.summary.ridge = solution.ridge;
  const double largest = *std::max_element(damping.begin(), damping.end());
  if (largest > options.damping) {
    std::ostringstream raised;
    raised << ", damping raised to " << largest;
    result.summary.strategy += raised.str();
  }
  return solution;
}

double GptqWork(const LayerExtent& layer, std::optional<double> ridge, int64_t num_columns) {
  // Measured: a symmetric product in float, a factor in double, and the trials of a ridge's choice,
  // each with a factor of its own.
  constexpr double kGram = 0.2;
  constexpr double kFactor = 0.6;
  constexpr double kTrials = 3.0;
  const auto length = static_cast<double>(layer.row_length);
  const auto columns = static_cast<double>(num_columns);
  const double pairs = static_cast<double>(layer.num_groups) * length * length;
  const double factor = kFactor * length * length * length;
  const auto groups = static_cast<double>(layer.num_groups);
  const auto tried = static_cast<double>(std::min(layer.num_groups, kMaxTriedGroups));
  return kGram * pairs * columns + (groups + (ridge ? 0.0 : kTrials * tried)) * factor +
         static_cast<double>(layer.num_rows) * length * (columns + 2.0 * length);
}

int64_t GptqPairBytes(const LayerExtent& layer, std::optional<double> ridge, KeepGram keep_gram,
                      int num_threads) {
  const bool keeps = keep_gram == KeepGram::kYes && layer.num_groups == 1;
  const int64_t own = 2 * GramBytes(layer, num_threads, sizeof(double)) +
                      (keeps ? GramBytes(layer, 1, sizeof(float)) : 0);
  if (ridge) return own;
  const int64_t matrices =
      RidgeChoiceMatrices(layer.num_groups) + (layer.num_groups == 1 ? 1 : 0);
  return std::max(own, matrices * GramBytes(layer, 1, sizeof(double)));
}

std::unique_ptr<RoundingSolver> MakeGptqSolver(const GptqOptions& options,
                                               std::optional<double> ridge) {
  return std::make_unique<GptqSolver>(options, ridge);
}

}  // namespace adaround
