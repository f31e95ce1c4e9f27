#include "rounding/nearest_guard.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "adaround/base/error.h"
#include "quant/range_estimator.h"

namespace adaround {
namespace {

struct RowErrorsOfBoth {
  std::vector<double> nearest;
  std::vector<double> found;
};

// Throws Error(kNumerical) where a row's error is not finite.
RowErrorsOfBoth CompareWithNearest(const RoundingProblem& problem, bool activation,
                                   const std::vector<int16_t>& integers,
                                   const std::vector<int16_t>& nearest, int num_threads) {
  const SampledColumns& samples = *problem.samples;
  const ChannelActivation identity;
  const auto errors_of = [&](const std::vector<int16_t>& rounded) {
    return RowErrors(
        problem, activation ? problem.activation : identity, samples,
        DequantizeMatrix(rounded, samples.num_rows, samples.row_length, problem.grid),
        num_threads);
  };
  RowErrorsOfBoth errors{errors_of(nearest), errors_of(integers)};
  for (size_t row = 0; row < errors.found.size(); ++row) {
    if (!std::isfinite(errors.found[row])) {
      throw Error(ErrorCode::kNumerical, "the reconstruction error of output channel " +
                                             std::to_string(row) + " is not finite");
    }
  }
  return errors;
}

std::vector<int64_t> RowsAbove(const RowErrorsOfBoth& errors) {
  std::vector<int64_t> above;
  for (size_t row = 0; row < errors.found.size(); ++row) {
    if (errors.found[row] > errors.nearest[row]) above.push_back(static_cast<int64_t>(row));
  }
  return above;
}

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
    const RowErrorsOfBoth errors = CompareWithNearest(problem, activation_, result.integers,
                                                      nearest, context.num_threads);
    // Of a method that shows no course, where it started and ended.
    if (result.summary.trace.empty()) {
      result.summary.trace.push_back({"nearest", 0, MeanError(errors.nearest), {}, 0});
      result.summary.trace.push_back({"search", 0, MeanError(errors.found), {}, 0});
    }
    for (const int64_t row : RowsAbove(errors)) {
      std::copy_n(nearest.begin() + row * length, length, result.integers.begin() + row * length);
      ++result.summary.num_nearest_rows;
    }
    return result;
  }

  bool StaysAtFloorOrCeil() const override { return solver_->StaysAtFloorOrCeil(); }
  SizeLimit Limit() const override { return solver_->Limit(); }
  double Work(const LayerExtent& layer, int64_t num_columns) const override {
    return solver_->Work(layer, num_columns);
  }
  int64_t PairBytes(const LayerExtent& layer, int num_threads) const override {
    return solver_->PairBytes(layer, num_threads);
  }

 private:
  std::unique_ptr<RoundingSolver> solver_;
  bool activation_;
};

}  // namespace

std::vector<int64_t> RowsAboveNearest(const RoundingProblem& problem, bool activation,
                                      const std::vector<int16_t>& integers,
                                      const std::vector<int16_t>& nearest, int num_threads) {
  return RowsAbove(CompareWithNearest(problem, activation, integers, nearest, num_threads));
}

std::unique_ptr<RoundingSolver> GuardByNearest(std::unique_ptr<RoundingSolver> solver,
                                               bool activation) {
  return std::make_unique<NearestGuard>(std::move(solver), activation);
}

}  // namespace adaround
