#include "adaround/io/onnx_import.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "adaround/graph/image_layout.h"
#include "adaround/io/model_json.h"
#include "base/utf8.h"
#include "io/file_error.h"
#include "io/model_document.h"
#include "io/onnx_message.h"
#include "io/onnx_tensor.h"

namespace adaround {
namespace {

// Later ones than opset 21 needs (10) hold nothing else that we read.
constexpr int64_t kMaxIrVersion = 13;
constexpr int kMaxNodes = 250'000;
constexpr const char* kExportKey = "adaround.export";
constexpr const char* kPreprocessKey = "adaround.preprocess";

bool IsDefaultDomain(const std::string& domain) {
  return domain.empty() || domain == "ai.onnx";
}

std::string OpName(const onnx::NodeProto& node) {
  return IsDefaultDomain(node.domain()) ? node.op_type() : node.domain() + "::" + node.op_type();
}

// Operators whose results are integers on a grid, or come from such, in the default domain and
// those of runtimes.
bool IsQuantizedOp(std::string_view op) {
  constexpr std::array<std::string_view, 7> kPrefixes = {
      "QuantizeLinear", "DequantizeLinear", "DynamicQuantize", "QLinear",
      "QOrdered",       "ConvInteger",      "MatMulInteger"};
  constexpr std::array<std::string_view, 10> kNames = {"QAttention",
                                                       "QEmbedLayerNormalization",
                                                       "QGemm",
                                                       "QMoE",
                                                       "MatMulNBits",
                                                       "MatMulBnb4",
                                                       "GatherBlockQuantized",
                                                       "MulInteger",
                                                       "ReduceSumInteger",
                                                       "MatMulFpQ4"};
  return std::any_of(kPrefixes.begin(), kPrefixes.end(),
                     [&](std::string_view prefix) { return op.starts_with(prefix); }) ||
         std::find(kNames.begin(), kNames.end(), op) != kNames.end();
}

bool HoldsQuantizedOps(const onnx::GraphProto& graph) {
  for (const onnx::NodeProto& node : graph.node()) {
    if (IsQuantizedOp(node.op_type())) return true;
    for (const onnx::AttributeProto& attribute : node.attribute()) {
      if (attribute.has_g() && HoldsQuantizedOps(attribute.g())) return true;
      for (const onnx::GraphProto& body : attribute.graphs()) {
        if (HoldsQuantizedOps(body)) return true;
      }
    }
  }
  return false;
}

// The type of an attribute; early writers left it to the field that is filled.
// Throws where no field or several are filled, or another than the type says.
onnx::AttributeProto::AttributeType AttributeType(const onnx::AttributeProto& attribute,
                                                  const std::string& what) {
  using A = onnx::AttributeProto;
  const std::pair<A::AttributeType, bool> fields[] = {
      {A::FLOAT, attribute.has_f()},
      {A::INT, attribute.has_i()},
      {A::STRING, attribute.has_s()},
      {A::TENSOR, attribute.has_t()},
      {A::GRAPH, attribute.has_g()},
      {A::SPARSE_TENSOR, attribute.has_sparse_tensor()},
      {A::TYPE_PROTO, attribute.has_tp()},
      {A::FLOATS, attribute.floats_size() > 0},
      {A::INTS, attribute.ints_size() > 0},
      {A::STRINGS, attribute.strings_size() > 0},
      {A::TENSORS, attribute.tensors_size() > 0},
      {A::GRAPHS, attribute.graphs_size() > 0},
      {A::SPARSE_TENSORS, attribute.sparse_tensors_size() > 0},
      {A::TYPE_PROTOS, attribute.type_protos_size() > 0},
  };
  A::AttributeType filled = A::UNDEFINED;
  for (const auto& [type, is_filled] : fields) {
    if (!is_filled) continue;
    if (filled != A::UNDEFINED) ThrowMalformed(what, "has values of two types");
    filled = type;
  }
  if (attribute.type() == A::UNDEFINED) {
    if (filled == A::UNDEFINED) ThrowMalformed(what, "has neither type nor value");
    return filled;
  }
  const auto stated = attribute.type();
  if (filled != A::UNDEFINED && filled != stated) {
    ThrowMalformed(what, "is stated to be " + A::AttributeType_Name(stated) + " and has a value " +
                             "of type " + A::AttributeType_Name(filled));
  }
  // Zero, "" and empty lists may be left unwritten, a message may not.
  const bool needs_field = stated == A::TENSOR || stated == A::GRAPH ||
                           stated == A::SPARSE_TENSOR || stated == A::TYPE_PROTO;
  if (needs_field && filled == A::UNDEFINED) ThrowMalformed(what, "has no value");
  return stated;
}

double CheckedFloat(float value, const std::string& what) {
  if (std::isnan(value)) ThrowMalformed(what, "is NaN; correct it and write the file again");
  return static_cast<double>(value);
}

// Attributes that name an element type: where they say float16, bfloat16 or float64, the program
// computes in float32.
bool NamesElementType(const std::string& op, const std::string& attribute) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kNames = {{
      {"Cast", "to"},
      {"DequantizeLinear", "output_dtype"},
      {"EyeLike", "dtype"},
      {"GroupNormalization", "stash_type"},
      {"LayerNormalization", "stash_type"},
  }};
  return std::find(kNames.begin(), kNames.end(),
                   std::pair<std::string_view, std::string_view>(op, attribute)) != kNames.end();
}

int64_t ComputedElementType(int64_t data_type) {
  const bool is_other_float = data_type == onnx_type::kFloat16 ||
                              data_type == onnx_type::kBFloat16 || data_type == onnx_type::kDouble;
  return is_other_float ? onnx_type::kFloat : data_type;
}

class Importer {
 public:
  Importer(onnx::ModelProto* model, const std::string& file, const std::filesystem::path& folder)
      : model_(*model), proto_(*model->mutable_graph()), file_(file), tensors_(folder) {}

