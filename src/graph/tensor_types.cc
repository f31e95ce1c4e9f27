#include "graph/tensor_types.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "adaround/base/error.h"

namespace adaround {
namespace {

// ONNX's TensorProto.DataType.
constexpr std::array<std::pair<DType, int32_t>, 13> kCodes = {{
    {DType::kFloat32, 1},
    {DType::kUInt8, 2},
    {DType::kInt8, 3},
    {DType::kUInt16, 4},
    {DType::kInt16, 5},
    {DType::kInt32, 6},
    {DType::kInt64, 7},
    {DType::kBool, 9},
    {DType::kFloat16, 10},
    {DType::kFloat64, 11},
    {DType::kUInt32, 12},
    {DType::kUInt64, 13},
    {DType::kBFloat16, 16},
}};

// Their result has the dimensions of the first input.
const std::set<std::string>& ShapeKeepers() {
  static const std::set<std::string> ops = {"Abs",
                                            "AveragePool",
                                            "BatchNormalization",
                                            "Cast",
                                            "Ceil",
                                            "Celu",
                                            "Clip",
                                            "Conv",
                                            "ConvTranspose",
                                            "Cos",
                                            "CumSum",
                                            "DepthToSpace",
                                            "Dropout",
                                            "Elu",
                                            "Erf",
                                            "Exp",
                                            "Floor",
                                            "Gelu",
                                            "GlobalAveragePool",
                                            "GlobalLpPool",
                                            "GlobalMaxPool",
                                            "GroupNormalization",
                                            "HardSigmoid",
                                            "HardSwish",
                                            "Hardmax",
                                            "Identity",
                                            "InstanceNormalization",
                                            "IsInf",
                                            "IsNaN",
                                            "LRN",
                                            "LayerNormalization",
                                            "LeakyRelu",
                                            "Log",
                                            "LogSoftmax",
                                            "LpNormalization",
                                            "LpPool",
                                            "MaxPool",
                                            "MeanVarianceNormalization",
                                            "Mish",
                                            "Neg",
                                            "Not",
                                            "PRelu",
                                            "Pad",
                                            "Reciprocal",
                                            "Relu",
                                            "Resize",
                                            "ReverseSequence",
                                            "Round",
                                            "ScatterElements",
                                            "ScatterND",
                                            "Selu",
                                            "Shrink",
                                            "Sigmoid",
                                            "Sign",
                                            "Sin",
                                            "Slice",
                                            "Softmax",
                                            "Softplus",
                                            "Softsign",
                                            "SpaceToDepth",
                                            "Split",
                                            "Sqrt",
                                            "Tanh",
                                            "ThresholdedRelu",
                                            "Tile",
                                            "TopK",
                                            "Transpose",
                                            "Trilu",
                                            "Upsample",
                                            "Concat",
                                            "QuantizeLinear",
                                            "DequantizeLinear"};
  return ops;
}

const std::set<std::string>& Broadcasters() {
  static const std::set<std::string> ops = {
      "Add",  "And",         "BitShift", "Div",  "Equal", "Greater", "GreaterOrEqual",
      "Less", "LessOrEqual", "Max",      "Mean", "Min",   "Mod",     "Mul",
      "Or",   "Pow",         "Sub",      "Sum",  "Where", "Xor"};
  return ops;
}

const std::set<std::string>& BooleanMakers() {
  static const std::set<std::string> ops = {"And",   "Equal", "Greater", "GreaterOrEqual",
                                            "IsInf", "IsNaN", "Less",    "LessOrEqual",
                                            "Not",   "Or",    "Xor"};
  return ops;
}

// Their result has the dtype of the first input, as have those of shape keepers, broadcasters and
// reductions without a rule of their own.
const std::set<std::string>& DTypeKeepers() {
  static const std::set<std::string> ops = {
      "Acos",       "Acosh",     "Asin",       "Asinh",    "Atan",     "Atanh",
      "BitwiseAnd", "BitwiseOr", "Cosh",       "Compress", "Det",      "Einsum",
      "Expand",     "Flatten",   "Gather",     "Gemm",     "GatherND", "GatherElements",
      "GridSample", "MatMul",    "MaxRoiPool", "Range",    "RoiAlign", "RMSNormalization",
      "Reshape",    "Scatter",   "Sinh",       "Squeeze",  "Swish",    "Tan",
      "Unsqueeze"};
  return ops;
}

// Vectors that hold a shape or axes are shorter.
constexpr int64_t kMaxLength = 64;

bool IsReduction(const std::string& op) {
  return op.starts_with("Reduce") || op == "ArgMax" || op == "ArgMin";
}

class Inference {
 public:
  Inference(const Graph& graph, std::map<std::string, TensorType> given)
      : graph_(graph), types_(std::move(given)) {}

