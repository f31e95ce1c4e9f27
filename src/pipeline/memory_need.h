// The memory that a run needs, and what of it is left for stored activations.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "adaround/pipeline/quantize.h"
#include "pipeline/prepared_network.h"
#include "pipeline/segment_plan.h"
#include "rounding/rounding_solver.h"

namespace adaround {

// Resident bytes that a run needs beside stored activations, at most but for what one sample's
// derivatives keep: parameters (the graph's, and both executors' in the layout they compute with),
// one pass per thread, the program itself, and the layer that needs most: its columns with the
// solver's transposed copy, the solver's matrices over pairs of weights, the task loss's curvature.
int64_t WorkingBytes(const PreparedNetwork& network, const QuantizeOptions& options);

// As the layer's search sees it.
LayerExtent ExtentOf(const ChosenLayer& layer, const QuantizeOptions& options);
// Columns that are sampled for the layer, at most.
int64_t ColumnsOf(const LinearLayer& layer, const QuantizeOptions& options);

struct MemoryPlan {
  SegmentPlan segments;
  // What the memory limit leaves for stored activations beside the targets of any segment's layers;
  // 0 where it leaves nothing.
  int64_t store_bytes = 0;
  int64_t most_target_bytes = 0;  // that a segment's layers hold
};

MemoryPlan PlanMemory(const PreparedNetwork& network, int64_t num_samples,
                      const QuantizeOptions& options);

// Empty where the limit is none, or is kept.
std::vector<std::string> LimitWarnings(const PreparedNetwork& network,
                                       const QuantizeOptions& options);

}  // namespace adaround
