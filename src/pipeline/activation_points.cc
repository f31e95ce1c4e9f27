#include "pipeline/activation_points.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace adaround {
namespace {

constexpr std::array<std::string_view, 18> kMoving = {
    "DepthToSpace", "Dropout", "Expand",       "Flatten", "Gather",  "GlobalMaxPool",
    "Identity",     "MaxPool", "Pad",          "Reshape", "Resize",  "Slice",
    "SpaceToDepth", "Split",   "Squeeze",      "Tile",    "Transpose", "Unsqueeze"};

constexpr std::array<std::string_view, 12> kComputing = {
    "Add",  "AveragePool", "Concat", "Conv", "ConvTranspose", "Gemm", "GlobalAveragePool",
    "MatMul", "ReduceMean", "Resize", "Sub", "Sum"};

template <size_t N>
bool Names(const std::array<std::string_view, N>& ops, const std::string& op) {
  return std::find(ops.begin(), ops.end(), op) != ops.end();
}

bool IsNearest(const Node& resize) { return resize.GetString("mode", "nearest") == "nearest"; }

// Whether the node's first output holds values of its first input (or 0) and no others.
bool MovesValues(const Graph& graph, const Node& node) {
  if (!Names(kMoving, node.op)) return false;
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

// Whether integer kernels exist for the node as it stands.
bool Computes(const Graph& graph, const Node& node) {
  if (!Names(kComputing, node.op)) return false;
  if (node.op == "Resize") return !IsNearest(node);
  if (node.op == "Add" || node.op == "Sub" || node.op == "Sum") {
    // With a constant it is a bias, or a step of a function written out (Gelu, LayerNormalization).
    return std::none_of(node.inputs.begin(), node.inputs.end(), [&](const std::string& input) {
      return graph.initializers.contains(input);
    });
  }
  // Over channels it is a step of a written-out normalization; over space it is a pool.
  if (node.op == "ReduceMean") return node.GetInts("axes", {}).size() == 2;
  return true;
}

// How many of the node's inputs, from the first on, are activations that it computes with.
size_t NumOperands(const Node& node) {
  if (node.op == "Conv" || node.op == "ConvTranspose" || node.op == "Gemm" ||
      node.op == "MatMul") {
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
    if (!MovesValues(graph, node) || graph.initializers.contains(node.inputs[0])) return source;
    source = node.inputs[0];
  }
}

std::set<std::string> FindActivationPoints(const Graph& graph) {
  const auto producers = graph.Producers();
  std::set<std::string> points;
  for (const Node& node : graph.nodes) {
    if (!Computes(graph, node)) continue;
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
