#include "rounding/nearest_guard.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "adaround/base/error.h"
#include "quant/range_estimator.h"

namespace adaround {
namespace {

class NearestGuard final : public RoundingSolver {
 public:
  NearestGuard(std::unique_ptr<RoundingSolver> solver, bool activation)
      : solver_(std::move(solver)), activation_(activation) {}

  RoundingResult Solve(const RoundingProblem& problem, const SolveContext& context) const override {
    RoundingResult result = solver_->Solve(problem, context);
    const SampledColumns& samples = *problem.samples;
    const int64_t length = samples.row_length;
    const std::vector<int16_t> nearest =
        RoundToNearest({problem.weights.data(), samples.num_rows, length}, problem.grid);
    RoundingProblem judged = problem;
    if (!activation_) judged.activation = ChannelActivation{};
    const auto errors_of = [&](const std::vector<int16_t>& integers) {
      return RowErrors(judged, samples,
                       DequantizeMatrix(integers, samples.num_rows, length, problem.grid),
                       context.num_threads);
    };
    const std::vector<double> nearest_errors = errors_of(nearest);
    const std::vector<double> errors = errors_of(result.integers);
    for (int64_t row = 0; row < samples.num_rows; ++row) {
      const auto at = static_cast<size_t>(row);
      if (!std::isfinite(errors[at])) {
        throw Error(ErrorCode::kNumerical, "the reconstruction error of output channel " +
                                               std::to_string(row) + " is not finite");
      }
      if (errors[at] <= nearest_errors[at]) continue;
      std::copy_n(nearest.begin() + row * length, length, result.integers.begin() + row * length);
      ++result.summary.num_nearest_rows;
    }
    return result;
  }

  bool StaysAtFloorOrCeil() const override { return solver_->StaysAtFloorOrCeil(); }
  RowLimit Limit() const override { return solver_->Limit(); }
  int64_t PairBytes(const LayerExtent& layer, int num_threads) const override {
    return solver_->PairBytes(layer, num_threads);
  }

 private:
  std::unique_ptr<RoundingSolver> solver_;
  bool activation_;
};

}  // namespace

std::unique_ptr<RoundingSolver> GuardByNearest(std::unique_ptr<RoundingSolver> solver,
                                               bool activation) {
  return std::make_unique<NearestGuard>(std::move(solver), activation);
}

}  // namespace adaround
