#include "pipeline/work_plan.h"

#include <map>
#include <memory>
#include <numeric>

#include "pipeline/memory_need.h"
#include "rounding/rounding_solver.h"

namespace adaround {

int64_t SearchColumns(const PreparedNetwork& network, const ChosenLayer& layer,
                      const SampleSplit& split, const QuantizeOptions& options) {
  return ColumnsOf(network, layer.linear, split, options).search * split.num_search;
}

std::vector<double> SearchWork(const PreparedNetwork& network, const SampleSplit& split,
                               const QuantizeOptions& options) {
  const std::unique_ptr<RoundingSolver> solver =
      CreateRoundingSolver(options.method, options.rounding);
  std::vector<double> work(network.layers.size(), 0.0);
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const ChosenLayer& layer = network.layers[i];
    if (layer.first_with_weight != i) continue;
    work[i] = solver->Work(ExtentOf(network, layer, split, options),
                           SearchColumns(network, layer, split, options));
  }
  return work;
}

WorkPlan PlanWork(const PreparedNetwork& network, const SegmentPlan& segments,
                  const SampleSplit& split, const QuantizeOptions& options) {
  WorkPlan plan;
  plan.layers = SearchWork(network, split, options);
  plan.search = std::accumulate(plan.layers.begin(), plan.layers.end(), 0.0);
  std::map<size_t, size_t> layer_at_node;
  for (size_t i = 0; i < network.layers.size(); ++i) {
    if (network.layers[i].first_with_weight == i) layer_at_node[network.layers[i].linear.node] = i;
  }
  for (size_t s = 0; s < segments.segment_cost.size(); ++s) {
    const std::vector<std::vector<size_t>> waves =
        LayerWaves(network.planned, segments.boundaries[s], segments.boundaries[s + 1]);
    if (waves.empty()) continue;
    // The float pass and one to each wave's inputs come before its layers, the last one behind all.
    const double pass = static_cast<double>(segments.segment_cost[s]) *
                        static_cast<double>(split.place.size()) /
                        static_cast<double>(waves.size() + 2);
    const auto layer_at = [&](size_t position) {
      return layer_at_node.at(network.nodes[position]);
    };
    plan.layers[layer_at(waves.front().front())] += pass;
    for (const std::vector<size_t>& wave : waves) plan.layers[layer_at(wave.front())] += pass;
    plan.layers[layer_at(waves.back().back())] += pass;
  }
  plan.total = std::accumulate(plan.layers.begin(), plan.layers.end(), 0.0);
  return plan;
}

}  // namespace adaround
