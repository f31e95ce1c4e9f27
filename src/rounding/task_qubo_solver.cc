#include "rounding/task_qubo_solver.h"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "adaround/base/error.h"
#include "base/rng.h"
#include "quant/range_estimator.h"
#include "rounding/cross_entropy_search.h"
#include "rounding/quadratic_problem.h"
#include "rounding/row_block.h"
#include "rounding/tabu_search.h"

namespace adaround {
namespace {

// The layer as one quadratic, with what turns decisions into integers.
struct LayerQuadratic {
  QuadraticProblem quadratic;
  std::vector<int16_t> lower;  // [M, K]: the integer that decision 0 stands for
};

LayerQuadratic MakeQuadratic(const RoundingProblem& problem, const std::vector<int16_t>& nearest) {
  const SampledColumns& samples = *problem.samples;
  const int64_t rows_per_group = samples.RowsPerGroup();
  const size_t size = problem.weights.size();
  LayerQuadratic layer;
  layer.lower.resize(size);
  QuadraticProblem& quadratic = layer.quadratic;
  quadratic.curvature = problem.task_curvature;
  // w_nearest - w.
  std::vector<double> difference;
  for (int64_t group = 0; group < samples.num_groups; ++group) {
    RowBlock block =
        MakeRowBlockWithoutTarget(problem, group, group * rows_per_group, rows_per_group);
    std::fill(block.up.begin(), block.up.end(), uint8_t{0});
    StoreIntegers(block, layer.lower);
    for (int64_t i = 0; i < block.step.size(); ++i) {
      const size_t at = quadratic.step.size();
      const float step = block.step.data()[i];
      const uint8_t up = step > 0.0F && nearest[at] > layer.lower[at] ? 1 : 0;
      quadratic.step.push_back(step);
      quadratic.fraction.push_back(block.fraction.data()[i]);
      quadratic.reference.push_back(up);
      difference.push_back(static_cast<double>(block.base.data()[i]) +
                           (up != 0 ? static_cast<double>(step) : 0.0) -
                           static_cast<double>(problem.weights[at]));
    }
  }
  for (size_t i = 0; i < size; ++i) {
    const float* row = problem.task_curvature + i * size;
    double sum = 0.0;
    for (size_t j = 0; j < size; ++j) sum += static_cast<double>(row[j]) * difference[j];
    quadratic.gradient.push_back(static_cast<float>(sum));
  }
  return layer;
}

// What a search leaves.
struct Found {
  std::vector<uint8_t> up;
  double energy = 0.0;
  int64_t iterations = 0;
};
using Search = std::function<Found(const QuadraticProblem&, const SolveContext&, uint64_t stream)>;

class TaskQuboSolver final : public RoundingSolver {
 public:
  // The search holds `num_matrices` over pairs of the layer's weights, float32.
  TaskQuboSolver(std::string strategy, Search search, SizeLimit limit, int64_t num_matrices)
      : strategy_(std::move(strategy)),
        search_(std::move(search)),
        limit_(std::move(limit)),
        num_matrices_(num_matrices) {}

  RoundingResult Solve(const RoundingProblem& problem, const SolveContext& context) const override {
    ADAROUND_CHECK(problem.task_curvature != nullptr);
    RoundingResult result;
    result.integers = RoundToNearest(
        {problem.weights.data(), problem.samples->num_rows, problem.samples->row_length},
        problem.grid);
    const LayerQuadratic layer = MakeQuadratic(problem, result.integers);
    ThrowIfAny(ErrorCode::kNumerical, layer.quadratic.Validate());
    const Found found =
        search_(layer.quadratic, context, Rng(context.seed, context.layer, 0).Next());
    result.summary.strategy = strategy_;
    result.summary.iterations = found.iterations;
    if (context.on_progress) context.on_progress(1, 1);
    if (!(found.energy < 0.0)) return result;
    for (size_t i = 0; i < result.integers.size(); ++i) {
      if (layer.quadratic.step[i] > 0.0F) {
        result.integers[i] = static_cast<int16_t>(layer.lower[i] + found.up[i]);
      }
    }
    return result;
  }

  bool StaysAtFloorOrCeil() const override { return true; }
  SizeLimit Limit() const override { return limit_; }
  int64_t PairBytes(const LayerExtent& layer, int /*num_threads*/) const override {
    const int64_t num_weights = layer.num_rows * layer.row_length;
    return num_matrices_ * num_weights * num_weights * int64_t{sizeof(float)};
  }

 private:
  std::string strategy_;
  Search search_;
  SizeLimit limit_;
  int64_t num_matrices_;
};

}  // namespace

std::unique_ptr<RoundingSolver> MakeTaskCrossEntropySolver(const CrossEntropyOptions& options) {
  SizeLimit limit;
  limit.max_weights = CrossEntropyMaxVariables(options);
  limit.remedy = "raise --cem-budget or take --method task-tabu";
  return std::make_unique<TaskQuboSolver>(
      "task cross-entropy",
      [options](const QuadraticProblem& problem, const SolveContext& context, uint64_t stream) {
        CrossEntropyResult result = SearchByCrossEntropy(problem, options, stream,
                                                         context.num_threads, context.should_stop);
        return Found{std::move(result.up), result.energy, result.num_rounds};
      },
      limit, 1);
}

std::unique_ptr<RoundingSolver> MakeTaskTabuSolver(const TabuOptions& options) {
  return std::make_unique<TaskQuboSolver>(
      "task tabu",
      [options](const QuadraticProblem& problem, const SolveContext& context, uint64_t stream) {
        TabuResult result =
            SearchByTabu(problem, options, TabuStart::kReference, stream, context.should_stop);
        return Found{std::move(result.up), result.energy, result.num_flips};
      },
      SizeLimit{}, 0);
}

}  // namespace adaround
