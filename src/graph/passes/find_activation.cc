#include "graph/passes/find_activation.h"

#include <limits>
#include <optional>

namespace adaround {
namespace {

// A constant float32 scalar or one-element tensor; nothing where it is not one.
std::optional<float> ConstantScalar(const Graph& graph, const std::string& name) {
  const auto found = graph.initializers.find(name);
  if (found == graph.initializers.end() || found->second.dtype() != DType::kFloat32 ||
      found->second.num_elements() != 1) {
    return std::nullopt;
  }
  return found->second.data<float>()[0];
}

std::optional<Activation> ClipOf(const Graph& graph, const Node& node) {
  float bounds[2] = {-std::numeric_limits<float>::infinity(),
                     std::numeric_limits<float>::infinity()};
  // Opset 6 keeps the bounds in attributes, 11 and later in inputs.
  bounds[0] = static_cast<float>(node.GetFloat("min", bounds[0]));
  bounds[1] = static_cast<float>(node.GetFloat("max", bounds[1]));
  for (size_t i = 0; i < 2; ++i) {
    if (node.inputs.size() <= i + 1 || node.inputs[i + 1].empty()) continue;
    const std::optional<float> bound = ConstantScalar(graph, node.inputs[i + 1]);
    if (!bound) return std::nullopt;
    bounds[i] = *bound;
  }
  if (!(bounds[0] <= bounds[1])) return std::nullopt;
  return MakeClip(bounds[0], bounds[1]);
}

std::optional<Activation> ActivationOf(const Graph& graph, const Node& node) {
  Activation activation;
  if (node.op == "Relu") return MakeRelu();
  if (node.op == "LeakyRelu") {
    return MakeLeakyRelu(static_cast<float>(node.GetFloat("alpha", 0.01)));
  }
  if (node.op == "PRelu" && node.inputs.size() == 2) {
    const std::optional<float> slope = ConstantScalar(graph, node.inputs[1]);
    return slope ? std::optional(MakeLeakyRelu(*slope)) : std::nullopt;
  }
  if (node.op == "Clip") return ClipOf(graph, node);
  if (node.op == "Sigmoid") activation.kind = Activation::Kind::kSigmoid;
  else if (node.op == "HardSwish") activation.kind = Activation::Kind::kHardSwish;
  else if (node.op == "Tanh") activation.kind = Activation::Kind::kTanh;
  else if (node.op == "Gelu") {
    activation.kind = node.GetString("approximate", "none") == "tanh" ? Activation::Kind::kGeluTanh
                                                                     : Activation::Kind::kGelu;
  } else if (node.op == "HardSigmoid") {
    activation.kind = Activation::Kind::kHardSigmoid;
    activation.alpha = static_cast<float>(node.GetFloat("alpha", 0.2));
    activation.beta = static_cast<float>(node.GetFloat("beta", 0.5));
  } else {
    return std::nullopt;
  }
  return activation;
}

// x * Sigmoid(x) spread over two nodes that both read `tensor`.
std::optional<std::string> FindSilu(const Graph& graph,
                                    const std::map<std::string, std::vector<size_t>>& consumers,
                                    const std::string& tensor, const std::vector<size_t>& readers) {
  if (readers.size() != 2) return std::nullopt;
  for (size_t i = 0; i < 2; ++i) {
    const Node& sigmoid = graph.nodes[readers[i]];
    const Node& product = graph.nodes[readers[1 - i]];
    if (sigmoid.op != "Sigmoid" || product.op != "Mul" || product.inputs.size() != 2) continue;
    const std::string& gate = sigmoid.outputs[0];
    const bool multiplied = (product.inputs[0] == tensor && product.inputs[1] == gate) ||
                            (product.inputs[1] == tensor && product.inputs[0] == gate);
    const auto gate_readers = consumers.find(gate);
    if (multiplied && gate_readers != consumers.end() && gate_readers->second.size() == 1 &&
        !graph.IsOutput(gate)) {
      return product.name;
    }
  }
  return std::nullopt;
}

}  // namespace

LayerActivation FindActivation(const Graph& graph,
                               const std::map<std::string, std::vector<size_t>>& consumers,
                               const std::string& tensor) {
  const auto found = consumers.find(tensor);
  if (found == consumers.end() || graph.IsOutput(tensor)) return {};
  const std::vector<size_t>& readers = found->second;
  if (readers.size() == 1) {
    const Node& node = graph.nodes[readers.front()];
    // The layer's output must be the operand, not a bound or a slope.
    if (node.inputs.empty() || node.inputs[0] != tensor) return {};
    if (const std::optional<Activation> activation = ActivationOf(graph, node)) {
      return {*activation, node.name};
    }
    return {};
  }
  if (const std::optional<std::string> product = FindSilu(graph, consumers, tensor, readers)) {
    Activation silu;
    silu.kind = Activation::Kind::kSilu;
    return {silu, *product};
  }
  return {};
}

}  // namespace adaround
