// What a layer that is chosen to be quantized means for the run and for its prediction.
#pragma once

#include "adaround/pipeline/quantize.h"
#include "adaround/quant/quant_grid.h"
#include "adaround/report/layer_report.h"
#include "pipeline/prepared_network.h"

namespace adaround {

// Where its weight keeps its output channels.
ChannelLayout LayoutOf(const LinearLayer& layer);

// The layer's grid, still without scales.
QuantGrid GridOf(const ChosenLayer& layer, const QuantizeOptions& options);

// Its shape and bits; what a run finds is still empty.
LayerReport DescribeLayer(const PreparedNetwork& network, const ChosenLayer& layer);

// Throws Error(kInvalidArgument), naming each layer that is too large for the method, before any is
// searched; Error as CheckTaskLayers does.
void CheckLayerSizes(const PreparedNetwork& network, const QuantizeOptions& options);

}  // namespace adaround
