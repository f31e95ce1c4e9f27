// Applies the transformations that TransformOptions ask for.
#pragma once

#include "adaround/graph/graph.h"
#include "adaround/pipeline/calibration_set.h"
#include "adaround/pipeline/quantize.h"

namespace adaround {

// `graph` is sorted, its constants and BatchNormalization nodes are folded; so is the result.
// `observer`, which may be null, is told after each step. Throws Error as QuantizeModel does.
Graph TransformNetwork(Graph graph, const CalibrationSet& samples, const QuantizeOptions& options,
                       QuantizeObserver* observer);

}  // namespace adaround