  OnnxModel Import() {
    CheckVersions();
    CheckContents();
    CheckTexts();
    OnnxModel result;
    result.metadata = ReadMetadata();
    const auto exported = result.metadata.find(kExportKey);
    result.is_own_export = exported != result.metadata.end() && exported->second == "qdq";
    result.is_quantized = HoldsQuantizedOps(proto_);
    ReadInitializers();
    ReadInputs();
    ReadNodes();
    for (const onnx::ValueInfoProto& output : proto_.output()) {
      if (output.name().empty()) ThrowMalformed(file_, "a graph output has no name");
      graph_.outputs.push_back(output.name());
    }
    if (graph_.outputs.empty()) ThrowMalformed(file_, "the graph has no output");
    ValidateAndSort(file_, &graph_);
    InferMissingRanks();
    ReadPreprocess(result.metadata);
    result.graph = std::move(graph_);
    return result;
  }

 private:
  void CheckVersions() {
    const int64_t ir_version = model_.ir_version();
    if (ir_version < 1) ThrowMalformed(file_, "states no IR version: is this an ONNX model?");
    if (ir_version > kMaxIrVersion) {
      ThrowUnsupported(file_, "has IR version " + std::to_string(ir_version) +
                                  ", this program reads up to " + std::to_string(kMaxIrVersion) +
                                  "; save the model with ir_version = " +
                                  std::to_string(kMaxIrVersion) + ", or use a newer adaround");
    }
    std::optional<int64_t> opset;
    for (const onnx::OperatorSetIdProto& entry : model_.opset_import()) {
      if (!IsDefaultDomain(entry.domain())) continue;
      if (opset && *opset != entry.version()) {
        ThrowMalformed(file_, "imports the opsets " + std::to_string(*opset) + " and " +
                                  std::to_string(entry.version()) + " of ONNX's own operators");
      }
      opset = entry.version();
    }
    if (!opset) ThrowMalformed(file_, "names no opset of ONNX's own operators (opset_import)");
    if (*opset < kMinOpset || *opset > kMaxOpset) {
      ThrowUnsupported(file_, "opset is " + std::to_string(*opset) + ", supported are " +
                                  std::to_string(kMinOpset) + " to " + std::to_string(kMaxOpset) +
                                  "; convert the model");
    }
    graph_.source = file_;
    graph_.opset = *opset;
  }

