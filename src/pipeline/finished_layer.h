// Layers, and rows of them, that another run has finished, held against the network at hand.
#pragma once

#include <memory>
#include <vector>

#include "adaround/pipeline/checkpoint.h"
#include "adaround/pipeline/quantize.h"
#include "pipeline/prepared_network.h"
#include "rounding/rounding_solver.h"

namespace adaround {

// Throws Error(kMalformed), naming the layer, where shapes, grids, biases or the report are not
// those that a run of `options` would give it.
void CheckFinishedLayer(const FinishedLayer& finished, const PreparedNetwork& network,
                        const ChosenLayer& layer, const QuantizeOptions& options);

// Of a search for these rows of the layer alone. `grid` is the layer's, with scales.
FinishedRows MakeFinishedRows(const ChosenLayer& layer, const RowSpan& rows, const QuantGrid& grid,
                              const RoundingResult& result);

// A solver that returns what the layer's search would have, had it not been done in parts; nullptr
// where `parts`, in order, are not all of one search.
// Throws Error(kMalformed) where shapes or grids are others, or numbers none that a search finds.
std::unique_ptr<RoundingSolver> JoinFinishedRows(std::vector<FinishedRows> parts,
                                                 const ChosenLayer& layer, const QuantGrid& grid);

}  // namespace adaround
