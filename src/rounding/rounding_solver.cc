#include "rounding/rounding_solver.h"

#include <algorithm>

#include "adaround/base/error.h"
#include "adaround/rounding/rounding_method.h"
#include "rounding/adaround_solver.h"
#include "rounding/nearest_guard.h"
#include "rounding/nearest_solver.h"

namespace adaround {
namespace {

using Factory = std::unique_ptr<RoundingSolver> (*)(const RoundingOptions&);

struct MethodRow {
  RoundingMethod method;
  Factory create;
};

const std::vector<MethodRow>& Rows() {
  static const std::vector<MethodRow> rows = {
      {{"nearest", "to the nearest grid point", false},
       [](const RoundingOptions&) { return MakeNearestSolver(); }},
      {{"adaround", "rectified sigmoid with regularizer, then coordinate descent", true},
       [](const RoundingOptions& options) { return MakeAdaRoundSolver(options.adaround); }},
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
