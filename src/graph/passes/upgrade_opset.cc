#include "graph/passes/upgrade_opset.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "adaround/base/error.h"
#include "graph/name_book.h"

namespace adaround {
namespace {

[[noreturn]] void Refuse(const Node& node, const std::string& reason) {
  throw Error(ErrorCode::kUnsupported, "node '" + Printable(node.name) + "' (" +
                                           Printable(node.op) +
                                           ") cannot be lifted to a newer opset: " + reason +
                                           "; export the model at a newer opset");
}

class Lifter;
using Rule = void (Lifter::*)(Node& node);

// What an operator's step to a version takes. Versions without a row here mean the same as before.
struct Step {
  std::string_view op;
  int64_t version;
  Rule rule;
};

class Lifter {
 public:
  Lifter(Graph& graph, const std::map<std::string, TensorType>& given)
      : graph_(graph), given_(given), tensors_(TensorNames(graph)), nodes_(NodeNames(graph)) {
    for (const auto& [name, type] : given) tensors_.Add(name);
  }

  void Run(int64_t target);

  // Attributes that said what is now the only meaning.
  void DropBroadcast(Node& node) {
    if (node.HasAttribute("axis") && node.GetInt("broadcast", 0) != 0) {
      Refuse(node, "it broadcasts from an axis, which newer versions express by shapes");
    }
    node.attributes.erase("axis");
    node.attributes.erase("broadcast");
  }

  void DropTestFlag(Node& node) {
    if (node.GetInt("is_test", 0) == 0) Refuse(node, "it trains (is_test 0)");
    node.attributes.erase("is_test");
  }

  void DropSpatial(Node& node) {
    if (node.GetInt("spatial", 1) == 0) {
      Refuse(node, "it normalizes each position by itself (spatial 0)");
    }
    node.attributes.erase("spatial");
    node.attributes.erase("consumed_inputs");
  }

  void RequireOneOutput(Node& node) {
    if (NumOutputs(node) > 1) Refuse(node, "it puts out training statistics");
  }

  // One slope per channel used to be a vector; now it broadcasts from the last axis.
  void SpreadSlope(Node& node) {
    const auto slope = graph_.initializers.find(InputName(node, 1));
    if (slope == graph_.initializers.end()) {
      Refuse(node, "its slope is no initializer");
    }
    if (slope->second.num_elements() == 1) return;
    const std::optional<int64_t> rank = RankOf(InputName(node, 0));
    if (slope->second.rank() != 1 || !rank || *rank < 2) {
      Refuse(node, "how its slope spreads over the input is not known");
    }
    Shape shape(static_cast<size_t>(*rank) - 1, 1);
    shape[0] = slope->second.num_elements();
    node.inputs[1] = AddInitializer(node.inputs[1] + "_spread", slope->second.Reshaped(shape));
  }

  void UpsampleScalesToInput(Node& node) {
    if (!node.HasAttribute("scales")) Refuse(node, "the attribute 'scales' is missing");
    const std::vector<double> scales = node.GetFloats("scales", {});
    const std::vector<float> narrow(scales.begin(), scales.end());
    node.inputs.resize(1);
    node.inputs.push_back(
        AddInitializer(node.name + "_scales",
                       Tensor::FromVector<float>({static_cast<int64_t>(narrow.size())}, narrow)));
    node.attributes.erase("scales");
  }

  void UpsampleToResize(Node& node) { node.op = "Resize"; }

  void ResizeGetsCoordinates(Node& node) {
    if (node.inputs.size() != 2) Refuse(node, "it has no scales");
    const std::string rounding = RoundingBefore11(node);
    // The region is read by other coordinates only, but not optional at opset 11.
    const std::string region =
        AddInitializer(node.name + "_roi", Tensor(DType::kFloat32, Shape{0}));
    node.inputs.insert(node.inputs.begin() + 1, region);
    node.attributes["coordinate_transformation_mode"] = std::string("asymmetric");
    if (node.GetString("mode", "nearest") == "nearest") {
      node.attributes["nearest_mode"] = rounding;
    }
  }

