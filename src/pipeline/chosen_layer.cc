#include "pipeline/chosen_layer.h"

#include <string>

#include "adaround/base/error.h"
#include "adaround/rounding/rounding_method.h"
#include "pipeline/task_loss_hessian.h"
#include "rounding/rounding_solver.h"

namespace adaround {

ChannelLayout LayoutOf(const LinearLayer& layer) {
  return {layer.weight_axis, layer.weight_groups};
}

QuantGrid GridOf(const ChosenLayer& layer, const QuantizeOptions& options) {
  return MakeGrid(layer.grid.bits, layer.grid.symmetric, layer.grid.granularity,
                  layer.grid.group_size, options.narrow_range);
}

void CheckLayerSizes(const PreparedNetwork& network, const QuantizeOptions& options) {
  if (!FindRoundingMethod(options.method).row_wise) CheckTaskLayers(network, options.method);
  const SizeLimit limit = CreateRoundingSolver(options.method, options.rounding)->Limit();
  std::string too_long;
  for (const ChosenLayer& layer : network.layers) {
    const int64_t num_weights = layer.linear.num_rows * layer.linear.row_length;
    if (num_weights > limit.max_weights) {
      throw Error(ErrorCode::kInvalidArgument,
                  "--method " + options.method + " takes at most " +
                      std::to_string(limit.max_weights) + " weights, and layer '" +
                      Printable(layer.linear.name) + "' has " + std::to_string(num_weights) +
                      "; choose a smaller layer by --include" +
                      (limit.remedy.empty() ? "" : ", " + limit.remedy));
    }
    if (layer.linear.row_length <= limit.max_row_length) continue;
    too_long += (too_long.empty() ? "'" : ", '") + Printable(layer.linear.name) + "' with " +
                std::to_string(layer.linear.row_length);
  }
  if (too_long.empty()) return;
  throw Error(ErrorCode::kInvalidArgument,
              "--method " + options.method + " takes at most " +
                  std::to_string(limit.max_row_length) + " weights per output channel, not layer " +
                  too_long + "; leave such layers in float (--exclude), " +
                  (limit.remedy.empty() ? "" : limit.remedy + ", ") + "or take another method");
}

LayerReport DescribeLayer(const PreparedNetwork& network, const ChosenLayer& layer) {
  LayerReport report;
  report.name = layer.linear.name;
  report.op = network.graph.nodes[layer.linear.node].op;
  report.weight = layer.linear.weight;
  report.activation = layer.activation.Name();
  report.num_rows = layer.linear.num_rows;
  report.row_length = layer.linear.row_length;
  report.num_groups = layer.linear.num_groups;
  report.bits = layer.grid.bits;
  report.short_last_group = layer.grid.granularity == Granularity::kPerGroup &&
                            layer.linear.row_length > layer.grid.group_size &&
                            layer.linear.row_length % layer.grid.group_size != 0;
  return report;
}

}  // namespace adaround
