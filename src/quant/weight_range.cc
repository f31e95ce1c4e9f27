#include "quant/weight_range.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "quant/power_of_two.h"

namespace adaround {

std::vector<ScaledWeights> SplitByScale(const WeightMatrix& weights, const QuantGrid& grid) {
  if (grid.granularity == Granularity::kPerTensor) {
    return {{weights.values, weights.rows * weights.row_length, 0, weights.rows}};
  }
  const int64_t length =
      grid.granularity == Granularity::kPerGroup ? grid.group_size : weights.row_length;
  std::vector<ScaledWeights> units;
  for (int64_t row = 0; row < weights.rows; ++row) {
    for (int64_t k = 0; k < weights.row_length; k += length) {
      units.push_back({weights.values + row * weights.row_length + k,
                       std::min(length, weights.row_length - k), row, 1});
    }
  }
  return units;
}

Interval RangeOf(const float* weights, int64_t count) {
  Interval range;
  for (int64_t i = 0; i < count; ++i) {
    range.low = std::min(range.low, static_cast<double>(weights[i]));
    range.high = std::max(range.high, static_cast<double>(weights[i]));
  }
  return range;
}

ScaleAndZero Cover(const Interval& range, const QuantGrid& grid, bool power_of_two_scale) {
  if (range.low == 0.0 && range.high == 0.0) return {1.0F, std::clamp(0, grid.q_min, grid.q_max)};
  double scale = 0.0;
  int32_t zero_point = 0;
  if (grid.q_min < 0) {
    scale = std::max(range.high / grid.q_max, range.low / grid.q_min);
    if (power_of_two_scale) scale = NextPowerOfTwo(scale);
  } else {
    scale = (range.high - range.low) / (grid.q_max - grid.q_min);
    if (power_of_two_scale) scale = NextPowerOfTwo(scale);
    const double zero = grid.q_min - range.low / scale;
    zero_point = std::clamp(static_cast<int32_t>(std::lround(zero)), grid.q_min, grid.q_max);
  }
  const double largest = power_of_two_scale
                             ? kLargestPowerOfTwo
                             : static_cast<double>(std::numeric_limits<float>::max());
  scale = std::clamp(scale, static_cast<double>(std::numeric_limits<float>::min()), largest);
  return {static_cast<float>(scale), zero_point};
}

}  // namespace adaround
