// Estimator kPercentile: the scale clips a fixed share of the weights.
#pragma once

#include "quant/weight_range.h"

namespace adaround {

// The interval that keeps `percentile` percent of the weights that share a scale:
//   symmetric grids   [-a, a], a the percentile of |w|, as far as there are weights on either side
//   asymmetric grids  from the (100 - percentile) / 2 to the 100 - (100 - percentile) / 2
//                     percentile of w, and zero
// A percentile p of n sorted values lies at place p / 100 * (n - 1), counted from 0, interpolated
// linearly between neighbours: of few weights hardly any is clipped.
// Where nothing but zero is left (nearly all weights are zero), the interval that clips nothing.
// REQUIRES: weights.count >= 1; 50 <= percentile <= 100.
Interval PercentileInterval(const ScaledWeights& weights, const QuantGrid& grid,
                            double percentile);

}  // namespace adaround
