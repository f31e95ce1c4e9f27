#include "pipeline/memory_need.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "adaround/base/error.h"
#include "adaround/rounding/rounding_method.h"
#include "pipeline/layer_capture.h"
#include "rounding/rounding_solver.h"

namespace adaround {
namespace {

// Limits of the control group that the process runs in, and of those around it: a container's, a
// batch system's. A line of /proc/self/cgroup is ID:CONTROLLERS:PATH, without controllers in
// version 2.
std::vector<std::filesystem::path> LimitFiles() {
  std::vector<std::filesystem::path> files = {"/sys/fs/cgroup/memory.max",
                                              "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool is_version_2 = controllers.empty();
    if (!is_version_2 && ("," + controllers + ",").find(",memory,") == std::string::npos) continue;
    const std::filesystem::path root = is_version_2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
    const char* name = is_version_2 ? "memory.max" : "memory.limit_in_bytes";
    std::filesystem::path group = line.substr(second + 1);
    for (; group.has_relative_path(); group = group.parent_path()) {
      files.push_back(root / group.relative_path() / name);
    }
  }
  return files;
}

// Of the machine, or what the process may have of it.
int64_t MachineBytes() {
  int64_t bytes = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  for (const std::filesystem::path& file : LimitFiles()) {
    std::ifstream stream(file);
    int64_t limit = 0;
    if (stream >> limit && limit > 0) bytes = std::min(bytes, limit);
  }
  return bytes;
}

// Whose columns and targets are held: x_hat's, and where the search wants x, that one's too.
int64_t NumStreams(const QuantizeOptions& options) {
  return options.asymmetric_reconstruction ? 1 : 2;
}

}  // namespace

LayerExtent ExtentOf(const PreparedNetwork& network, const ChosenLayer& layer,
                     const SampleSplit& split, const QuantizeOptions& options) {
  LayerExtent extent = {layer.linear.num_rows, layer.linear.row_length, layer.linear.num_groups,
                        !options.activation_in_loss || layer.activation.IsIdentity()};
  if (options.positions_per_draw > 0) {
    extent.columns_per_draw = ColumnsOf(network, layer.linear, split, options).search;
  }
  return extent;
}

ColumnsPerSample ColumnsOf(const PreparedNetwork& network, const LinearLayer& layer,
                           const SampleSplit& split, const QuantizeOptions& options) {
  const int64_t num_positions =
      NumElements(network.tensors.at(layer.output).shape) / layer.num_rows;
  return CountColumns(layer, num_positions, split, LimitsOf(layer, options));
}

int64_t WorkingBytes(const PreparedNetwork& network, const SampleSplit& split,
                     const QuantizeOptions& options) {
  constexpr int64_t kProgramBytes = int64_t{150} << 20;
  int64_t parameter_bytes = 0;
  for (const auto& [name, tensor] : network.graph.initializers) {
    parameter_bytes += static_cast<int64_t>(tensor.num_bytes());
  }
  const std::unique_ptr<RoundingSolver> solver =
      CreateRoundingSolver(options.method, options.rounding);
  // A wave's layers have their columns side by side, as far as kMaxPoolBytes allows.
  int64_t all_pools = 0;
  int64_t largest_pool = 0;
  int64_t largest_search = 0;
  for (const ChosenLayer& layer : network.layers) {
    const LinearLayer& linear = layer.linear;
    const int64_t columns = ColumnsOf(network, linear, split, options).OfAll(split);
    const int64_t pool = columns * linear.num_groups * linear.row_length * 4;
    all_pools += pool;
    largest_pool = std::max(largest_pool, pool);
    int64_t bytes = pool + columns * linear.num_rows * 4;
    bytes += solver->PairBytes(ExtentOf(network, layer, split, options), options.num_threads);
    if (!FindRoundingMethod(options.method).row_wise) {
      const int64_t num_weights = linear.num_rows * linear.row_length;
      bytes += num_weights * num_weights * 4;
    }
    largest_search = std::max(largest_search, bytes);
  }
  const int64_t pools = std::max(largest_pool, std::min(all_pools, kMaxPoolBytes));
  return kProgramBytes + options.caller_bytes + 4 * parameter_bytes +
         2 * options.num_threads * network.peak_sample_bytes + NumStreams(options) * pools +
         largest_search;
}

MemoryPlan PlanMemory(const PreparedNetwork& network, const SampleSplit& split,
                      const QuantizeOptions& options) {
  std::vector<PlannedNode> nodes = network.planned;
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const ChosenLayer& layer = network.layers[i];
    if (layer.first_with_weight != i) continue;
    const auto at = std::find(network.nodes.begin(), network.nodes.end(), layer.linear.node);
    ADAROUND_CHECK(at != network.nodes.end());
    nodes[static_cast<size_t>(at - network.nodes.begin())].target_bytes =
        NumStreams(options) * layer.linear.num_rows * 4 *
        ColumnsOf(network, layer.linear, split, options).OfAll(split);
  }
  const int64_t limit = options.memory_limit.value_or(MachineBytes() / 2);
  MemoryPlan plan;
  plan.working_bytes = WorkingBytes(network, split, options);
  const int64_t budget = std::max<int64_t>(0, limit - plan.working_bytes);
  plan.segments = PlanSegments(nodes, network.live_bytes,
                               static_cast<int64_t>(split.place.size()), budget);
  const std::vector<size_t>& boundaries = plan.segments.boundaries;
  for (size_t s = 0; s + 1 < boundaries.size(); ++s) {
    int64_t targets = 0;
    for (size_t p = boundaries[s]; p < boundaries[s + 1]; ++p) targets += nodes[p].target_bytes;
    plan.most_target_bytes = std::max(plan.most_target_bytes, targets);
  }
  plan.store_bytes = std::max<int64_t>(0, budget - plan.most_target_bytes);
  return plan;
}

std::vector<std::string> LimitWarnings(const MemoryPlan& plan, const QuantizeOptions& options) {
  if (!options.memory_limit) return {};
  const int64_t needed = plan.working_bytes + plan.most_target_bytes;
  if (needed <= *options.memory_limit) return {};
  return {"this model needs about " + std::to_string(needed >> 20) +
          " MiB beside stored activations, more than --memory-limit allows"};
}

}  // namespace adaround
