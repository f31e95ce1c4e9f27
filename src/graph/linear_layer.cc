#include "graph/linear_layer.h"

#include <algorithm>

#include "adaround/base/error.h"

namespace adaround {
namespace {

const Tensor* FindInitializer(const Graph& graph, const std::string& name) {
  const auto found = graph.initializers.find(name);
  return found == graph.initializers.end() ? nullptr : &found->second;
}

// The other operand of an Add behind a bias-less MatMul or Gemm, where it is one number per row.
struct BiasAdd {
  std::string bias;
  std::string output;
};

std::optional<BiasAdd> FindBiasAdd(const Graph& graph,
                                   const std::map<std::string, std::vector<size_t>>& consumers,
                                   const LinearLayer& layer) {
  const auto readers = consumers.find(layer.output);
  if (readers == consumers.end() || readers->second.size() != 1 || graph.IsOutput(layer.output)) {
    return std::nullopt;
  }
  const Node& add = graph.nodes[readers->second.front()];
  if (add.op != "Add" || add.inputs.size() != 2 || add.outputs.size() != 1) return std::nullopt;
  const std::string& other = add.inputs[0] == layer.output ? add.inputs[1] : add.inputs[0];
  const Tensor* bias = FindInitializer(graph, other);
  // A product has two dimensions or more: a bias of two leaves its rank as it is.
  if (bias == nullptr || bias->dtype() != DType::kFloat32 || bias->rank() < 1 || bias->rank() > 2 ||
      bias->dim(bias->rank() - 1) != layer.num_rows || bias->num_elements() != layer.num_rows) {
    return std::nullopt;
  }
  return BiasAdd{other, add.outputs[0]};
}

// What makes the node unfit for quantization, "" where nothing does; fills `layer`.
std::string Describe(const Graph& graph, const Node& node, const Tensor& weight,
                     LinearLayer& layer) {
  if (weight.dtype() != DType::kFloat32) {
    return "its weight is " + std::string(DTypeName(weight.dtype())) + ", not float32";
  }
  if (weight.num_elements() == 0) return "its weight is empty";
  const Shape& shape = weight.shape();
  if (node.op == "Conv" || node.op == "ConvTranspose") {
    if (shape.size() < 3) return "its weight has shape " + ShapeToString(shape);
    const int64_t groups = node.GetInt("group", 1);
    if (groups < 1 || shape[0] % groups != 0) return "its groups do not divide its channels";
    layer.kind = node.op == "Conv" ? LinearKind::kConv : LinearKind::kConvTranspose;
    layer.num_groups = groups;
    layer.kernel_shape.assign(shape.begin() + 2, shape.end());
    if (layer.kind == LinearKind::kConv) {
      layer.num_rows = shape[0];
    } else {
      layer.weight_axis = 1;
      layer.weight_groups = groups;
      layer.num_rows = shape[1] * groups;
    }
    if (node.inputs.size() > 2) layer.bias = node.inputs[2];
  } else if (node.op == "Gemm") {
    if (shape.size() != 2) return "its weight has shape " + ShapeToString(shape);
    if (node.GetInt("transA", 0) != 0) return "its input is transposed (transA)";
    layer.kind = LinearKind::kGemm;
    layer.weight_axis = node.GetInt("transB", 0) != 0 ? 0 : 1;
    layer.num_rows = shape[static_cast<size_t>(layer.weight_axis)];
    layer.input_factor = node.GetFloat("alpha", 1.0);
    layer.bias_factor = node.GetFloat("beta", 1.0);
    if (node.inputs.size() > 2) layer.bias = node.inputs[2];
  } else {
    if (shape.size() != 2) {
      return "its weight has shape " + ShapeToString(shape) + "; only matrices are quantized";
    }
    layer.kind = LinearKind::kMatMul;
    layer.weight_axis = 1;
    layer.num_rows = shape[1];
  }
  layer.row_length = weight.num_elements() / layer.num_rows;
  if (!layer.bias.empty()) {
    const Tensor* bias = FindInitializer(graph, layer.bias);
    if (bias == nullptr) return "its bias is computed from activations";
    if (bias->dtype() != DType::kFloat32 ||
        (bias->num_elements() != layer.num_rows && bias->num_elements() != 1) ||
        (bias->rank() > 0 && bias->dim(bias->rank() - 1) != bias->num_elements())) {
      return "its bias has shape " + ShapeToString(bias->shape());
    }
  }
  return "";
}

// Operators that multiply by weights, too, but in no form that is quantized.
bool IsOtherProduct(const std::string& op) {
  return op == "Einsum" || op == "LSTM" || op == "GRU" || op == "RNN" || op == "DeformConv";
}

bool ReadsMatrix(const Graph& graph, const Node& node) {
  return std::any_of(node.inputs.begin(), node.inputs.end(), [&](const std::string& input) {
    const Tensor* tensor = FindInitializer(graph, input);
    return tensor != nullptr && tensor->dtype() == DType::kFloat32 && tensor->rank() >= 2;
  });
}

}  // namespace

LinearLayers FindLinearLayers(const Graph& graph) {
  const auto consumers = graph.Consumers();
  LinearLayers result;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (IsOtherProduct(node.op) && ReadsMatrix(graph, node)) {
      result.skipped.push_back(
          {node.name, node.op, "weights of " + node.op + " are not quantized"});
      continue;
    }
    const bool linear =
        node.op == "Conv" || node.op == "ConvTranspose" || node.op == "Gemm" || node.op == "MatMul";
    if (!linear || node.inputs.size() < 2 || node.outputs.empty()) continue;
    const Tensor* weight = FindInitializer(graph, node.inputs[1]);
    if (weight == nullptr) {
      if (FindInitializer(graph, node.inputs[0]) != nullptr) {
        result.skipped.push_back({node.name, node.op, "its weight is the left operand"});
      }
      continue;
    }
    LinearLayer layer;
    layer.name = node.name;
    layer.node = i;
    layer.input = node.inputs[0];
    layer.weight = node.inputs[1];
    layer.output = node.outputs[0];
    const std::string reason = Describe(graph, node, *weight, layer);
    if (!reason.empty()) {
      result.skipped.push_back({node.name, node.op, reason});
      continue;
    }
    const bool takes_bias = layer.kind == LinearKind::kMatMul || layer.kind == LinearKind::kGemm;
    if (takes_bias && layer.bias.empty()) {
      if (const std::optional<BiasAdd> add = FindBiasAdd(graph, consumers, layer)) {
        layer.bias = add->bias;
        layer.bias_factor = 1.0;
        layer.output = add->output;
      }
    }
    result.layers.push_back(std::move(layer));
  }
  return result;
}

std::vector<float> LayerBias(const Graph& graph, const LinearLayer& layer) {
  std::vector<float> bias(static_cast<size_t>(layer.num_rows), 0.0F);
  if (layer.bias.empty()) return bias;
  const Tensor* tensor = FindInitializer(graph, layer.bias);
  ADAROUND_CHECK(tensor != nullptr);
  const float* values = tensor->data<float>();
  const bool one_for_all = tensor->num_elements() == 1;
  for (int64_t row = 0; row < layer.num_rows; ++row) {
    bias[static_cast<size_t>(row)] =
        static_cast<float>(layer.bias_factor) * values[one_for_all ? 0 : row];
  }
  return bias;
}

}  // namespace adaround
