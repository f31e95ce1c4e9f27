#include "quant/analytical_clipping.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace adaround {
namespace {

// Of the error of ExpectedClippingError with respect to alpha.
double Slope(ValueDensity density, double alpha, int num_levels) {
  const double levels = num_levels;
  const double rounding = 2.0 * alpha / (3.0 * levels * levels);
  if (density == ValueDensity::kLaplacian) return rounding - 2.0 * std::exp(-alpha);
  return rounding + 2.0 * alpha * std::erfc(alpha / std::numbers::sqrt2) -
         2.0 * std::sqrt(2.0 / std::numbers::pi) * std::exp(-alpha * alpha / 2.0);
}

}  // namespace

double ExpectedClippingError(ValueDensity density, double alpha, int num_levels) {
  const double levels = num_levels;
  const double rounding = alpha * alpha / (3.0 * levels * levels);
  if (density == ValueDensity::kLaplacian) return rounding + 2.0 * std::exp(-alpha);
  return rounding + (alpha * alpha + 1.0) * std::erfc(alpha / std::numbers::sqrt2) -
         alpha * std::sqrt(2.0 / std::numbers::pi) * std::exp(-alpha * alpha / 2.0);
}

double OptimalClipping(ValueDensity density, int num_levels) {
  // Negative at 0; positive where the tail's share has vanished, for any number of levels used.
  double low = 0.0;
  double high = 64.0;
  while (true) {
    const double middle = 0.5 * (low + high);
    if (middle <= low || middle >= high) return middle;
    (Slope(density, middle, num_levels) < 0.0 ? low : high) = middle;
  }
}

ValueDensity FittingDensity(double sigma, double b) {
  const double threshold = 2.0 * std::sqrt(std::numbers::e / (2.0 * std::numbers::pi));
  return sigma < threshold * b ? ValueDensity::kGaussian : ValueDensity::kLaplacian;
}

double ClippingThreshold(double sigma, double b, int num_levels) {
  const ValueDensity density = FittingDensity(sigma, b);
  return OptimalClipping(density, num_levels) * (density == ValueDensity::kGaussian ? sigma : b);
}

Interval AnalyticalInterval(const ScaledWeights& weights, const QuantGrid& grid) {
  const bool symmetric = grid.q_min < 0;
  const auto count = static_cast<double>(weights.count);
  double mean = 0.0;
  if (!symmetric) {
    for (int64_t i = 0; i < weights.count; ++i) mean += static_cast<double>(weights.weights[i]);
    mean /= count;
  }
  double squares = 0.0;
  double magnitudes = 0.0;
  for (int64_t i = 0; i < weights.count; ++i) {
    const double distance = static_cast<double>(weights.weights[i]) - mean;
    squares += distance * distance;
    magnitudes += std::abs(distance);
  }
  const double sigma = std::sqrt(squares / count);
  const double b = magnitudes / count;
  const int num_levels = grid.q_max - grid.q_min + 1;
  const double alpha = ClippingThreshold(sigma, b, num_levels);
  const Interval range = RangeOf(weights.weights, weights.count);
  const double scale = 2.0 * alpha / num_levels;
  if (symmetric) {
    // The coarsest scale that is of use is the one that clips nothing.
    const double widest = std::max(range.high / grid.q_max, range.low / grid.q_min);
    const double used = std::min(scale, widest);
    return {used * grid.q_min, used * grid.q_max};
  }
  const double reach = alpha - scale / 2.0;
  return {std::clamp(mean - reach, range.low, 0.0), std::clamp(mean + reach, 0.0, range.high)};
}

}  // namespace adaround