  void CheckContents() {
    if (model_.functions_size() > 0) {
      std::string names;
      constexpr int kMaxListed = 5;
      for (int i = 0; i < std::min(kMaxListed, model_.functions_size()); ++i) {
        const onnx::FunctionProto& function = model_.functions(i);
        names += (i == 0 ? "" : ", ") + Quoted(function.domain() + "::" + function.name());
      }
      ThrowUnsupported(file_, "defines " + std::to_string(model_.functions_size()) +
                                  " operators of its own (model-local functions): " + names +
                                  "; inline them (onnx.inliner) and save the model again");
    }
    if (proto_.sparse_initializer_size() > 0) {
      ThrowUnsupported(file_, "initializer " +
                                  Quoted(proto_.sparse_initializer(0).values().name()) +
                                  " is sparse; save the model with dense initializers");
    }
    if (proto_.node_size() > kMaxNodes) {
      ThrowUnsupported(file_, "has " + std::to_string(proto_.node_size()) + " nodes, at most " +
                                  std::to_string(kMaxNodes) + " are supported");
    }
  }

  // protobuf takes any bytes for a text; every file that the program writes wants UTF-8.
  void CheckTexts() const {
    for (const onnx::StringStringEntryProto& entry : model_.metadata_props()) {
      CheckText(entry.key(), file_, "a key of metadata_props");
      CheckText(entry.value(), file_, "a value of metadata_props");
    }
    for (const onnx::TensorProto& tensor : proto_.initializer()) {
      CheckText(tensor.name(), file_, "the name of an initializer");
    }
    for (const onnx::ValueInfoProto& input : proto_.input()) {
      CheckText(input.name(), file_, "the name of a graph input");
      for (const auto& dim : input.type().tensor_type().shape().dim()) {
        CheckText(dim.dim_param(), file_, "an extent of a graph input");
      }
    }
    for (const onnx::ValueInfoProto& output : proto_.output()) {
      CheckText(output.name(), file_, "the name of a graph output");
    }
    for (int i = 0; i < proto_.node_size(); ++i) CheckTextsOfNode(proto_.node(i), i);
  }

  void CheckTextsOfNode(const onnx::NodeProto& node, int index) const {
    const std::string place = file_ + ": node " + std::to_string(index);
    CheckText(node.name(), place, "its name");
    CheckText(node.op_type(), place, "its operator");
    CheckText(node.domain(), place, "its domain");
    for (const std::string& input : node.input()) CheckText(input, place, "the name of an input");
    for (const std::string& output : node.output()) {
      CheckText(output, place, "the name of an output");
    }
    for (const onnx::AttributeProto& attribute : node.attribute()) {
      CheckText(attribute.name(), place, "the name of an attribute");
      CheckText(attribute.s(), place, "the value of an attribute");
      for (const std::string& value : attribute.strings()) {
        CheckText(value, place, "a value of an attribute");
      }
    }
  }

  static void CheckText(const std::string& text, const std::string& place, const char* what) {
    if (IsUtf8(text)) return;
    ThrowMalformed(place, std::string(what) + ", " + Quoted(text) +
                              ", is not UTF-8; correct it and write the file again");
  }

  std::map<std::string, std::string> ReadMetadata() const {
    std::map<std::string, std::string> metadata;
    for (const onnx::StringStringEntryProto& entry : model_.metadata_props()) {
      if (!metadata.emplace(entry.key(), entry.value()).second) {
        ThrowMalformed(file_, "metadata_props has the key " + Quoted(entry.key()) + " twice");
      }
    }
    return metadata;
  }

  void ReadInitializers() {
    for (onnx::TensorProto& message : *proto_.mutable_initializer()) {
      const std::string name = message.name();
      const std::string what = file_ + ": initializer " + Quoted(name);
      if (name.empty()) ThrowMalformed(file_, "an initializer has no name");
      if (graph_.initializers.contains(name)) ThrowMalformed(what, "is given twice");
      AddInitializer(name, &message, what);
    }
  }

  void AddInitializer(const std::string& name, onnx::TensorProto* message,
                      const std::string& what) {
    element_types_[name] = message->data_type();
    graph_.initializers.emplace(name, tensors_.Read(message, what));
  }

