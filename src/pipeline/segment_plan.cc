#include "pipeline/segment_plan.h"

#include <algorithm>
#include <limits>

namespace adaround {
namespace {

// Longer segments are never worth their recomputation, and the search stays quadratic in this.
constexpr size_t kMaxSegmentNodes = 96;
constexpr size_t kMaxSegmentLayers = 12;
// Multiply-accumulates that take about as long as moving a byte to memory, and to disk.
constexpr double kBytesCost = 4.0;
constexpr double kSpillCost = 200.0;
// Passes through the network that both streams may take together, in all.
constexpr int64_t kMaxPasses = 5;

// For each node of [begin, end): how many layers wait for one another on the way to it.
std::vector<size_t> Depths(const std::vector<PlannedNode>& nodes, size_t begin, size_t end) {
  std::vector<size_t> depth(end - begin, 0);
  for (size_t i = begin; i < end; ++i) {
    for (const size_t predecessor : nodes[i].predecessors) {
      if (predecessor < begin) continue;
      const size_t behind =
          depth[predecessor - begin] + (nodes[predecessor].is_layer ? 1 : 0);
      depth[i - begin] = std::max(depth[i - begin], behind);
    }
    for (const size_t layer : nodes[i].waits_for) {
      if (layer >= begin) depth[i - begin] = std::max(depth[i - begin], depth[layer - begin] + 1);
    }
  }
  return depth;
}

// Cost of the passes over one segment: float, each wave, and the last one in full.
int64_t SegmentCost(const std::vector<PlannedNode>& nodes, size_t begin, size_t end) {
  int64_t full = 0;
  for (size_t i = begin; i < end; ++i) full += nodes[i].cost;
  int64_t total = 2 * full;
  for (const std::vector<size_t>& wave : LayerWaves(nodes, begin, end)) {
    std::vector<bool> needed(end - begin, false);
    std::vector<size_t> open = wave;
    while (!open.empty()) {
      const size_t node = open.back();
      open.pop_back();
      for (const size_t predecessor : nodes[node].predecessors) {
        if (predecessor < begin || needed[predecessor - begin]) continue;
        needed[predecessor - begin] = true;
        open.push_back(predecessor);
      }
    }
    for (size_t i = begin; i < end; ++i) {
      if (needed[i - begin]) total += nodes[i].cost;
    }
  }
  return total;
}

}  // namespace

std::vector<std::vector<size_t>> LayerWaves(const std::vector<PlannedNode>& nodes, size_t begin,
                                            size_t end) {
  const std::vector<size_t> depth = Depths(nodes, begin, end);
  std::vector<std::vector<size_t>> waves;
  for (size_t i = begin; i < end; ++i) {
    if (!nodes[i].is_layer) continue;
    if (waves.size() <= depth[i - begin]) waves.resize(depth[i - begin] + 1);
    waves[depth[i - begin]].push_back(i);
  }
  return waves;
}

namespace {

SegmentPlan PlanAtSpillCost(const std::vector<PlannedNode>& nodes,
                            const std::vector<int64_t>& live_bytes, int64_t num_samples,
                            int64_t budget_bytes, double spill_cost) {
  const size_t n = nodes.size();
  const auto stored = [&](size_t cut) {
    return 2.0 * static_cast<double>(live_bytes[cut]) * static_cast<double>(num_samples);
  };
  std::vector<double> best(n + 1, std::numeric_limits<double>::infinity());
  std::vector<int64_t> passes(n + 1, 0);
  std::vector<size_t> from(n + 1, 0);
  best[0] = 0.0;
  for (size_t begin = 0; begin < n; ++begin) {
    size_t num_layers = 0;
    double targets = 0.0;
    for (size_t end = begin + 1; end <= n && end - begin <= kMaxSegmentNodes; ++end) {
      if (nodes[end - 1].is_layer && ++num_layers > kMaxSegmentLayers) break;
      const int64_t cost = SegmentCost(nodes, begin, end);
      targets += static_cast<double>(nodes[end - 1].target_bytes);
      const double held = stored(begin) + stored(end) + targets;
      const double over = std::max(0.0, held - static_cast<double>(budget_bytes));
      const double total = best[begin] +
                           static_cast<double>(cost) * static_cast<double>(num_samples) +
                           kBytesCost * stored(end) + spill_cost * over;
      if (total < best[end]) {
        best[end] = total;
        from[end] = begin;
        passes[end] = passes[begin] + cost;
      }
    }
  }
  SegmentPlan plan;
  plan.cost = passes[n];
  for (size_t at = n; at > 0; at = from[at]) {
    plan.boundaries.push_back(at);
    plan.segment_cost.push_back(passes[at] - passes[from[at]]);
  }
  plan.boundaries.push_back(0);
  std::reverse(plan.boundaries.begin(), plan.boundaries.end());
  std::reverse(plan.segment_cost.begin(), plan.segment_cost.end());
  return plan;
}

}  // namespace

SegmentPlan PlanSegments(const std::vector<PlannedNode>& nodes,
                         const std::vector<int64_t>& live_bytes, int64_t num_samples,
                         int64_t budget_bytes) {
  int64_t once = 0;
  for (const PlannedNode& node : nodes) once += node.cost;
  SegmentPlan plan = PlanAtSpillCost(nodes, live_bytes, num_samples, budget_bytes, kSpillCost);
  // However little memory there is, recomputation stays bounded: rather the disk.
  for (double spill_cost = kSpillCost / 4; plan.cost > kMaxPasses * once && spill_cost > 1e-3;
       spill_cost /= 4) {
    plan = PlanAtSpillCost(nodes, live_bytes, num_samples, budget_bytes, spill_cost);
  }
  return plan;
}

}  // namespace adaround