  // Before opset 11 a nearest position was rounded down where an axis grows and up where it
  // shrinks; since then one rounding serves all axes.
  std::string RoundingBefore11(const Node& node) {
    if (node.GetString("mode", "nearest") != "nearest") return "";
    const auto found = graph_.initializers.find(node.inputs[1]);
    if (found == graph_.initializers.end() || found->second.dtype() != DType::kFloat32) {
      Refuse(node, "its scales are computed: how positions are rounded depends on them");
    }
    const float* scales = found->second.data<float>();
    const float* end = scales + found->second.num_elements();
    const bool grows = std::any_of(scales, end, [](float scale) { return scale > 1.0F; });
    const bool shrinks = std::any_of(scales, end, [](float scale) { return scale < 1.0F; });
    if (grows && shrinks) Refuse(node, "it grows along one axis and shrinks along another");
    return shrinks ? "ceil" : "floor";
  }

  void ResizeLosesMode(Node& node) {
    if (node.GetString("coordinate_transformation_mode", "") == "tf_half_pixel_for_nn") {
      Refuse(node, "coordinate_transformation_mode 'tf_half_pixel_for_nn' no longer exists");
    }
  }

  void SliceToInputs(Node& node) {
    if (!node.HasAttribute("starts") || !node.HasAttribute("ends")) {
      Refuse(node, "the attribute 'starts' or 'ends' is missing");
    }
    node.inputs.resize(1);
    MoveIntsToInput(node, "starts", 1);
    MoveIntsToInput(node, "ends", 2);
    if (node.HasAttribute("axes")) MoveIntsToInput(node, "axes", 3);
  }

  void TopKToInput(Node& node) {
    if (!node.HasAttribute("k")) Refuse(node, "the attribute 'k' is missing");
    const int64_t k = node.GetInt("k", 0);
    SetInput(node, 1, AddInitializer(node.name + "_k", Tensor::FromVector<int64_t>({1}, {k})));
    node.attributes.erase("k");
  }

  // The same operator; only its name is new.
  void ScatterGetsItsName(Node& node) { node.op = "ScatterElements"; }

  void ClipToInputs(Node& node) {
    size_t index = 1;
    for (const char* key : {"min", "max"}) {
      if (node.HasAttribute(key)) {
        const Tensor bound = Tensor::Scalar(static_cast<float>(node.GetFloat(key, 0.0)));
        SetInput(node, index, AddInitializer(node.name + "_" + key, bound));
        node.attributes.erase(key);
      }
      ++index;
    }
  }

  // Negative indices used to be outside of every depth; now they count from its end.
  void OneHotWithoutNegatives(Node& node) {
    const std::string indices = InputName(node, 0);
    const std::string whole = tensors_.Fresh(indices + "_whole");
    const std::string negative = tensors_.Fresh(indices + "_negative");
    const std::string inside = tensors_.Fresh(indices + "_outside_if_negative");
    const std::string zero = AddInitializer(node.name + "_zero", Tensor::Scalar(int64_t{0}));
    const std::string outside =
        AddInitializer(node.name + "_outside", Tensor::Scalar(std::numeric_limits<int64_t>::max()));
    AddNode("Cast", {indices}, whole, {{"to", int64_t{OnnxCode(DType::kInt64)}}});
    AddNode("Less", {whole, zero}, negative);
    AddNode("Where", {negative, outside, whole}, inside);
    SetInput(node, 0, inside);
  }

  void PadToInputs(Node& node) {
    if (!node.HasAttribute("pads")) Refuse(node, "the attribute 'pads' is missing");
    MoveIntsToInput(node, "pads", 1);
    if (node.HasAttribute("value")) {
      const Tensor value = Tensor::Scalar(static_cast<float>(node.GetFloat("value", 0.0)));
      SetInput(node, 2, AddInitializer(node.name + "_value", value));
      node.attributes.erase("value");
    }
  }

  void DropoutWithoutRatio(Node& node) {
    if (NumOutputs(node) > 1) {
      if (from_ < kDropoutBoolMask) Refuse(node, "its mask had another type");
      node.attributes.erase("ratio");
      return;
    }
    node.op = "Identity";
    node.attributes.clear();
    node.inputs.resize(1);
    node.outputs.resize(1);
  }

