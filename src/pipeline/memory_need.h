// The memory that a run needs, and what of it is left for stored activations.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "adaround/pipeline/quantize.h"
#include "pipeline/prepared_network.h"

namespace adaround {

// Resident bytes that a run needs beside stored activations, at most but for what one sample's
// derivatives keep: parameters (the graph's, and both executors' in the layout they compute with),
// one pass per thread, the program itself, and the layer that needs most: its columns with the
// solver's transposed copy, the solver's matrices over pairs of weights, the task loss's curvature.
int64_t WorkingBytes(const PreparedNetwork& network, const QuantizeOptions& options);

// What the memory limit leaves for stored activations; 0 where it leaves nothing.
int64_t StoreBudget(const PreparedNetwork& network, const QuantizeOptions& options);

// Empty where the limit is none, or is kept.
std::vector<std::string> LimitWarnings(const PreparedNetwork& network,
                                       const QuantizeOptions& options);

}  // namespace adaround
