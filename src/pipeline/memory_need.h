// The memory that a run needs, and what of it is left for stored activations.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "adaround/pipeline/quantize.h"
#include "pipeline/layer_capture.h"
#include "pipeline/prepared_network.h"
#include "pipeline/segment_plan.h"
#include "rounding/rounding_solver.h"

namespace adaround {

// Resident bytes that a run needs beside stored activations and targets, at most but for what one
// sample's derivatives keep: parameters (the graph's, and both executors' in the layout they
// compute with), one pass per thread, the program itself, the columns of a wave of layers, and the
// search that needs most: a transposed copy of its columns, the solver's matrices over pairs of
// weights, the task loss's curvature.
int64_t WorkingBytes(const PreparedNetwork& network, const SampleSplit& split,
                     const QuantizeOptions& options);

// As the layer's search sees it.
LayerExtent ExtentOf(const PreparedNetwork& network, const ChosenLayer& layer,
                     const SampleSplit& split, const QuantizeOptions& options);
// Columns that are captured for the layer.
ColumnsPerSample ColumnsOf(const PreparedNetwork& network, const LinearLayer& layer,
                           const SampleSplit& split, const QuantizeOptions& options);

struct MemoryPlan {
  int64_t working_bytes = 0;  // see WorkingBytes
  SegmentPlan segments;
  // What the memory limit leaves for stored activations beside the targets of any segment's layers;
  // 0 where it leaves nothing.
  int64_t store_bytes = 0;
  int64_t most_target_bytes = 0;  // that a segment's layers hold
};

MemoryPlan PlanMemory(const PreparedNetwork& network, const SampleSplit& split,
                      const QuantizeOptions& options);

// Empty where the limit is none, or is kept.
std::vector<std::string> LimitWarnings(const MemoryPlan& plan, const QuantizeOptions& options);

}  // namespace adaround
