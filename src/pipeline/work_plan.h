// How a run's work is spread over its layers: to tell its time, and what is left of it.
#pragma once

#include <cstdint>
#include <vector>

#include "adaround/pipeline/quantize.h"
#include "pipeline/layer_capture.h"
#include "pipeline/prepared_network.h"
#include "pipeline/segment_plan.h"

namespace adaround {

// In multiply-accumulates, roughly.
struct WorkPlan {
  // By index in PreparedNetwork::layers: the search, and the forward passes that come before it (of
  // a segment's last layer, behind it too). 0 where the layer shares an earlier one's weight.
  std::vector<double> layers;
  double search = 0.0;  // of all layers together, without forward passes
  double total = 0.0;   // of `layers`
};

// Columns that the layer's search has.
int64_t SearchColumns(const PreparedNetwork& network, const ChosenLayer& layer,
                      const SampleSplit& split, const QuantizeOptions& options);

// Of each layer's search, likewise: a function of shapes and options, not of the memory there is.
std::vector<double> SearchWork(const PreparedNetwork& network, const SampleSplit& split,
                               const QuantizeOptions& options);

WorkPlan PlanWork(const PreparedNetwork& network, const SegmentPlan& segments,
                  const SampleSplit& split, const QuantizeOptions& options);

}  // namespace adaround