  std::map<std::string, TensorType> Run() {
    for (const GraphInput& input : graph_.inputs) {
      types_[input.name] = {input.dtype, static_cast<int64_t>(input.shape.size()), std::nullopt};
    }
    for (const auto& [name, tensor] : graph_.initializers) types_[name] = TypeOf(tensor);
    for (const Node& node : graph_.nodes) {
      TensorType type{DTypeOfResult(node), RankOfResult(node), std::nullopt};
      // Beyond what any tensor may have, the node fails when it runs.
      if (type.rank && (*type.rank < 0 || *type.rank > int64_t{kMaxRank})) type.rank.reset();
      if (type.rank == 1) type.length = LengthOfResult(node);
      if (type.length && *type.length > kMaxLength) type.length.reset();
      for (size_t i = 0; i < node.outputs.size(); ++i) {
        if (node.outputs[i].empty()) continue;
        types_[node.outputs[i]] = type;
        if (i > 0) types_[node.outputs[i]].dtype = DTypeOfFurther(node, type.dtype);
      }
    }
    return std::move(types_);
  }

 private:
  TensorType Input(const Node& node, size_t index) const {
    if (index >= node.inputs.size()) return {};
    const auto found = types_.find(node.inputs[index]);
    return found == types_.end() ? TensorType{} : found->second;
  }

  static const Tensor* TensorAttribute(const Node& node) {
    const auto found = node.attributes.find("value");
    return found == node.attributes.end() ? nullptr : std::get_if<Tensor>(&found->second);
  }

  std::optional<DType> DTypeOfResult(const Node& node) const {
    const std::string& op = node.op;
    if (BooleanMakers().contains(op)) return DType::kBool;
    if (op == "ArgMax" || op == "ArgMin" || op == "NonZero" || op == "Shape" || op == "Size") {
      return DType::kInt64;
    }
    if (op == "Cast") {
      return node.HasAttribute("to") ? DTypeFromOnnxCode(node.GetInt("to", 1)) : std::nullopt;
    }
    if (op == "EyeLike" || op == "RandomNormalLike" || op == "RandomUniformLike" ||
        op == "Bernoulli") {
      return node.HasAttribute("dtype") ? DTypeFromOnnxCode(node.GetInt("dtype", 1))
                                        : Input(node, 0).dtype;
    }
    if (op == "RandomNormal" || op == "RandomUniform") {
      return DTypeFromOnnxCode(node.GetInt("dtype", OnnxCode(DType::kFloat32)));
    }
    if (op == "Multinomial") {
      return DTypeFromOnnxCode(node.GetInt("dtype", OnnxCode(DType::kInt32)));
    }
    if (op == "Constant" || op == "ConstantOfShape") {
      if (const Tensor* value = TensorAttribute(node)) return value->dtype();
      if (node.HasAttribute("value_int") || node.HasAttribute("value_ints")) return DType::kInt64;
      if (op == "Constant" && !node.HasAttribute("value_float") &&
          !node.HasAttribute("value_floats")) {
        return std::nullopt;
      }
      return DType::kFloat32;
    }
    if (op == "CastLike" || op == "DequantizeLinear" || op == "Where") return Input(node, 1).dtype;
    if (op == "OneHot") return Input(node, 2).dtype;
    if (op == "QuantizeLinear") {
      if (node.inputs.size() > 2 && !node.inputs[2].empty()) return Input(node, 2).dtype;
      // 0 stands for the attribute left out.
      const int64_t stated = node.GetInt("output_dtype", 0);
      return stated == 0 ? DType::kUInt8 : DTypeFromOnnxCode(stated);
    }
    const bool keeps = ShapeKeepers().contains(op) || Broadcasters().contains(op) ||
                       DTypeKeepers().contains(op) || IsReduction(op);
    return keeps ? Input(node, 0).dtype : std::nullopt;
  }

  // Of the second and later outputs.
  static std::optional<DType> DTypeOfFurther(const Node& node, std::optional<DType> first) {
    if (node.op == "TopK" || node.op == "MaxPool") return DType::kInt64;
    if (node.op == "Dropout") return DType::kBool;
    return first;
  }

