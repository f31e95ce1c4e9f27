#include "rounding/rounding_solver.h"

#include <algorithm>

#include "adaround/base/error.h"
#include "adaround/rounding/rounding_method.h"
#include "rounding/adaround_solver.h"
#include "rounding/nearest_guard.h"
#include "rounding/nearest_solver.h"
#include "rounding/relaxation_solver.h"
#include "rounding/straight_through_solver.h"

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
  const Names samples = {"positions_per_draw", "asymmetric_reconstruction", "activation_in_loss"};
  const Names gradient = samples + Names{"iterations", "batch_size", "exact_gradient", "ridge"};
  const Names relaxation = gradient + Names{"learning_rate"};
  const Names regularizer = {"lambda", "beta", "warm_start", "normalize_rows"};
  const Names finish = {"descent_sweeps", "enumerate_row_length"};
  static const std::vector<MethodRow> rows = {
      {{"nearest", "to the nearest grid point", false},
       [](const RoundingOptions&) { return MakeNearestSolver(); }},
      {{"adaround", "rectified sigmoid with regularizer, then coordinate descent", true,
        relaxation + regularizer + finish},
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
        gradient + Names{"ste_learning_rate"}},
       [](const RoundingOptions& options) {
         return MakeStraightThroughSolver(options.adaround, options.straight_through);
       }},
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
  const MethodRow& row = FindRow(method);
  std::unique_ptr<RoundingSolver> solver = row.create(options);
  if (row.method.searches && options.keep_nearest_rows) return GuardByNearest(std::move(solver));
  return solver;
}

}  // namespace adaround
