#include "io/onnx_export_message.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <array>
#include <limits>
#include <set>
#include <utility>
#include <variant>

#include "adaround/base/build_info.h"
#include "adaround/io/atomic_output.h"
#include "adaround/io/onnx_import.h"
#include "io/file_error.h"
#include "io/model_document.h"
#include "io/strict_json.h"

namespace adaround {
namespace {

// Attributes that ONNX types as float; a graph may hold them as whole numbers.
const std::set<std::string>& FloatAttributes() {
  static const std::set<std::string> names = {
      "alpha", "beta",   "bias",          "cubic_coeff_a", "epsilon",     "extrapolation_value",
      "gamma", "lambd",  "max",           "min",           "momentum",    "ratio",
      "scale", "scales", "spatial_scale", "threshold",     "value_float", "value_floats"};
  return names;
}

// What other domains call so may be of any type.
bool IsFloatAttribute(const Node& node, const std::string& key) {
  if (node.op.find("::") != std::string::npos) return false;
  return FloatAttributes().contains(key) || (node.op == "Pad" && key == "value");
}

// The IR version that came with each opset.
int64_t IrVersion(int64_t opset) {
  constexpr std::array<std::pair<int64_t, int64_t>, 7> kFirstOpsets = {
      {{21, 10}, {19, 9}, {15, 8}, {12, 7}, {11, 6}, {10, 5}, {9, 4}}};
  for (const auto& [first, version] : kFirstOpsets) {
    if (opset >= first) return version;
  }
  // Before 4, every initializer had to be a graph input too.
  return 4;
}

void SetTensor(const std::string& name, const Tensor& tensor, onnx::TensorProto& proto) {
  proto.set_name(name);
  proto.set_data_type(OnnxCode(tensor.dtype()));
  for (const int64_t extent : tensor.shape()) proto.add_dims(extent);
  proto.set_raw_data(tensor.raw(), tensor.num_bytes());
}

struct AttributeSetter {
  const Node& node;
  const std::string& key;
  onnx::AttributeProto& proto;