  void ReadInputs() {
    // Up to IR version 3 initializers are inputs too: their values are only defaults, but nobody
    // calibrates weights.
    for (const onnx::ValueInfoProto& value : proto_.input()) {
      if (!graph_.initializers.contains(value.name())) graph_.inputs.push_back(ReadInput(value));
    }
  }

  GraphInput ReadInput(const onnx::ValueInfoProto& value) {
    const std::string what = file_ + ": graph input " + Quoted(value.name());
    GraphInput input;
    input.name = value.name();
    if (!value.type().has_tensor_type()) {
      ThrowUnsupported(what, "is no tensor, or has no type; only tensors are supported");
    }
    const onnx::TypeProto::Tensor& type = value.type().tensor_type();
    input.dtype = DTypeFromOnnxType(type.elem_type(), what);
    if (!type.has_shape()) {
      inputs_without_rank_.insert(input.name);
      return input;
    }
    const auto& dims = type.shape().dim();
    if (dims.size() > static_cast<int>(kMaxRank)) {
      ThrowUnsupported(what, "has " + std::to_string(dims.size()) + " dimensions, at most " +
                                 std::to_string(kMaxRank) + " are supported");
    }
    Shape known_extents;
    for (int axis = 0; axis < dims.size(); ++axis) {
      const auto& dim = dims.Get(axis);
      // -1 is how some writers say that an extent varies.
      if (!dim.has_dim_value() || dim.dim_value() == -1) {
        input.shape.push_back(-1);
        input.symbols.push_back(dim.dim_param().empty() ? DefaultSymbol(axis) : dim.dim_param());
        continue;
      }
      if (dim.dim_value() < 0) {
        ThrowMalformed(what, "has the negative extent " + std::to_string(dim.dim_value()));
      }
      input.shape.push_back(dim.dim_value());
      input.symbols.emplace_back();
      known_extents.push_back(dim.dim_value());
    }
    if (!CheckedNumElements(known_extents)) ThrowMalformed(what, "its size overflows");
    return input;
  }

  static std::string DefaultSymbol(int axis) {
    return axis == 0 ? "N" : "dim_" + std::to_string(axis);
  }

  // An input without shape has as many dimensions as its first reader wants.
  void InferMissingRanks() {
    for (GraphInput& input : graph_.inputs) {
      if (!inputs_without_rank_.contains(input.name)) continue;
      const std::optional<int64_t> rank = RankThatReadersWant(input.name);
      if (!rank) {
        ThrowUnsupported(file_, "graph input " + Quoted(input.name) +
                                    " has no shape; write one into the model, names for the "
                                    "extents that vary will do");
      }
      input.shape.assign(static_cast<size_t>(*rank), -1);
      for (int axis = 0; axis < *rank; ++axis) input.symbols.push_back(DefaultSymbol(axis));
    }
  }

  std::optional<int64_t> RankThatReadersWant(const std::string& tensor) const {
    for (const Node& node : graph_.nodes) {
      if (node.inputs.empty() || node.inputs[0] != tensor) continue;
      if (node.op == "Gemm") return 2;
      if ((node.op == "Conv" || node.op == "ConvTranspose") && node.inputs.size() > 1) {
        const auto weight = graph_.initializers.find(node.inputs[1]);
        if (weight != graph_.initializers.end()) return weight->second.rank();
      }
      if (node.op == "MaxPool" || node.op == "AveragePool") {
        return static_cast<int64_t>(node.GetInts("kernel_shape", {}).size()) + 2;
      }
      if (node.op == "Transpose" && node.HasAttribute("perm")) {
        return static_cast<int64_t>(node.GetInts("perm", {}).size());
      }
    }
    return std::nullopt;
  }

  void ReadNodes() {
    for (const onnx::NodeProto& node : proto_.node()) {
      if (!node.name().empty()) taken_names_.insert(node.name());
    }
    std::set<std::string> used;
    for (int i = 0; i < proto_.node_size(); ++i) {
      onnx::NodeProto& message = *proto_.mutable_node(i);
      Node node;
      node.op = OpName(message);
      node.name = message.name();
      if (message.op_type().empty()) {
        ThrowMalformed(file_, "node " + Quoted(node.name) + " names no operator");
      }
      if (node.name.empty() || !used.insert(node.name).second) {
        node.name = FreeNodeName(node.name.empty() ? node.op + "_" + std::to_string(i) : node.name);
        used.insert(node.name);
      }
      node.inputs.assign(message.input().begin(), message.input().end());
      node.outputs.assign(message.output().begin(), message.output().end());
      ReadNode(&message, std::move(node));
    }
  }