  // Softmax used to see its input as a matrix [extents before axis, extents from axis on].
  void SoftmaxOverOneAxis(Node& node) {
    const int64_t axis = node.GetInt("axis", 1);
    const std::string x = InputName(node, 0);
    const std::optional<int64_t> rank = RankOf(x);
    node.attributes["axis"] = int64_t{-1};
    if (axis == -1 || (rank && axis == *rank - 1)) return;
    const std::string y = node.outputs.at(0);
    const std::string shape = tensors_.Fresh(y + "_shape");
    const std::string matrix = tensors_.Fresh(y + "_flat");
    const std::string result = tensors_.Fresh(y + "_matrix");
    AddNode("Shape", {x}, shape);
    AddNode("Flatten", {x}, matrix, {{"axis", axis}});
    AddNode("Reshape", {result, shape}, y);
    node.inputs[0] = matrix;
    node.outputs[0] = result;
  }

  void AxesToInput(Node& node) {
    if (node.HasAttribute("axes")) {
      // No axes at all meant every axis, as leaving the input out does.
      if (node.op.starts_with("Reduce") && node.GetInts("axes", {}).empty()) {
        node.attributes.erase("axes");
      } else {
        MoveIntsToInput(node, "axes", 1);
      }
    } else if (node.op == "Unsqueeze") {
      Refuse(node, "the attribute 'axes' is missing");
    }
  }

  void SplitToInput(Node& node) {
    if (node.HasAttribute("split")) MoveIntsToInput(node, "split", 1);
  }

  void SplitCountsOutputs(Node& node) {
    if (InputName(node, 1).empty()) {
      node.attributes["num_outputs"] = static_cast<int64_t>(node.outputs.size());
    }
  }

  // Opset 21 has one scale and bias per channel instead of one per group, and the number of
  // channels is not known here. Per group it is an InstanceNormalization whose channels are the
  // groups.
  void GroupNormalizationByGroups(Node& node) {
    if (!node.HasAttribute("num_groups") || node.inputs.size() != 3) {
      Refuse(node, "the attribute 'num_groups' or an input is missing");
    }
    const int64_t groups = node.GetInt("num_groups", 1);
    const std::string x = node.inputs[0];
    const std::string y = node.outputs.at(0);
    const std::string shape = tensors_.Fresh(y + "_shape");
    const std::string grouped = tensors_.Fresh(y + "_grouped");
    const std::string result = tensors_.Fresh(y + "_normalized");
    const std::string split =
        AddInitializer(y + "_groups", Tensor::FromVector<int64_t>({3}, {0, groups, -1}));
    AddNode("Shape", {x}, shape);
    AddNode("Reshape", {x, split}, grouped);
    AddNode("Reshape", {result, shape}, y);
    node.op = "InstanceNormalization";
    node.inputs[0] = grouped;
    node.outputs[0] = result;
    node.attributes.erase("num_groups");
  }

  void RenameGridModes(Node& node) {
    const std::string mode = node.GetString("mode", "bilinear");
    if (mode == "bilinear") node.attributes["mode"] = std::string("linear");
    if (mode == "bicubic") node.attributes["mode"] = std::string("cubic");
  }

 private:
  static constexpr int64_t kDropoutBoolMask = 10;

  static size_t NumOutputs(const Node& node) {
    return static_cast<size_t>(std::count_if(node.outputs.begin(), node.outputs.end(),
                                             [](const auto& name) { return !name.empty(); }));
  }

  static std::string InputName(const Node& node, size_t index) {
    return index < node.inputs.size() ? node.inputs[index] : std::string();
  }

  static void SetInput(Node& node, size_t index, const std::string& name) {
    if (node.inputs.size() <= index) node.inputs.resize(index + 1);
    node.inputs[index] = name;
  }

  void MoveIntsToInput(Node& node, const char* key, size_t index) {
    const std::vector<int64_t> values = node.GetInts(key, {});
    SetInput(
        node, index,
        AddInitializer(node.name + "_" + key,
                       Tensor::FromVector<int64_t>({static_cast<int64_t>(values.size())}, values)));
    node.attributes.erase(key);
  }