  void operator()(int64_t value) const {
    if (IsFloatAttribute(node, key)) return (*this)(static_cast<double>(value));
    proto.set_type(onnx::AttributeProto::INT);
    proto.set_i(value);
  }
  void operator()(double value) const {
    proto.set_type(onnx::AttributeProto::FLOAT);
    proto.set_f(static_cast<float>(value));
  }
  void operator()(const std::string& value) const {
    proto.set_type(onnx::AttributeProto::STRING);
    proto.set_s(value);
  }
  void operator()(const std::vector<int64_t>& values) const {
    if (IsFloatAttribute(node, key)) {
      return (*this)(std::vector<double>(values.begin(), values.end()));
    }
    proto.set_type(onnx::AttributeProto::INTS);
    for (const int64_t value : values) proto.add_ints(value);
  }
  void operator()(const std::vector<double>& values) const {
    // An empty list fits every type: its name decides.
    if (values.empty() && !IsFloatAttribute(node, key)) {
      return (*this)(std::vector<int64_t>());
    }
    proto.set_type(onnx::AttributeProto::FLOATS);
    for (const double value : values) proto.add_floats(static_cast<float>(value));
  }
  void operator()(const std::vector<std::string>& values) const {
    proto.set_type(onnx::AttributeProto::STRINGS);
    for (const std::string& value : values) proto.add_strings(value);
  }
  void operator()(const Tensor& tensor) const {
    proto.set_type(onnx::AttributeProto::TENSOR);
    SetTensor("", tensor, *proto.mutable_t());
  }
};

// "DOMAIN::OP" is how a graph names operators of other domains.
std::pair<std::string, std::string> DomainAndOp(const std::string& op) {
  const size_t at = op.rfind("::");
  if (at == std::string::npos) return {"", op};
  return {op.substr(0, at), op.substr(at + 2)};
}

// A node without its body would be another node.
void CheckWhole(const Graph& graph, const std::string& file) {
  std::string nodes;
  for (const Node& node : graph.nodes) {
    const auto unread = node.attributes.find(kUnreadAttributes);
    if (unread == node.attributes.end()) continue;
    // Of a model.json, where it may be anything.
    const auto* names = std::get_if<std::string>(&unread->second);
    nodes += (nodes.empty() ? "" : ", ") + Quoted(node.name) + " (" + Printable(node.op) + ": " +
             (names != nullptr ? Printable(*names) : "unknown") + ")";
  }
  if (nodes.empty()) return;
  ThrowUnsupported(file, "cannot be written: attributes were not read of node " + nodes);
}

void SetNode(const Node& node, onnx::NodeProto& proto) {
  const auto [domain, op] = DomainAndOp(node.op);
  proto.set_name(node.name);
  proto.set_op_type(op);
  if (!domain.empty()) proto.set_domain(domain);
  for (const std::string& input : node.inputs) proto.add_input(input);
  for (const std::string& output : node.outputs) proto.add_output(output);
  for (const auto& [key, attribute] : node.attributes) {
    onnx::AttributeProto& to = *proto.add_attribute();
    to.set_name(key);
    std::visit(AttributeSetter{node, key, to}, attribute);
  }
}

void SetInput(const GraphInput& input, onnx::ValueInfoProto& proto) {
  proto.set_name(input.name);
  onnx::TypeProto_Tensor& type = *proto.mutable_type()->mutable_tensor_type();
  type.set_elem_type(OnnxCode(input.dtype));
  onnx::TensorShapeProto& shape = *type.mutable_shape();
  for (size_t i = 0; i < input.shape.size(); ++i) {
    onnx::TensorShapeProto_Dimension& dimension = *shape.add_dim();
    if (input.shape[i] >= 0) {
      dimension.set_dim_value(input.shape[i]);
    } else if (i < input.symbols.size() && !input.symbols[i].empty()) {
      dimension.set_dim_param(input.symbols[i]);
    } else if (i == 0) {
      dimension.set_dim_param("N");
    }
  }
}

void SetOutput(const std::string& name, const TensorType& known, onnx::ValueInfoProto& proto) {
  proto.set_name(name);
  // What another domain's operator makes is for its reader to know.
  if (!known.dtype) return;
  onnx::TypeProto_Tensor& type = *proto.mutable_type()->mutable_tensor_type();
  type.set_elem_type(OnnxCode(*known.dtype));
  if (!known.rank) return;
  // Extents are not known, their number is.
  onnx::TensorShapeProto& shape = *type.mutable_shape();
  for (int64_t d = 0; d < *known.rank; ++d) shape.add_dim();
}

[[noreturn]] void ThrowTooLarge(const std::string& file) {
  ThrowUnsupported(file,
                   "the model exceeds 2 GiB, the most that one ONNX message holds; use fewer bits, "
                   "or keep the folder with model.json");
}

void CheckSize(const std::string& file, const OnnxDocument& document) {
  size_t bytes = 0;
  for (const auto& [name, tensor] : document.graph.initializers) bytes += tensor.num_bytes();
  for (const auto& [name, packed] : document.packed) bytes += packed.bytes.size();
  if (bytes > static_cast<size_t>(std::numeric_limits<int32_t>::max())) ThrowTooLarge(file);
}

void SetGraph(const OnnxDocument& document, onnx::GraphProto& proto) {
  const Graph& graph = document.graph;
  proto.set_name("adaround");
  for (const GraphInput& input : graph.inputs) SetInput(input, *proto.add_input());
  std::map<std::string, TensorType> given;
  for (const auto& [name, packed] : document.packed) {
    given[name] = {DType::kInt8, static_cast<int64_t>(packed.shape.size()), std::nullopt};
  }
  const std::map<std::string, TensorType> types = InferTypes(graph, given);
  for (const std::string& output : graph.outputs) {
    SetOutput(output, types.at(output), *proto.add_output());
  }
  for (const Node& node : graph.nodes) SetNode(node, *proto.add_node());
  for (const auto& [name, tensor] : graph.initializers) {
    SetTensor(name, tensor, *proto.add_initializer());
  }
  for (const auto& [name, packed] : document.packed) {
    onnx::TensorProto& to = *proto.add_initializer();
    to.set_name(name);
    to.set_data_type(packed.data_type);
    for (const int64_t extent : packed.shape) to.add_dims(extent);
    to.set_raw_data(packed.bytes.data(), packed.bytes.size());
  }
}

}  // namespace

void AddPreprocessMetadata(const std::filesystem::path& path, OnnxDocument& document) {
  nlohmann::ordered_json inputs = nlohmann::ordered_json::object();
  for (const GraphInput& input : document.graph.inputs) {
    if (input.preprocess) inputs[input.name] = PreprocessToJson(*input.preprocess);
  }
  if (inputs.empty()) return;
  document.metadata["adaround.preprocess"] = DumpJson(inputs, -1, Printable(path.string(), 4096));
}

void WriteOnnxDocument(const std::filesystem::path& path, const OnnxDocument& document) {
  const std::string file = Printable(path.string(), 4096);
  CheckSize(file, document);
  CheckWhole(document.graph, file);
  onnx::ModelProto model;
  model.set_ir_version(IrVersion(document.graph.opset));
  model.set_producer_name("adaround");
  model.set_producer_version(Version());
  onnx::OperatorSetIdProto& opset = *model.add_opset_import();
  opset.set_domain("");
  opset.set_version(document.graph.opset);
  std::set<std::string> domains;
  for (const Node& node : document.graph.nodes) domains.insert(DomainAndOp(node.op).first);
  domains.erase("");
  for (const std::string& domain : domains) {
    onnx::OperatorSetIdProto& other = *model.add_opset_import();
    other.set_domain(domain);
    other.set_version(1);
  }
  try {
    SetGraph(document, *model.mutable_graph());
  } catch (const Error& error) {
    throw error.WithContext(file + ": cannot be written as ONNX");
  }
  for (const auto& [key, value] : document.metadata) {
    onnx::StringStringEntryProto& entry = *model.add_metadata_props();
    entry.set_key(key);
    entry.set_value(value);
  }
  if (model.ByteSizeLong() > static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    ThrowTooLarge(file);
  }
  std::string bytes;
  ADAROUND_CHECK(model.SerializeToString(&bytes));
  WriteFileAtomically(path, bytes);
}

}  // namespace adaround
