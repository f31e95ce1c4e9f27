// Estimators kMse and kOutputMse: scans over the scale for the smallest squared error.
#pragma once

#include <vector>

#include "quant/range_estimator.h"
#include "quant/weight_range.h"

namespace adaround {

// min ||w - w_bar||^2 over the weights that share a scale (Nagel et al. 2020, table 6). With one
// scale per output channel this is OMSE of Choukroun et al. (arXiv:1902.06822), who minimize the
// same error for each kernel. A scan, as it has many local minima.
ScaleAndZero MseRange(const ScaledWeights& weights, const QuantGrid& grid,
                      bool power_of_two_scale);

// min ||W x - W_bar x_hat||^2 (ibid.), as `output_error` gives it; fills grid.scale and
// grid.zero_point. All scales of a row (of the tensor, per tensor) shrink from the range that clips
// nothing by the same factor.
void FindOutputMseRanges(const WeightMatrix& weights, const RowErrorFunction& output_error,
                         bool power_of_two_scales, QuantGrid& grid);

}  // namespace adaround
