#include "pipeline/work_plan.h"

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>

#include "pipeline/memory_need.h"
#include "rounding/rounding_solver.h"

namespace adaround {

WorkPlan PlanWork(const PreparedNetwork& network, const SegmentPlan& segments, int64_t num_samples,
                  const QuantizeOptions& options) {
  const std::unique_ptr<RoundingSolver> solver =
      CreateRoundingSolver(options.method, options.rounding);
  WorkPlan plan;
  plan.layers.assign(network.layers.size(), 0.0);
  std::map<size_t, size_t> layer_at_node;
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const ChosenLayer& layer = network.layers[i];
    if (layer.first_with_weight != i) continue;
    layer_at_node[layer.linear.node] = i;
    const int64_t output_elements = network.tensors.at(layer.linear.output).bytes / 4;
    const int64_t available = num_samples * output_elements / layer.linear.num_rows;
    const int64_t columns = std::min(available, ColumnsOf(layer.linear, options));
    plan.layers[i] = solver->Work(ExtentOf(layer, options), columns);
    plan.search += plan.layers[i];
  }
  for (size_t s = 0; s < segments.segment_cost.size(); ++s) {
    const double passes = static_cast<double>(segments.segment_cost[s]) *
                          static_cast<double>(num_samples);
    std::vector<size_t> layers;
    for (size_t p = segments.boundaries[s]; p < segments.boundaries[s + 1]; ++p) {
      const auto found = layer_at_node.find(network.nodes[p]);
      if (found != layer_at_node.end()) layers.push_back(found->second);
    }
    for (const size_t layer : layers) {
      plan.layers[layer] += passes / static_cast<double>(layers.size());
    }
  }
  plan.total = std::accumulate(plan.layers.begin(), plan.layers.end(), 0.0);
  return plan;
}

}  // namespace adaround