  // `wanted`, or the first of wanted_2, wanted_3, ... that no node bears.
  std::string FreeNodeName(const std::string& wanted) {
    std::string name = wanted;
    int& suffix = next_suffix_.emplace(wanted, 2).first->second;
    while (!taken_names_.insert(name).second) name = wanted + "_" + std::to_string(suffix++);
    return name;
  }

  void ReadNode(onnx::NodeProto* message, Node node) {
    const std::string what =
        file_ + ": node " + Quoted(node.name) + " (" + Printable(node.op) + ")";
    std::set<std::string> names;
    std::string unread;
    for (onnx::AttributeProto& attribute : *message->mutable_attribute()) {
      const std::string name = attribute.name();
      const std::string attribute_what = what + ": attribute " + Quoted(name);
      if (name.empty()) ThrowMalformed(what, "an attribute has no name");
      if (!names.insert(name).second) ThrowMalformed(attribute_what, "is given twice");
      if (!attribute.ref_attr_name().empty()) {
        ThrowMalformed(attribute_what, "refers to an attribute of a function, and is in none");
      }
      if (name == kUnreadAttributes) {
        ThrowMalformed(attribute_what,
                       "bears a name that stands for what could not be read; rename it");
      }
      if (attribute.has_t()) attribute_types_[name] = attribute.t().data_type();
      std::optional<Attribute> value = ReadAttribute(&attribute, node, attribute_what);
      if (value) {
        node.attributes.emplace(name, std::move(*value));
      } else {
        unread += (unread.empty() ? "" : " ") + name;
      }
    }
    if (!unread.empty()) node.attributes[kUnreadAttributes] = unread;
    if (node.op == "Constant") return AddConstant(std::move(node), what);
    if (node.op == "QuantizeLinear") KeepNarrowType(&node);
    graph_.nodes.push_back(std::move(node));
    attribute_types_.clear();
  }

  // Nothing for values that a graph::Attribute cannot hold, in operators that have no kernel.
  std::optional<Attribute> ReadAttribute(onnx::AttributeProto* attribute, const Node& node,
                                         const std::string& what) {
    using A = onnx::AttributeProto;
    switch (AttributeType(*attribute, what)) {
      case A::INT: {
        const int64_t value = attribute->i();
        return NamesElementType(node.op, attribute->name()) ? ComputedElementType(value) : value;
      }
      case A::FLOAT: return CheckedFloat(attribute->f(), what);
      case A::STRING: return attribute->s();
      case A::TENSOR: return tensors_.Read(attribute->mutable_t(), what);
      case A::INTS: return std::vector<int64_t>(attribute->ints().begin(), attribute->ints().end());
      case A::FLOATS: {
        std::vector<double> values;
        for (const float value : attribute->floats()) values.push_back(CheckedFloat(value, what));
        return values;
      }
      case A::STRINGS:
        return std::vector<std::string>(attribute->strings().begin(), attribute->strings().end());
      default: break;
    }
    constexpr std::array<std::string_view, 5> kOpsWithBodies = {"If", "Loop", "Optional", "Scan",
                                                                "SequenceMap"};
    const bool other_domain = node.op.find("::") != std::string::npos;
    if (!other_domain &&
        std::find(kOpsWithBodies.begin(), kOpsWithBodies.end(), node.op) == kOpsWithBodies.end()) {
      ThrowUnsupported(what, "holds a value of type " + A::AttributeType_Name(attribute->type()) +
                                 ", which is not supported for this operator");
    }
    return std::nullopt;
  }

