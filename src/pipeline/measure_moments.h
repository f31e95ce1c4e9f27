// Means and standard deviations of layers' outputs over calibration samples.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "adaround/base/progress.h"
#include "adaround/pipeline/calibration_set.h"
#include "graph/channel_moments.h"
#include "graph/linear_layer.h"
#include "pipeline/layer_capture.h"

namespace adaround {

// How moments are measured, and what that took.
struct MomentPasses {
  std::optional<int64_t> max_samples;  // look at no more than the first so many
  int64_t num_macs = 0;                // multiply-accumulates of all passes so far
};

// Over all positions of W x + b in the float network and all samples but those that `split` holds
// out, for each of `layers` that the samples reach and that `moments` does not hold yet; adds them
// there. Does not depend on num_threads.
// Throws Error(kNumerical), naming the layer, for values that are not finite; Error(kCancelled).
void MeasureMoments(const Graph& graph, const std::vector<LinearLayer>& layers,
                    const CalibrationSet& samples, const SampleSplit& split, int num_threads,
                    ProgressObserver* observer, ChannelMomentsMap& moments, MomentPasses& passes);

}  // namespace adaround
