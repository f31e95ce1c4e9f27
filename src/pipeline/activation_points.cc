#include "pipeline/activation_points.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace adaround {
namespace {

constexpr std::array<std::string_view, 18> kMoving = {
    "DepthToSpace", "Dropout", "Expand",  "Flatten", "Gather",    "GlobalMaxPool",
    "Identity",     "MaxPool", "Pad",     "Reshape", "Resize",    "Slice",
    "SpaceToDepth", "Split",   "Squeeze", "Tile",    "Transpose", "Unsqueeze"};

constexpr std::array<std::string_view, 12> kComputing = {"Add",
                                                         "AveragePool",
                                                         "Concat",
                                                         "Conv",
                                                         "ConvTranspose",
                                                         "Gemm",
                                                         "GlobalAveragePool",
                                                         "MatMul",
                                                         "ReduceMean",
                                                         "Resize",
                                                         "Sub",
                                                         "Sum"};

// Steps that functions are written out in: element by element, or a mean that all elements share.
constexpr std::array<std::string_view, 23> kSteps = {
    "Abs",  "Add",     "Clip",     "Div",  "Erf", "Exp",        "HardSigmoid", "Log",
    "Max",  "Min",     "Mul",      "Neg",  "Pow", "Reciprocal", "ReduceMean",  "ReduceSum",
    "Relu", "Sigmoid", "Softplus", "Sqrt", "Sub", "Sum",        "Tanh"};

template <size_t N>
bool Names(const std::array<std::string_view, N>& ops, const std::string& op) {
  return std::find(ops.begin(), ops.end(), op) != ops.end();
}

// Copies values of its input: no means between them, and no constant outside of it.
bool IsNearest(const Node& resize) {
  return resize.GetString("mode", "nearest") == "nearest" &&
         resize.GetString("coordinate_transformation_mode", "") != "tf_crop_and_resize";
}

// Whether `output` of the node holds values of its first input (or 0) and no others. Second outputs
// are indices or masks, but for Split's.
bool MovesValues(const Graph& graph, const Node& node, const std::string& output) {
  if (!Names(kMoving, node.op) || node.inputs.empty()) return false;
  if (output != node.outputs[0] && node.op != "Split") return false;
  if (node.op == "Resize") return IsNearest(node);
  if (node.op == "Pad" && node.GetString("mode", "constant") == "constant") {
    if (node.GetFloat("value", 0.0) != 0.0) return false;
    if (node.inputs.size() < 3 || node.inputs[2].empty()) return true;
    const auto value = graph.initializers.find(node.inputs[2]);
    return value != graph.initializers.end() && value->second.dtype() == DType::kFloat32 &&
           value->second.num_elements() == 1 && value->second.data<float>()[0] == 0.0F;
  }
  return true;
}

// Per tensor that such steps make of constants and one activation: that activation, or what it is
// made of in turn. All others stand for themselves and have no entry.
using Origins = std::map<std::string, std::string>;

std::string OriginOf(const Origins& origins, const std::string& tensor) {
  const auto found = origins.find(tensor);
  return found == origins.end() ? tensor : found->second;
}

// The one activation that all inputs of the node are made of; "" where there are several.
std::string CommonOrigin(const Graph& graph, const Node& node, const Origins& origins) {
  std::string common;
  for (const std::string& input : node.inputs) {
    if (input.empty() || graph.initializers.contains(input)) continue;
    const std::string origin = OriginOf(origins, input);
    if (!common.empty() && origin != common) return "";
    common = origin;
  }
  return common;
}

Origins FindOrigins(const Graph& graph) {
  Origins origins;
  for (const Node& node : graph.nodes) {
    if (!Names(kSteps, node.op) || node.outputs.empty()) continue;
    const std::string common = CommonOrigin(graph, node, origins);
    if (!common.empty()) origins[node.outputs[0]] = common;
  }
  return origins;
}

size_t NumReducedAxes(const Graph& graph, const Node& reduce) {
  if (reduce.inputs.size() < 2) return reduce.GetInts("axes", {}).size();
  const auto axes = graph.initializers.find(reduce.inputs[1]);
  return axes == graph.initializers.end() ? 0 : static_cast<size_t>(axes->second.num_elements());
}

// Whether integer kernels exist for the node as it stands.
bool Computes(const Graph& graph, const Node& node, const Origins& origins) {
  if (!Names(kComputing, node.op)) return false;
  if (node.op == "Resize") return !IsNearest(node);
  if (node.op == "Add" || node.op == "Sub" || node.op == "Sum") {
    // With a constant it is a bias. With what is made of the same tensor it is a step of a function
    // written out: x + b x^3 of Gelu, x - mean of LayerNormalization.
    const bool has_constant =
        std::any_of(node.inputs.begin(), node.inputs.end(),
                    [&](const std::string& input) { return graph.initializers.contains(input); });
    return !has_constant && CommonOrigin(graph, node, origins).empty();
  }
  // Over channels it is a step of a written-out normalization; over space it is a pool.
  if (node.op == "ReduceMean") return NumReducedAxes(graph, node) == 2;
  return true;
}

// How many of the node's inputs, from the first on, are activations that it computes with.
size_t NumOperands(const Node& node) {
  if (node.op == "Conv" || node.op == "ConvTranspose" || node.op == "Gemm" || node.op == "MatMul") {
    return 2;
  }
  return node.op == "Resize" || node.op == "ReduceMean" ? 1 : node.inputs.size();
}

}  // namespace

std::string ActivationSource(const Graph& graph, const std::map<std::string, size_t>& producers,
                             const std::string& tensor) {
  std::string source = tensor;
  while (true) {
    const auto producer = producers.find(source);
    if (producer == producers.end()) return source;
    const Node& node = graph.nodes[producer->second];
    if (!MovesValues(graph, node, source) || graph.initializers.contains(node.inputs[0]))
      return source;
    source = node.inputs[0];
  }
}

std::set<std::string> FindActivationPoints(const Graph& graph,
                                           const std::set<std::string>& float_layers) {
  const auto producers = graph.Producers();
  const Origins origins = FindOrigins(graph);
  std::set<std::string> points;
  for (const Node& node : graph.nodes) {
    if (!Computes(graph, node, origins) || float_layers.contains(node.name)) continue;
    const size_t count = std::min(NumOperands(node), node.inputs.size());
    for (size_t i = 0; i < count; ++i) {
      const std::string& input = node.inputs[i];
      if (input.empty() || graph.initializers.contains(input)) continue;
      points.insert(ActivationSource(graph, producers, input));
    }
  }
  return points;
}

}  // namespace adaround
