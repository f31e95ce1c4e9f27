#include "rounding/weightwise_solver.h"

#include "base/rng.h"
#include "rounding/row_block.h"

namespace adaround {
namespace {

// Decides a weight that has a choice.
using GoesUp = bool (*)(double fraction, Rng& rng);

class WeightwiseSolver final : public RoundingSolver {
 public:
  WeightwiseSolver(const char* strategy, GoesUp goes_up)
      : strategy_(strategy), goes_up_(goes_up) {}

  RoundingResult Solve(const RoundingProblem& problem, const SolveContext& context) const override {
    const int64_t length = problem.samples->row_length;
    RoundingResult result;
    result.summary.strategy = strategy_;
    result.integers.reserve(problem.weights.size());
    for (int64_t row = 0; row < problem.samples->num_rows; ++row) {
      Rng rng(context.seed, context.layer, static_cast<uint64_t>(row));
      for (int64_t k = 0; k < length; ++k) {
        const auto s = static_cast<size_t>(problem.grid.ScaleIndex(row, k, length));
        const Candidates candidates = CandidatesOf(
            problem.weights[static_cast<size_t>(row * length + k)], problem.grid.scale[s],
            problem.grid.zero_point[s], problem.grid);
        const bool up = candidates.has_choice && goes_up_(candidates.fraction, rng);
        result.integers.push_back(static_cast<int16_t>(candidates.lower + (up ? 1 : 0)));
      }
    }
    return result;
  }
  bool StaysAtFloorOrCeil() const override { return true; }

 private:
  const char* strategy_;
  GoesUp goes_up_;
};

}  // namespace

std::unique_ptr<RoundingSolver> MakeFloorSolver() {
  return std::make_unique<WeightwiseSolver>("floor", [](double, Rng&) { return false; });
}

std::unique_ptr<RoundingSolver> MakeCeilSolver() {
  return std::make_unique<WeightwiseSolver>("ceil", [](double, Rng&) { return true; });
}

std::unique_ptr<RoundingSolver> MakeStochasticSolver() {
  return std::make_unique<WeightwiseSolver>(
      "stochastic", [](double fraction, Rng& rng) { return rng.Uniform() < fraction; });
}

}  // namespace adaround
