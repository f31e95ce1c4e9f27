#include "quant/percentile_range.h"

#include <algorithm>
#include <cmath>

namespace adaround {
namespace {

// Reorders `values`.
double PercentileOf(std::vector<float>& values, double percentile) {
  const double place = percentile / 100.0 * static_cast<double>(values.size() - 1);
  const auto below = static_cast<int64_t>(place);
  const auto at = values.begin() + below;
  std::nth_element(values.begin(), at, values.end());
  const double low = *at;
  if (at + 1 == values.end()) return low;
  const double high = *std::min_element(at + 1, values.end());
  return low + (high - low) * (place - static_cast<double>(below));
}

}  // namespace

Interval PercentileInterval(const ScaledWeights& weights, const QuantGrid& grid,
                            double percentile) {
  std::vector<float> values(weights.weights, weights.weights + weights.count);
  Interval range;
  if (grid.q_min < 0) {
    for (float& value : values) value = std::abs(value);
    const double end = PercentileOf(values, percentile);
    const Interval all = RangeOf(weights.weights, weights.count);
    range = {std::max(-end, all.low), std::min(end, all.high)};
  } else {
    const double clipped = (100.0 - percentile) / 2;
    range.high = std::max(0.0, PercentileOf(values, 100.0 - clipped));
    range.low = std::min(0.0, PercentileOf(values, clipped));
  }
  const bool is_empty = range.low == 0.0 && range.high == 0.0;
  return is_empty ? RangeOf(weights.weights, weights.count) : range;
}

}  // namespace adaround
