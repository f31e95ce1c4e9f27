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

// Initializers, and what is made of them and of shapes alone: scales and coordinates that exporters
// compute as the network runs. Shapes being the same, they are constants.
class Constants {
 public:
  explicit Constants(const Graph& graph) : graph_(graph) {
    for (const Node& node : graph.nodes) {
      if (IsMadeOfConstants(node)) made_.insert(node.outputs.begin(), node.outputs.end());
    }
  }

  bool Contains(const std::string& tensor) const {
    return graph_.initializers.contains(tensor) || made_.contains(tensor);
  }

 private:
  bool IsMadeOfConstants(const Node& node) const {
    if (node.inputs.empty()) return false;
    return node.op == "Shape" || node.op == "Size" ||
           std::all_of(node.inputs.begin(), node.inputs.end(),
                       [&](const std::string& input) { return input.empty() || Contains(input); });
  }

  const Graph& graph_;
  std::set<std::string> made_;
};

// Operators that compute coordinates where their results are coordinates, beside those that move
// values and the steps above. Products with a weight are layers all the same.
constexpr std::array<std::string_view, 9> kCoordinateSteps = {
    "AffineGrid", "Cast", "Ceil", "Concat", "Floor", "MatMul", "Mod", "Round", "Where"};

struct CoordinateOperands {
  std::string_view op;
  size_t first;
  size_t last;
};

// Inputs that are read as a shape, a scale, a position or an index.
constexpr CoordinateOperands kCoordinateOperands[] = {
    {"AffineGrid", 1, 1},      {"ConstantOfShape", 0, 0}, {"Expand", 1, 1},     {"Gather", 1, 1},
    {"GatherElements", 1, 1},  {"GatherND", 1, 1},        {"GridSample", 1, 1}, {"OneHot", 0, 1},
    {"Range", 0, 2},           {"Reshape", 1, 1},         {"Resize", 1, 3},     {"RoiAlign", 1, 2},
    {"ScatterElements", 1, 1}, {"ScatterND", 1, 1},       {"Slice", 1, 4},      {"Tile", 1, 1},
    {"Upsample", 1, 1}};

bool ReadsCoordinates(const Node& node, size_t input) {
  return std::any_of(std::begin(kCoordinateOperands), std::end(kCoordinateOperands),
                     [&](const CoordinateOperands& row) {
                       return row.op == node.op && row.first <= input && input <= row.last;
                     });
}

// The nodes, by index, whose results are only ever read as such: a grid for GridSample that is put
// together by Concat. On a grid of 8 bits they would point elsewhere.
std::set<size_t> FindCoordinateMakers(const Graph& graph) {
  std::set<size_t> makers;
  std::set<std::string> read;
  std::set<std::string> values(graph.outputs.begin(), graph.outputs.end());  // read in other ways
  for (size_t index = graph.nodes.size(); index-- > 0;) {
    const Node& node = graph.nodes[index];
    const bool is_layer = node.op == "MatMul" && node.inputs.size() > 1 &&
                          graph.initializers.contains(node.inputs[1]);
    const bool is_maker =
        !is_layer &&
        (Names(kSteps, node.op) || Names(kMoving, node.op) || Names(kCoordinateSteps, node.op)) &&
        std::any_of(node.outputs.begin(), node.outputs.end(),
                    [&](const std::string& output) { return read.contains(output); }) &&
        std::none_of(node.outputs.begin(), node.outputs.end(),
                     [&](const std::string& output) { return values.contains(output); });
    if (is_maker) makers.insert(index);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i].empty()) continue;
      read.insert(node.inputs[i]);
      if (!is_maker && !ReadsCoordinates(node, i)) values.insert(node.inputs[i]);
    }
  }
  return makers;
}

// Per tensor that such steps make of constants and one activation: that activation, or what it is
// made of in turn. All others stand for themselves and have no entry.
using Origins = std::map<std::string, std::string>;

std::string OriginOf(const Origins& origins, const std::string& tensor) {
  const auto found = origins.find(tensor);
  return found == origins.end() ? tensor : found->second;
}

