#include "rounding/rounding_solver.h"

#include "adaround/base/error.h"
#include "rounding/adaround_solver.h"
#include "rounding/nearest_solver.h"

namespace adaround {

std::vector<std::string> RoundingMethodNames() { return {"nearest", "adaround"}; }

std::unique_ptr<RoundingSolver> CreateRoundingSolver(const std::string& method,
                                                     const AdaRoundOptions& options) {
  if (method == "nearest") return MakeNearestSolver();
  if (method == "adaround") return MakeAdaRoundSolver(options);
  std::string known;
  for (const std::string& name : RoundingMethodNames()) known += (known.empty() ? "" : ", ") + name;
  throw Error(ErrorCode::kInvalidArgument,
              "there is no method '" + Printable(method) + "'; known are " + known);
}

}  // namespace adaround
