// Applies the transformations that TransformOptions ask for.
#pragma once

#include <map>
#include <string>

#include "adaround/graph/graph.h"
#include "adaround/pipeline/calibration_set.h"
#include "adaround/pipeline/quantize.h"
#include "adaround/quant/layer_grid.h"
#include "graph/channel_moments.h"
#include "pipeline/measure_moments.h"

namespace adaround {

// Equalization and absorption, for layers that are yet to be chosen.
// `graph` is sorted, its constants and BatchNormalization nodes are folded; so is the result.
// Tensors that the samples hold keep their values.
// `moments` holds what is known of layers' outputs, as they are before and after; steps that need
// others measure them, as `passes` says, and add them.
// `observer`, which may be null, is told after each step. Throws Error as QuantizeModel does.
Graph TransformNetwork(Graph graph, const CalibrationSet& samples, const QuantizeOptions& options,
                       ChannelMomentsMap& moments, MomentPasses& passes,
                       QuantizeObserver* observer);

// Outlier channel splitting of the layers that `grids` names, each for the steps of its own grid.
// Layers' names and the tensors that they write stay. `graph` and `observer` as above.
Graph SplitOutliers(Graph graph, const std::map<std::string, LayerGrid>& grids, double ratio,
                    QuantizeObserver* observer);

}  // namespace adaround
