// Layers that an earlier run has finished, held against the network at hand.
#pragma once

#include "adaround/pipeline/checkpoint.h"
#include "adaround/pipeline/quantize.h"
#include "pipeline/prepared_network.h"

namespace adaround {

// Throws Error(kMalformed), naming the layer, where shapes, grids, biases or the report are not
// those that a run of `options` would give it.
void CheckFinishedLayer(const FinishedLayer& finished, const PreparedNetwork& network,
                        const ChosenLayer& layer, const QuantizeOptions& options);

}  // namespace adaround
