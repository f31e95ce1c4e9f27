#include "pipeline/bias_correction.h"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "base/checked_math.h"
#include "base/parallel_for.h"
#include "tensor/eigen_view.h"

namespace adaround {
namespace {

constexpr int64_t kRowsPerTask = 16;
constexpr int kNewtonSteps = 4;
// Mean slope of f below which a shift of the bias hardly moves the mean, or moves it erratically.
constexpr double kMinMeanSlope = 0.02;

double Mean(const std::vector<float>& values) {
  double sum = 0.0;
  for (const float value : values) sum += static_cast<double>(value);
  return sum / static_cast<double>(values.size());
}

// The shift of `z` at which the mean of f(z + shift) is `wanted`, by Newton's method.
double FindShift(const Activation& activation, const float* z, double wanted,
                 std::vector<float>& shifted, std::vector<float>& values) {
  const auto count = static_cast<int64_t>(values.size());
  double shift = 0.0;
  for (int step = 0; step < kNewtonSteps; ++step) {
    for (int64_t i = 0; i < count; ++i) {
      shifted[static_cast<size_t>(i)] = z[i] + static_cast<float>(shift);
    }
    activation.Derivative(shifted.data(), values.data(), count);
    const double slope = Mean(values);
    if (!(slope > kMinMeanSlope)) return 0.0;
    activation.Apply(shifted.data(), values.data(), count);
    shift += (wanted - Mean(values)) / slope;
  }
  return std::isfinite(shift) ? shift : 0.0;
}

}  // namespace

std::vector<float> CorrectBias(const RoundingProblem& problem, const std::vector<float>& weights,
                               int num_threads) {
  const SampledColumns& samples = *problem.samples;
  const int64_t rows_per_group = samples.RowsPerGroup();
  const int64_t tasks_per_group = CeilDivide(rows_per_group, kRowsPerTask);
  std::vector<float> bias = problem.bias;
  ParallelFor(samples.num_groups * tasks_per_group, num_threads, [&](int64_t task) {
    const int64_t group = task / tasks_per_group;
    const int64_t first = group * rows_per_group + (task % tasks_per_group) * kRowsPerTask;
    const int64_t rows = std::min(kRowsPerTask, (group + 1) * rows_per_group - first);
    const ConstMatrixView block(weights.data() + first * samples.row_length, rows,
                                samples.row_length);
    const ConstMatrixView columns(samples.GroupColumns(group), samples.num_samples,
                                  samples.row_length);
    Matrix z(rows, samples.num_samples);
    z.noalias() = block * columns.transpose();
    std::vector<float> shifted(static_cast<size_t>(samples.num_samples));
    std::vector<float> values(static_cast<size_t>(samples.num_samples));
    for (int64_t r = 0; r < rows; ++r) {
      float& row_bias = bias[static_cast<size_t>(first + r)];
      z.row(r).array() += row_bias;
      problem.activation.Apply(samples.RowTarget(first + r), values.data(), samples.num_samples);
      row_bias += static_cast<float>(FindShift(problem.activation, z.row(r).data(), Mean(values),
                                               shifted, values));
    }
  });
  return bias;
}

}  // namespace adaround
