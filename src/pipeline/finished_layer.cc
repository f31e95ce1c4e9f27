#include "pipeline/finished_layer.h"

#include "adaround/base/error.h"
#include "pipeline/chosen_layer.h"

namespace adaround {
namespace {

bool HasGrid(const QuantizedTensor& tensor, const Shape& shape, const ChannelLayout& layout,
             const QuantGrid& wanted) {
  const QuantGrid& grid = tensor.grid;
  return tensor.shape == shape && tensor.layout.axis == layout.axis &&
         tensor.layout.groups == layout.groups && grid.q_min == wanted.q_min &&
         grid.q_max == wanted.q_max && grid.bit_width == wanted.bit_width &&
         grid.granularity == wanted.granularity && grid.group_size == wanted.group_size;
}

bool Describes(const LayerReport& report, const LayerReport& known) {
  return report.op == known.op && report.weight == known.weight && report.bits == known.bits &&
         report.num_rows == known.num_rows && report.row_length == known.row_length &&
         report.num_groups == known.num_groups;
}

// Whether the bias is there where it `should` be, as the network's own is.
bool HasBias(const std::optional<Tensor>& bias, bool should, const Graph& graph,
             const std::string& name) {
  if (bias.has_value() != should) return false;
  if (!should) return true;
  const auto own = graph.initializers.find(name);
  return own != graph.initializers.end() && bias->dtype() == own->second.dtype() &&
         bias->shape() == own->second.shape();
}

}  // namespace

void CheckFinishedLayer(const FinishedLayer& finished, const PreparedNetwork& network,
                        const ChosenLayer& layer, const QuantizeOptions& options) {
  const Graph& graph = network.graph;
  const Shape& shape = graph.initializers.at(layer.linear.weight).shape();
  const ChannelLayout layout = LayoutOf(layer.linear);
  const QuantGrid grid = GridOf(layer, options);
  const bool corrected = !finished.report.bias_correction.empty();
  const bool fits = Describes(finished.report, DescribeLayer(network, layer)) &&
                    HasGrid(finished.weight, shape, layout, grid) &&
                    HasGrid(finished.nearest, shape, layout, grid) &&
                    HasBias(finished.bias, corrected, graph, layer.linear.bias) &&
                    HasBias(finished.nearest_bias, corrected, graph, layer.linear.bias);
  if (fits) return;
  throw Error(ErrorCode::kMalformed, "layer '" + Printable(layer.linear.name) +
                                         "': what an earlier run left of it does not fit the "
                                         "network; --force starts afresh");
}

}  // namespace adaround
