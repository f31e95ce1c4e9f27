// Grids for activation tensors from what the float network makes of the calibration samples.
#pragma once

#include <map>
#include <set>
#include <string>

#include "adaround/base/progress.h"
#include "adaround/pipeline/calibration_set.h"
#include "adaround/runtime/executor.h"
#include "quant/activation_range.h"

namespace adaround {

// What of `points` can be computed from the samples.
std::set<std::string> ReachedTensors(const Graph& graph, const CalibrationSet& samples,
                                     const std::set<std::string>& points);

// One pass over the samples for the bounds, a second one where the estimator needs histograms.
// Of `points`, tensors that the samples do not reach or that are not float32 get no grid.
// Throws Error(kNumerical), naming the tensor, for values that are not finite; Error(kCancelled).
std::map<std::string, ActivationGrid> CalibrateActivations(const Executor& float_executor,
                                                           const CalibrationSet& samples,
                                                           const std::set<std::string>& points,
                                                           const ActivationRangeOptions& options,
                                                           int num_threads,
                                                           ProgressObserver* observer);

}  // namespace adaround