// The one activation that all inputs of the node are made of; "" where there are several.
std::string CommonOrigin(const Constants& constants, const Node& node, const Origins& origins) {
  std::string common;
  for (const std::string& input : node.inputs) {
    if (input.empty() || constants.Contains(input)) continue;
    const std::string origin = OriginOf(origins, input);
    if (!common.empty() && origin != common) return "";
    common = origin;
  }
  return common;
}

size_t NumReducedAxes(const Graph& graph, const Node& reduce) {
  if (reduce.inputs.size() < 2) return reduce.GetInts("axes", {}).size();
  const auto axes = graph.initializers.find(reduce.inputs[1]);
  return axes == graph.initializers.end() ? 0 : static_cast<size_t>(axes->second.num_elements());
}

// Over channels it is a step of a written-out normalization; over space it may be a pool.
bool IsSpatialMean(const Graph& graph, const Node& node) {
  return node.op == "ReduceMean" && NumReducedAxes(graph, node) == 2;
}

// Written-out functions, and the means that are steps of them.
struct Functions {
  Origins origins;
  std::set<std::string> means;
};

// A mean over space that steps bring together again with what it is the mean of (x - mean of an
// InstanceNormalization) is a step itself; if it stood for itself, the two would have no common
// origin.
Functions FindFunctions(const Graph& graph, const Constants& constants) {
  Functions functions;
  Origins apart;  // as `origins`, but spatial means stand for themselves
  std::set<std::string> means;
  for (const Node& node : graph.nodes) {
    if (!Names(kSteps, node.op) || node.outputs.empty()) continue;
    const std::string& output = node.outputs[0];
    const std::string common = CommonOrigin(constants, node, functions.origins);
    if (common.empty()) continue;
    functions.origins[output] = common;
    if (IsSpatialMean(graph, node)) {
      means.insert(output);
      continue;
    }
    const std::string common_apart = CommonOrigin(constants, node, apart);
    if (!common_apart.empty()) {
      apart[output] = common_apart;
      continue;
    }
    for (const std::string& input : node.inputs) {
      const std::string origin = OriginOf(apart, input);
      if (means.contains(origin)) functions.means.insert(origin);
    }
  }
  return functions;
}

// Whether integer kernels exist for the node as it stands.
bool Computes(const Graph& graph, const Constants& constants, const Node& node,
              const Functions& functions) {
  if (!Names(kComputing, node.op)) return false;
  if (node.op == "Resize") return !IsNearest(node);
  if (node.op == "Add" || node.op == "Sub" || node.op == "Sum") {
    // With a constant it is a bias. With what is made of the same tensor it is a step of a function
    // written out: x + b x^3 of Gelu, x - mean of LayerNormalization.
    const bool has_constant =
        std::any_of(node.inputs.begin(), node.inputs.end(),
                    [&](const std::string& input) { return constants.Contains(input); });
    return !has_constant && CommonOrigin(constants, node, functions.origins).empty();
  }
  if (node.op == "ReduceMean") {
    return IsSpatialMean(graph, node) && !node.outputs.empty() &&
           !functions.means.contains(node.outputs[0]);
  }
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
  const Constants constants(graph);
  const Functions functions = FindFunctions(graph, constants);
  const std::set<size_t> coordinate_makers = FindCoordinateMakers(graph);
  std::set<std::string> points;
  for (size_t index = 0; index < graph.nodes.size(); ++index) {
    const Node& node = graph.nodes[index];
    if (!Computes(graph, constants, node, functions) || float_layers.contains(node.name) ||
        coordinate_makers.contains(index)) {
      continue;
    }
    const size_t count = std::min(NumOperands(node), node.inputs.size());
    for (size_t i = 0; i < count; ++i) {
      const std::string& input = node.inputs[i];
      if (input.empty() || constants.Contains(input)) continue;
      points.insert(ActivationSource(graph, producers, input));
    }
  }
  return points;
}

}  // namespace adaround
