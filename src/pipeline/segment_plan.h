// Where to keep activations and where to compute them again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace adaround {

// One node of the network in the order of execution, as the planner sees it.
struct PlannedNode {
  std::vector<size_t> predecessors;  // positions of the nodes whose outputs it reads
  // Earlier nodes whose layer must be quantized before this node may run, though it reads none of
  // their outputs: the first layer with the weight that this one shares, or reads.
  std::vector<size_t> waits_for;
  int64_t cost = 0;       // multiply-accumulates plus element-wise work of one sample
  bool is_layer = false;  // a layer whose rounding is to be optimized
  // What the layer's targets of all samples take, from the segment's float pass on.
  int64_t target_bytes = 0;
};

struct SegmentPlan {
  // Segment s runs nodes [boundaries[s], boundaries[s + 1]).
  std::vector<size_t> boundaries;
  // Predicted cost of all passes over each segment, both streams, for one sample, and their sum.
  std::vector<int64_t> segment_cost;
  int64_t cost = 0;
};

// For layer after layer the quantized stream must reach the layer's input with all layers before it
// quantized. A segment starts from stored activations: its float pass runs once; its quantized
// passes run once per wave of layers (those that wait for no other layer of the segment), as far as
// that wave's inputs, and once in full to store what the next segment starts from. More and shorter
// segments compute less and store more.
//
// Minimizes  cost + bytes_cost * stored bytes + spill_cost * (stored bytes beyond the budget)
// over all ways to cut, where at a cut before node p both streams keep live_bytes[p] per sample,
// and a segment holds both its ends and its layers' targets. `live_bytes` has one entry more than
// `nodes`.
SegmentPlan PlanSegments(const std::vector<PlannedNode>& nodes,
                         const std::vector<int64_t>& live_bytes, int64_t num_samples,
                         int64_t budget_bytes);

// The waves of layers of a segment: waves[w] holds the positions of the layers solved together.
std::vector<std::vector<size_t>> LayerWaves(const std::vector<PlannedNode>& nodes, size_t begin,
                                            size_t end);

}  // namespace adaround