  std::string AddInitializer(const std::string& wanted, const Tensor& value) {
    const std::string name = tensors_.Fresh(wanted);
    graph_.initializers.emplace(name, value);
    return name;
  }

  // Takes part in the steps that follow, as every node does.
  void AddNode(const std::string& op, std::vector<std::string> inputs, const std::string& output,
               std::map<std::string, Attribute> attributes = {}) {
    added_.push_back(
        adaround::NewNode(nodes_, op, std::move(inputs), output, std::move(attributes)));
  }

  std::optional<int64_t> RankOf(const std::string& tensor) {
    if (!types_) types_ = InferTypes(graph_, given_);
    const auto found = types_->find(tensor);
    return found == types_->end() ? std::nullopt : found->second.rank;
  }

  Graph& graph_;
  const std::map<std::string, TensorType>& given_;
  std::optional<std::map<std::string, TensorType>> types_;  // at the opset where first asked for
  NameBook tensors_;
  NameBook nodes_;
  std::vector<Node> added_;
  int64_t from_ = 0;
};

constexpr Step kSteps[] = {
    {"Add", 7, &Lifter::DropBroadcast},
    {"And", 7, &Lifter::DropBroadcast},
    {"Div", 7, &Lifter::DropBroadcast},
    {"Equal", 7, &Lifter::DropBroadcast},
    {"Gemm", 7, &Lifter::DropBroadcast},
    {"Greater", 7, &Lifter::DropBroadcast},
    {"Less", 7, &Lifter::DropBroadcast},
    {"Mul", 7, &Lifter::DropBroadcast},
    {"Or", 7, &Lifter::DropBroadcast},
    {"Pow", 7, &Lifter::DropBroadcast},
    {"Sub", 7, &Lifter::DropBroadcast},
    {"Xor", 7, &Lifter::DropBroadcast},
    {"PRelu", 7, &Lifter::SpreadSlope},
    {"BatchNormalization", 7, &Lifter::DropTestFlag},
    {"Dropout", 7, &Lifter::DropTestFlag},
    {"BatchNormalization", 9, &Lifter::DropSpatial},
    {"Upsample", 9, &Lifter::UpsampleScalesToInput},
    {"Slice", 10, &Lifter::SliceToInputs},
    {"TopK", 10, &Lifter::TopKToInput},
    {"Upsample", 10, &Lifter::UpsampleToResize},
    {"Clip", 11, &Lifter::ClipToInputs},
    {"OneHot", 11, &Lifter::OneHotWithoutNegatives},
    {"Pad", 11, &Lifter::PadToInputs},
    {"Resize", 11, &Lifter::ResizeGetsCoordinates},
    {"Scatter", 11, &Lifter::ScatterGetsItsName},
    {"Dropout", 12, &Lifter::DropoutWithoutRatio},
    {"Hardmax", 13, &Lifter::SoftmaxOverOneAxis},
    {"LogSoftmax", 13, &Lifter::SoftmaxOverOneAxis},
    {"ReduceSum", 13, &Lifter::AxesToInput},
    {"Resize", 13, &Lifter::ResizeLosesMode},
    {"Softmax", 13, &Lifter::SoftmaxOverOneAxis},
    {"Split", 13, &Lifter::SplitToInput},
    {"Squeeze", 13, &Lifter::AxesToInput},
    {"Unsqueeze", 13, &Lifter::AxesToInput},
    {"BatchNormalization", 14, &Lifter::RequireOneOutput},
    {"ReduceL1", 18, &Lifter::AxesToInput},
    {"ReduceL2", 18, &Lifter::AxesToInput},
    {"ReduceLogSum", 18, &Lifter::AxesToInput},
    {"ReduceLogSumExp", 18, &Lifter::AxesToInput},
    {"ReduceMax", 18, &Lifter::AxesToInput},
    {"ReduceMean", 18, &Lifter::AxesToInput},
    {"ReduceMin", 18, &Lifter::AxesToInput},
    {"ReduceProd", 18, &Lifter::AxesToInput},
    {"ReduceSumSquare", 18, &Lifter::AxesToInput},
    {"Split", 18, &Lifter::SplitCountsOutputs},
    {"GridSample", 20, &Lifter::RenameGridModes},
    {"GroupNormalization", 21, &Lifter::GroupNormalizationByGroups},
};

// Operators without a step: their versions between 6 and kNewestLiftedOpset differ in types and in
// attributes whose defaults are the old meaning.
constexpr std::string_view kUnchanged[] = {"Abs",
                                           "Acos",
                                           "Acosh",
                                           "ArgMax",
                                           "ArgMin",
                                           "Asin",
                                           "Asinh",
                                           "Atan",
                                           "Atanh",
                                           "AveragePool",
                                           "Cast",
                                           "CastLike",
                                           "Ceil",
                                           "Celu",
                                           "Compress",
                                           "Concat",
                                           "Constant",
                                           "ConstantOfShape",
                                           "Conv",
                                           "ConvTranspose",
                                           "Cos",
                                           "Cosh",
                                           "CumSum",
                                           "DepthToSpace",
                                           "DequantizeLinear",
                                           "Einsum",
                                           "Elu",
                                           "Erf",
                                           "Exp",
                                           "Expand",
                                           "EyeLike",
                                           "Flatten",
                                           "Floor",
                                           "Gather",
                                           "GatherElements",
                                           "GatherND",
                                           "Gelu",
                                           "GlobalAveragePool",
                                           "GlobalLpPool",
                                           "GlobalMaxPool",
                                           "GreaterOrEqual",
                                           "HardSigmoid",
                                           "HardSwish",
                                           "Identity",
                                           "InstanceNormalization",
                                           "IsInf",
                                           "IsNaN",
                                           "LayerNormalization",
                                           "LeakyRelu",
                                           "LessOrEqual",
                                           "Log",
                                           "LpNormalization",
                                           "LpPool",
                                           "LRN",
                                           "MatMul",
                                           "Max",
                                           "MaxPool",
                                           "Mean",
                                           "MeanVarianceNormalization",
                                           "Min",
                                           "Mish",
                                           "Mod",
                                           "Neg",
                                           "NonZero",
                                           "Not",
                                           "QuantizeLinear",
                                           "Range",
                                           "Reciprocal",
                                           "Relu",
                                           "Reshape",
                                           "ReverseSequence",
                                           "Round",
                                           "ScatterElements",
                                           "ScatterND",
                                           "Selu",
                                           "Shape",
                                           "Shrink",
                                           "Sigmoid",
                                           "Sign",
                                           "Sin",
                                           "Sinh",
                                           "Size",
                                           "Softplus",
                                           "Softsign",
                                           "SpaceToDepth",
                                           "Sqrt",
                                           "Sum",
                                           "Tan",
                                           "Tanh",
                                           "ThresholdedRelu",
                                           "Tile",
                                           "Transpose",
                                           "Trilu",
                                           "Where"};

bool IsKnown(const std::string& op) {
  const auto is_op = [&](const Step& step) { return step.op == op; };
  return op.find("::") != std::string::npos ||
         std::any_of(std::begin(kSteps), std::end(kSteps), is_op) ||
         std::find(std::begin(kUnchanged), std::end(kUnchanged), op) != std::end(kUnchanged);
}

void Lifter::Run(int64_t target) {
  from_ = graph_.opset;
  for (const Node& node : graph_.nodes) {
    if (!IsKnown(node.op)) Refuse(node, "how the operator changed is not known");
  }
  for (int64_t version = from_ + 1; version <= target; ++version) {
    for (Node& node : graph_.nodes) {
      const std::string op = node.op;
      for (const Step& step : kSteps) {
        if (step.version == version && step.op == op) (this->*step.rule)(node);
      }
    }
    for (Node& node : added_) graph_.nodes.push_back(std::move(node));
    if (!added_.empty()) graph_.SortTopologically();
    added_.clear();
    graph_.opset = version;
  }
}

}  // namespace

void UpgradeOpset(Graph& graph, int64_t target, const std::map<std::string, TensorType>& given) {
  ADAROUND_CHECK(graph.opset <= target && target <= kNewestLiftedOpset);
  Lifter(graph, given).Run(target);
}

}  // namespace adaround
