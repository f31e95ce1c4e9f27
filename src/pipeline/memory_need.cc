#include "pipeline/memory_need.h"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "adaround/base/error.h"
#include "adaround/rounding/rounding_method.h"
#include "pipeline/layer_capture.h"
#include "rounding/rounding_solver.h"

namespace adaround {
namespace {

int64_t MachineBytes() {
  return static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
}

}  // namespace

LayerExtent ExtentOf(const ChosenLayer& layer, const QuantizeOptions& options) {
  return {layer.linear.num_rows, layer.linear.row_length, layer.linear.num_groups,
          !options.activation_in_loss || layer.activation.IsIdentity()};
}

int64_t ColumnsOf(const LinearLayer& layer, const QuantizeOptions& options) {
  return std::min(
      SearchColumnsFor(layer.row_length, options.search_columns) + options.held_out_columns,
      2 * kMaxPoolBytes / (layer.num_groups * layer.row_length * 4));
}

int64_t WorkingBytes(const PreparedNetwork& network, const QuantizeOptions& options) {
  constexpr int64_t kProgramBytes = int64_t{150} << 20;
  int64_t parameter_bytes = 0;
  for (const auto& [name, tensor] : network.graph.initializers) {
    parameter_bytes += static_cast<int64_t>(tensor.num_bytes());
  }
  const std::unique_ptr<RoundingSolver> solver =
      CreateRoundingSolver(options.method, options.rounding);
  int64_t largest_layer = 0;
  for (const ChosenLayer& layer : network.layers) {
    const LinearLayer& linear = layer.linear;
    const int64_t column = linear.num_groups * linear.row_length * 4;
    const int64_t columns = ColumnsOf(linear, options);
    int64_t bytes = columns * (2 * column + 2 * linear.num_rows * 4);
    bytes += solver->PairBytes(ExtentOf(layer, options), options.num_threads);
    if (!FindRoundingMethod(options.method).row_wise) {
      const int64_t num_weights = linear.num_rows * linear.row_length;
      bytes += num_weights * num_weights * 4;
    }
    largest_layer = std::max(largest_layer, bytes);
  }
  return kProgramBytes + options.caller_bytes + 4 * parameter_bytes +
         2 * options.num_threads * network.peak_sample_bytes + largest_layer;
}

MemoryPlan PlanMemory(const PreparedNetwork& network, int64_t num_samples,
                      const QuantizeOptions& options) {
  std::vector<PlannedNode> nodes = network.planned;
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const ChosenLayer& layer = network.layers[i];
    if (layer.first_with_weight != i) continue;
    const auto at = std::find(network.nodes.begin(), network.nodes.end(), layer.linear.node);
    ADAROUND_CHECK(at != network.nodes.end());
    const int64_t output_bytes = network.tensors.at(layer.linear.output).bytes * num_samples;
    const int64_t streams = options.asymmetric_reconstruction ? 1 : 2;
    nodes[static_cast<size_t>(at - network.nodes.begin())].target_bytes =
        streams *
        std::min(output_bytes, layer.linear.num_rows * ColumnsOf(layer.linear, options) * 4);
  }
  const int64_t limit = options.memory_limit.value_or(MachineBytes() / 2);
  const int64_t budget = std::max<int64_t>(0, limit - WorkingBytes(network, options));
  MemoryPlan plan;
  plan.segments = PlanSegments(nodes, network.live_bytes, num_samples, budget);
  const std::vector<size_t>& boundaries = plan.segments.boundaries;
  for (size_t s = 0; s + 1 < boundaries.size(); ++s) {
    int64_t targets = 0;
    for (size_t p = boundaries[s]; p < boundaries[s + 1]; ++p) targets += nodes[p].target_bytes;
    plan.most_target_bytes = std::max(plan.most_target_bytes, targets);
  }
  plan.store_bytes = std::max<int64_t>(0, budget - plan.most_target_bytes);
  return plan;
}

std::vector<std::string> LimitWarnings(const PreparedNetwork& network,
                                       const QuantizeOptions& options) {
  const int64_t working = WorkingBytes(network, options);
  if (!options.memory_limit || working <= *options.memory_limit) return {};
  return {"this model needs about " + std::to_string(working >> 20) +
          " MiB beside stored activations, more than --memory-limit allows"};
}

}  // namespace adaround
