#include "rounding/nearest_solver.h"

#include "quant/range_estimator.h"

namespace adaround {
namespace {

class NearestSolver final : public RoundingSolver {
 public:
  RoundingResult Solve(const RoundingProblem& problem, const SolveContext&) const override {
    RoundingResult result;
    result.summary.strategy = "nearest";
    result.integers = RoundToNearest(
        {problem.weights.data(), problem.samples->num_rows, problem.samples->row_length},
        problem.grid);
    return result;
  }
  bool StaysAtFloorOrCeil() const override { return true; }
};

}  // namespace

std::unique_ptr<RoundingSolver> MakeNearestSolver() { return std::make_unique<NearestSolver>(); }

}  // namespace adaround
