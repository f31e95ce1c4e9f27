#include "graph/channel_constant.h"

#include <algorithm>

namespace adaround {

ChannelPlace OutputChannels(const LinearLayer& layer) {
  const auto spatial = static_cast<int64_t>(layer.kernel_shape.size());
  int64_t rank = spatial + 2;
  if (layer.kind == LinearKind::kGemm) rank = 2;
  if (layer.kind == LinearKind::kMatMul) rank = 0;
  return {layer.num_rows, spatial + 1, rank};
}

std::optional<std::vector<float>> ChannelConstant(const Graph& graph, const std::string& name,
                                                  const ChannelPlace& place) {
  const auto found = graph.initializers.find(name);
  if (found == graph.initializers.end() || found->second.dtype() != DType::kFloat32) {
    return std::nullopt;
  }
  const Tensor& tensor = found->second;
  // A product of unknown rank has two dimensions or more.
  const int64_t most = place.rank > 0 ? place.rank : std::max<int64_t>(2, place.from_end);
  const bool one = tensor.num_elements() == 1;
  // Where nothing is known of the tensor, a single number is taken to have no dimension to add.
  if (place.num_channels > 0 && tensor.rank() > most) return std::nullopt;
  const bool per_channel = place.num_channels > 0 && tensor.rank() >= place.from_end &&
                           tensor.num_elements() == place.num_channels &&
                           tensor.dim(tensor.rank() - place.from_end) == place.num_channels;
  if (!one && !per_channel) return std::nullopt;
  const float* values = tensor.data<float>();
  return std::vector<float>(values, values + tensor.num_elements());
}

Shape ChannelConstantShape(const ChannelPlace& place) {
  Shape shape(static_cast<size_t>(std::max(place.rank, place.from_end)), 1);
  shape[shape.size() - static_cast<size_t>(place.from_end)] = place.num_channels;
  return shape;
}

}  // namespace adaround