  std::optional<int64_t> RankOfResult(const Node& node) const {
    const std::string& op = node.op;
    const TensorType x = Input(node, 0);
    if (ShapeKeepers().contains(op)) return x.rank;
    if (Broadcasters().contains(op)) return BroadcastRank(node);
    if (op == "Flatten" || op == "Gemm" || op == "NonZero") return 2;
    if (op == "Shape" || op == "Range") return 1;
    if (op == "Size") return 0;
    if (op == "MatMul") return MatMulRank(x.rank, Input(node, 1).rank);
    if (op == "Reshape" || op == "ConstantOfShape") {
      return op == "Reshape" ? Input(node, 1).length : x.length;
    }
    if (op == "Expand") return ExpandRank(x.rank, Input(node, 1).length);
    if (op == "Constant") return ConstantType(node).rank;
    if (op == "Gather") {
      const std::optional<int64_t> indices = Input(node, 1).rank;
      if (!x.rank || !indices || *x.rank < 1) return std::nullopt;
      return *x.rank - 1 + *indices;
    }
    if (op == "Squeeze" || op == "Unsqueeze") {
      const std::optional<int64_t> count = NumAxes(node);
      if (!x.rank || !count) return std::nullopt;
      return op == "Squeeze" ? *x.rank - *count : *x.rank + *count;
    }
    if (IsReduction(op)) {
      if (node.GetInt("keepdims", 1) != 0) return x.rank;
      if (op == "ArgMax" || op == "ArgMin") return x.rank ? std::optional(*x.rank - 1) : x.rank;
      const std::optional<int64_t> count = NumAxes(node);
      if (!x.rank || !count || *count == 0) return std::nullopt;
      return *x.rank - *count;
    }
    return std::nullopt;
  }

  std::optional<int64_t> LengthOfResult(const Node& node) const {
    if (node.op == "Shape" && !node.HasAttribute("start") && !node.HasAttribute("end")) {
      return Input(node, 0).rank;
    }
    if (node.op == "Concat") {
      int64_t sum = 0;
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        const std::optional<int64_t> length = Input(node, i).length;
        if (!length) return std::nullopt;
        sum += *length;
      }
      return sum;
    }
    if (node.op == "Constant") return ConstantType(node).length;
    if (node.op == "Unsqueeze" && Input(node, 0).rank == 0) return 1;
    if (node.op == "Cast" || node.op == "Identity") return Input(node, 0).length;
    return std::nullopt;
  }

  std::optional<int64_t> BroadcastRank(const Node& node) const {
    int64_t rank = 0;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const std::optional<int64_t> one = Input(node, i).rank;
      if (!one) return std::nullopt;
      rank = std::max(rank, *one);
    }
    return rank;
  }

  static std::optional<int64_t> MatMulRank(std::optional<int64_t> a, std::optional<int64_t> b) {
    if (!a || !b || *a < 1 || *b < 1) return std::nullopt;
    if (*a == 1) return *b == 1 ? 0 : *b - 1;
    return *b == 1 ? *a - 1 : std::max(*a, *b);
  }

  static std::optional<int64_t> ExpandRank(std::optional<int64_t> x, std::optional<int64_t> shape) {
    if (!x || !shape) return std::nullopt;
    return std::max(*x, *shape);
  }

  // But for the dtype.
  static TensorType ConstantType(const Node& node) {
    if (const Tensor* value = TensorAttribute(node)) return TypeOf(*value);
    TensorType type;
    if (node.HasAttribute("value_ints")) {
      type.length = static_cast<int64_t>(node.GetInts("value_ints", {}).size());
    } else if (node.HasAttribute("value_floats")) {
      type.length = static_cast<int64_t>(node.GetFloats("value_floats", {}).size());
    }
    type.rank = type.length ? 1 : 0;
    return type;
  }

  // How many axes the node names, in its attribute or its second input.
  std::optional<int64_t> NumAxes(const Node& node) const {
    if (node.HasAttribute("axes")) return static_cast<int64_t>(node.GetInts("axes", {}).size());
    if (node.inputs.size() > 1 && !node.inputs[1].empty()) return Input(node, 1).length;
    return std::nullopt;
  }

  const Graph& graph_;
  std::map<std::string, TensorType> types_;
};

}  // namespace

std::map<std::string, TensorType> InferTypes(const Graph& graph,
                                             const std::map<std::string, TensorType>& given) {
  return Inference(graph, given).Run();
}

TensorType TypeOf(const Tensor& tensor) {
  TensorType type{tensor.dtype(), tensor.rank(), std::nullopt};
  if (tensor.rank() == 1) type.length = tensor.dim(0);
  return type;
}

std::optional<DType> DTypeFromOnnxCode(int64_t code) {
  for (const auto& [dtype, known] : kCodes) {
    if (known == code) return dtype;
  }
  return std::nullopt;
}

int32_t OnnxCode(DType dtype) {
  for (const auto& [known, code] : kCodes) {
    if (known == dtype) return code;
  }
  ADAROUND_CHECK(false);
}

}  // namespace adaround
