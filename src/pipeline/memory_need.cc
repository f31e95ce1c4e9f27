#include "pipeline/memory_need.h"

#include <unistd.h>

#include <algorithm>
#include <memory>

#include "adaround/rounding/rounding_method.h"
#include "pipeline/layer_capture.h"
#include "rounding/rounding_solver.h"

namespace adaround {
namespace {

int64_t MachineBytes() {
  return static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
}

}  // namespace

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
    const int64_t columns =
        std::min(SearchColumnsFor(linear.row_length, options.search_columns) + options.held_out_columns,
                 2 * kMaxPoolBytes / column);
    int64_t bytes = columns * (2 * column + 2 * linear.num_rows * 4);
    const LayerExtent extent = {linear.num_rows, linear.row_length, linear.num_groups,
                                !options.activation_in_loss || layer.activation.IsIdentity()};
    bytes += solver->PairBytes(extent, options.num_threads);
    if (!FindRoundingMethod(options.method).row_wise) {
      const int64_t num_weights = linear.num_rows * linear.row_length;
      bytes += num_weights * num_weights * 4;
    }
    largest_layer = std::max(largest_layer, bytes);
  }
  return kProgramBytes + options.caller_bytes + 4 * parameter_bytes +
         2 * options.num_threads * network.peak_sample_bytes + largest_layer;
}

int64_t StoreBudget(const PreparedNetwork& network, const QuantizeOptions& options) {
  const int64_t limit = options.memory_limit.value_or(MachineBytes() / 2);
  return std::max<int64_t>(0, limit - WorkingBytes(network, options));
}

std::vector<std::string> LimitWarnings(const PreparedNetwork& network,
                                       const QuantizeOptions& options) {
  const int64_t working = WorkingBytes(network, options);
  if (!options.memory_limit || working <= *options.memory_limit) return {};
  return {"this model needs about " + std::to_string(working >> 20) +
          " MiB beside stored activations, more than --memory-limit allows"};
}

}  // namespace adaround
