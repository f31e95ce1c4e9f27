#include "rounding/rounding_solver.h"

#include <algorithm>

#include "adaround/base/error.h"
#include "adaround/rounding/rounding_method.h"
#include "rounding/adaround_solver.h"
#include "rounding/gptq_solver.h"
#include "rounding/local_quadratic_solver.h"
#include "rounding/nearest_guard.h"
#include "rounding/nearest_solver.h"
#include "rounding/relaxation_solver.h"
#include "rounding/straight_through_solver.h"
#include "rounding/task_qubo_solver.h"
#include "rounding/weightwise_solver.h"

namespace adaround {
namespace {

using Factory = std::unique_ptr<RoundingSolver> (*)(const RoundingOptions&);

struct MethodRow {
  RoundingMethod method;
  Factory create;
};

using Names = std::vector<std::string>;

Names operator+(Names names, const Names& more) {
  names.insert(names.end(), more.begin(), more.end());
  return names;
}

const std::vector<MethodRow>& Rows() {
  // What methods have in common that look at samples, and that follow a gradient there.
  const Names before_activation = {"positions_per_draw", "asymmetric_reconstruction"};
  const Names samples = before_activation + Names{"activation_in_loss"};
  const Names gradient = samples + Names{"iterations", "batch_size", "exact_gradient", "ridge"};
  const Names relaxation = gradient + Names{"learning_rate"};
  const Names regularizer = {"lambda", "beta", "warm_start", "normalize_rows"};
  const Names finish = {"descent_sweeps", "second_order_start", "max_relaxed_row_length",
                        "enumerate_row_length", "max_ridge_choice_length"};
  const Names task = {"hessian_draws", "calib_labels"};
  const Names cross_entropy = {"cem_population", "cem_elite", "cem_smoothing", "cem_rounds",
                               "cem_budget"};
  const Names tabu = {"tabu_flips", "tabu_restarts", "tabu_tenure"};
  static const std::vector<MethodRow> rows = {
      {{"nearest", "to the nearest grid point", false, {}, true, false},
       [](const RoundingOptions&) { return MakeNearestSolver(); }},
      {{"adaround", "from second order: rectified sigmoid with regularizer, coordinate descent",
        true, relaxation + regularizer + finish},
       [](const RoundingOptions& options) { return MakeAdaRoundSolver(options.adaround); }},
      {{"rectified-sigmoid", "the paper's relaxation with regularizer, without AdaRound's finish",
        true, relaxation + regularizer},
       [](const RoundingOptions& options) { return MakeRectifiedSigmoidSolver(options.adaround); }},
      {{"sigmoid", "plain sigmoid with regularizer", true, relaxation + regularizer},
       [](const RoundingOptions& options) { return MakeSigmoidSolver(options.adaround); }},
      {{"sigmoid-annealing", "sigmoid whose temperature falls, without regularizer (Hopfield)",
        true, relaxation + Names{"temperature"}},
       [](const RoundingOptions& options) {
         return MakeSigmoidAnnealingSolver(options.adaround, options.annealing);
       }},
      {{"ste", "straight-through estimator: may leave floor and ceiling", true,
        gradient + Names{"ste_reach", "ste_dampening"}},
       [](const RoundingOptions& options) {
         return MakeStraightThroughSolver(options.adaround, options.straight_through);
       }},
      {{"floor", "every weight down", false, {}, true, false},
       [](const RoundingOptions&) { return MakeFloorSolver(); }},
      {{"ceil", "every weight up", false, {}, true, false},
       [](const RoundingOptions&) { return MakeCeilSolver(); }},
      {{"stochastic", "up with the probability of the fractional part", false},
       [](const RoundingOptions&) { return MakeStochasticSolver(); }},
      {{"descent", "coordinate descent alone, from nearest", true,
        samples + Names{"sweeps", "ridge"}, true, false},
       [](const RoundingOptions& options) {
         return MakeCoordinateDescentSolver(options.descent, options.adaround.RidgeOrDefault());
       }},
      {{"qubo-cross-entropy", "error before the activation, by the cross-entropy method", true,
        before_activation + cross_entropy + Names{"ridge"}},
       [](const RoundingOptions& options) {
         return MakeCrossEntropySolver(options.cross_entropy, options.adaround.RidgeOrDefault());
       }},
      {{"qubo-tabu", "error before the activation, by tabu search from a random start", true,
        before_activation + tabu + Names{"ridge"}},
       [](const RoundingOptions& options) {
         return MakeTabuSolver(options.tabu, options.adaround.RidgeOrDefault(), false);
       }},
      {{"qubo-tabu-warm", "error before the activation, by tabu search from nearest", true,
        before_activation + tabu + Names{"ridge"}},
       [](const RoundingOptions& options) {
         return MakeTabuSolver(options.tabu, options.adaround.RidgeOrDefault(), true);
       }},
      {{"gptq", "weight by weight, the others moved to make up for its error", true,
        before_activation + Names{"gptq_damping", "gptq_activation_order", "ridge"}, true, false},
       [](const RoundingOptions& options) {
         return MakeGptqSolver(options.gptq, options.adaround.ridge);
       }},
      {{"task-cross-entropy", "one layer by the task loss's curvature, cross-entropy method", true,
        task + cross_entropy, false},
       [](const RoundingOptions& options) {
         return MakeTaskCrossEntropySolver(options.cross_entropy);
       }},
      {{"task-tabu", "one layer by the task loss's curvature, tabu search from nearest", true,
        task + tabu, false},
       [](const RoundingOptions& options) { return MakeTaskTabuSolver(options.tabu); }},
  };
  return rows;
}

const MethodRow& FindRow(const std::string& name) {
  const auto& rows = Rows();
  const auto found = std::find_if(rows.begin(), rows.end(),
                                  [&](const MethodRow& row) { return row.method.name == name; });
  if (found != rows.end()) return *found;
  std::string known;
  for (const MethodRow& row : rows) known += (known.empty() ? "" : ", ") + row.method.name;
  throw Error(ErrorCode::kInvalidArgument,
              "there is no method '" + Printable(name) + "'; known are " + known);
}

}  // namespace

LayerExtent ExtentOf(const RoundingProblem& problem) {
  const SampledColumns& samples = *problem.samples;
  return {samples.num_rows, samples.row_length, samples.num_groups,
          problem.activation.IsIdentity(), samples.columns_per_draw};
}

bool RoundingMethod::Reads(std::string_view option) const {
  return std::find(options.begin(), options.end(), option) != options.end();
}

const std::vector<RoundingMethod>& RoundingMethods() {
  static const std::vector<RoundingMethod> methods = [] {
    std::vector<RoundingMethod> list;
    for (const MethodRow& row : Rows()) list.push_back(row.method);
    return list;
  }();
  return methods;
}

std::vector<std::string> RoundingMethodNames() {
  std::vector<std::string> names;
  for (const RoundingMethod& method : RoundingMethods()) names.push_back(method.name);
  return names;
}

const RoundingMethod& FindRoundingMethod(const std::string& name) { return FindRow(name).method; }

std::unique_ptr<RoundingSolver> CreateRoundingSolver(const std::string& method,
                                                     const RoundingOptions& options) {
  return CompleteSolver(FindRow(method).create(options), method, options);
}

std::unique_ptr<RoundingSolver> CompleteSolver(std::unique_ptr<RoundingSolver> solver,
                                               const std::string& name,
                                               const RoundingOptions& options) {
  const RoundingMethod& method = FindRoundingMethod(name);
  // Rows by themselves say nothing about the task loss.
  const bool guards = options.keep_nearest_rows && method.row_wise;
  if (!method.searches || !guards) return solver;
  return GuardByNearest(std::move(solver), method.Reads("activation_in_loss"));
}

}  // namespace adaround
