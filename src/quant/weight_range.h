// What the range estimators have in common: the stretches of weights that share a scale, intervals
// of weights, and the grid that covers an interval.
#pragma once

#include <cstdint>
#include <vector>

#include "adaround/quant/quant_grid.h"
#include "quant/range_estimator.h"

namespace adaround {

// Holds zero, which lies on every grid.
struct Interval {
  double low = 0.0;   // <= 0
  double high = 0.0;  // >= 0
};

struct ScaleAndZero {
  float scale = 1.0F;
  int32_t zero_point = 0;
};

// One stretch of weights that share a scale: the tensor, a row, or a group of a row.
struct ScaledWeights {
  const float* weights;
  int64_t count;
  int64_t first_row;
  int64_t num_rows;
};

// In the order of grid.scale.
std::vector<ScaledWeights> SplitByScale(const WeightMatrix& weights, const QuantGrid& grid);

// From the smallest to the largest weight, and zero.
Interval RangeOf(const float* weights, int64_t count);

// The grid that covers `range`; symmetric grids (zero point fixed at 0) cover its larger side. With
// `power_of_two_scale` the scale is rounded up to a power of two. An empty range gets scale 1; a
// scale too small for a normal float32 is lifted to the smallest.
ScaleAndZero Cover(const Interval& range, const QuantGrid& grid, bool power_of_two_scale);

}  // namespace adaround