  // Constant nodes are initializers by another name.
  void AddConstant(Node node, const std::string& what) {
    if (node.outputs.size() != 1 || node.outputs[0].empty() || node.attributes.size() != 1) {
      ThrowMalformed(what, "must have one output and one attribute");
    }
    const std::string& name = node.outputs[0];
    auto& [key, value] = *node.attributes.begin();
    const std::optional<Tensor> tensor = ConstantTensor(key, value);
    if (!tensor) {
      ThrowUnsupported(what, "its attribute " + Quoted(key) +
                                 " is not supported; supported are value, value_float, "
                                 "value_floats, value_int and value_ints");
    }
    const auto type = attribute_types_.find(key);
    if (type != attribute_types_.end()) element_types_[name] = type->second;
    attribute_types_.clear();
    if (!graph_.initializers.emplace(name, *tensor).second) {
      ThrowMalformed(what, "its output " + Quoted(name) + " is defined twice");
    }
  }

  static std::optional<Tensor> ConstantTensor(const std::string& key, const Attribute& value) {
    if (key == "value" && std::holds_alternative<Tensor>(value)) return std::get<Tensor>(value);
    if (key == "value_int" && std::holds_alternative<int64_t>(value)) {
      return Tensor::Scalar(std::get<int64_t>(value));
    }
    if (key == "value_float" && std::holds_alternative<double>(value)) {
      return Tensor::Scalar(static_cast<float>(std::get<double>(value)));
    }
    if (key == "value_ints" && std::holds_alternative<std::vector<int64_t>>(value)) {
      const auto& values = std::get<std::vector<int64_t>>(value);
      return Tensor::FromVector<int64_t>({static_cast<int64_t>(values.size())}, values);
    }
    if (key == "value_floats" && std::holds_alternative<std::vector<double>>(value)) {
      const auto& values = std::get<std::vector<double>>(value);
      const std::vector<float> narrow(values.begin(), values.end());
      return Tensor::FromVector<float>({static_cast<int64_t>(narrow.size())}, narrow);
    }
    return std::nullopt;
  }

  // The zero point's type says where integers saturate; in memory 4-bit ones have 8 bits, so the
  // type goes into the attribute that opset 21 has for it.
  void KeepNarrowType(Node* node) const {
    if (node->inputs.size() < 3 || node->HasAttribute("output_dtype")) return;
    const auto found = element_types_.find(node->inputs[2]);
    if (found == element_types_.end()) return;
    if (found->second == onnx_type::kInt4 || found->second == onnx_type::kUInt4) {
      node->attributes.emplace("output_dtype", int64_t{found->second});
    }
  }

  void ReadPreprocess(const std::map<std::string, std::string>& metadata) {
    const auto found = metadata.find(kPreprocessKey);
    if (found == metadata.end()) return;
    const std::string place = file_ + ": metadata '" + kPreprocessKey + "'";
    const nlohmann::json json = ParseStrictJson(found->second, place);
    const JsonView view(json, place);
    view.CheckObject();
    for (const auto& entry : json.items()) {
      const std::string& name = entry.key();
      const auto input = std::find_if(graph_.inputs.begin(), graph_.inputs.end(),
                                      [&](const GraphInput& other) { return other.name == name; });
      if (input == graph_.inputs.end()) {
        view.FailMalformed("the graph has no input " + Quoted(name));
      }
      std::optional<int64_t> channels;
      const auto axis = static_cast<size_t>(ChannelAxis(input->shape));
      if (input->shape.size() > axis && input->shape[axis] >= 0) channels = input->shape[axis];
      input->preprocess = ParsePreprocess(view.At(name), channels);
    }
  }

  const onnx::ModelProto& model_;
  onnx::GraphProto& proto_;
  const std::string& file_;
  OnnxTensorReader tensors_;
  Graph graph_;
  // TensorProto.DataType of each initializer, and of the tensors among one node's attributes.
  std::map<std::string, int32_t> element_types_;
  std::map<std::string, int32_t> attribute_types_;
  std::set<std::string> inputs_without_rank_;
  std::set<std::string> taken_names_;
  std::map<std::string, int> next_suffix_;
};

}  // namespace

OnnxModel ReadOnnxModel(const std::filesystem::path& path) {
  const InputFile file(path);
  onnx::ModelProto model = ReadOnnxMessage(file);
  if (!model.has_graph()) ThrowMalformed(file.name(), "holds no graph: is this an ONNX model?");
  return Importer(&model, file.name(), path.parent_path()).Import();
}

}  // namespace adaround
