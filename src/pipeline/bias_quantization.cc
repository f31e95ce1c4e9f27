#include "pipeline/bias_quantization.h"

#include <cmath>

#include "pipeline/activation_points.h"

namespace adaround {
namespace {

// Room for the accumulated products beside the bias.
constexpr double kLargestInteger = 1 << 30;

std::string WhyNot(const Graph& graph, const GraphEdges& edges, const LinearLayer& layer,
                   const QuantGrid& grid, const Tensor& bias, bool has_input_grid) {
  if (!has_input_grid) return "its input is not quantized";
  if (grid.granularity == Granularity::kPerGroup) return "its weights have scales per group";
  if (layer.input_factor != 1.0 || layer.bias_factor != 1.0) return "its alpha or beta is not 1";
  if (bias.rank() != 1 || bias.num_elements() != layer.num_rows) {
    return "its bias has shape " + ShapeToString(bias.shape());
  }
  if (edges.consumers.at(layer.bias).size() != 1 || graph.IsOutput(layer.bias)) {
    return "its bias is shared";
  }
  return "";
}

}  // namespace

BiasQuantization QuantizeBias(const Graph& graph, const GraphEdges& edges, const LinearLayer& layer,
                              const QuantGrid& grid,
                              const std::map<std::string, ActivationGrid>& activations) {
  const Tensor& bias = graph.initializers.at(layer.bias);
  const auto input = activations.find(ActivationSource(graph, edges.producers, layer.input));
  BiasQuantization result;
  result.left_because = WhyNot(graph, edges, layer, grid, bias, input != activations.end());
  if (!result.left_because.empty()) return result;

  QuantizedBias quantized;
  for (const float weight_scale : grid.scale) {
    quantized.scale.push_back(input->second.scale * weight_scale);
  }
  const float* values = bias.data<float>();
  for (int64_t row = 0; row < layer.num_rows; ++row) {
    const float scale = quantized.scale[quantized.scale.size() == 1 ? 0 : static_cast<size_t>(row)];
    const double integer = std::nearbyint(static_cast<double>(values[row]) / scale);
    if (!std::isnormal(scale) || !(std::abs(integer) <= kLargestInteger)) {
      result.left_because = "its bias is too large for 32 bits at the scale of its products";
      return result;
    }
    quantized.integers.push_back(static_cast<int32_t>(integer));
  }
  result.bias = std::move(quantized);
  return result;
}

}  // namespace adaround
