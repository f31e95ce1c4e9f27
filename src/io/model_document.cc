#include "io/model_document.h"

#include <cmath>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "adaround/io/model_json.h"
#include "base/checked_math.h"
#include "io/array_checks.h"
#include "adaround/base/did_you_mean.h"
#include "adaround/graph/image_layout.h"
#include "io/file_error.h"
#include "io/input_file.h"
#include "io/strict_json.h"

namespace adaround {
namespace {

constexpr const char* kFormat = "adaround-model";
constexpr int64_t kVersion = 1;
constexpr int64_t kMaxTextBytes = int64_t{1} << 27;
constexpr int64_t kMaxExtent = int64_t{1} << 40;
constexpr int64_t kMaxPixels = 65'535;
constexpr size_t kMaxViolationsShown = 10;

DType ParseDType(const JsonView& view) {
  std::vector<std::string> known;
  for (const DType dtype :
       {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16, DType::kInt8,
        DType::kUInt8, DType::kInt16, DType::kUInt16, DType::kInt32, DType::kUInt32, DType::kInt64,
        DType::kUInt64, DType::kBool}) {
    if (view.AsString() == DTypeName(dtype)) return dtype;
    known.emplace_back(DTypeName(dtype));
  }
  view.FailMalformed("unknown dtype " + Quoted(view.AsString()) +
                     DidYouMean(view.AsString(), known));
}

std::string ParseChoice(const JsonView& view, const std::vector<std::string>& known) {
  for (const std::string& choice : known) {
    if (view.AsString() == choice) return choice;
  }
  view.FailMalformed("unknown value " + Quoted(view.AsString()) +
                     DidYouMean(view.AsString(), known));
}

// One finite number per channel, or one for all; a plain number counts as one for all.
std::vector<double> ParsePerChannel(const JsonView& view, std::optional<int64_t> channels) {
  if (view.value().is_number()) return {view.AsNumber()};
  const size_t count = view.ArraySize();
  if (count != 1 && (!channels || static_cast<int64_t>(count) != *channels)) {
    if (channels || count == 0) {
      view.FailMalformed("has " + std::to_string(count) + " values, wanted 1 or one per channel" +
                         (channels ? " (" + std::to_string(*channels) + ")" : ""));
    }
  }
  std::vector<double> values;
  for (size_t i = 0; i < count; ++i) values.push_back(view.At(i).AsNumber());
  return values;
}

GraphInput ParseInput(const JsonView& view) {
  view.CheckKeys({"name", "shape", "dtype"}, {"preprocess"});
  GraphInput input;
  input.name = view.At("name").AsString();
  input.dtype = ParseDType(view.At("dtype"));
  const JsonView shape = view.At("shape");
  const size_t rank = shape.ArraySize();
  if (rank > kMaxRank) {
    shape.FailMalformed("has " + std::to_string(rank) + " dimensions, at most " +
                        std::to_string(kMaxRank) + " are allowed");
  }
  Shape known_extents;
  for (size_t i = 0; i < rank; ++i) {
    const JsonView extent = shape.At(i);
    if (extent.value().is_string()) {
      if (extent.AsString().empty()) extent.FailMalformed("is empty; name it, as \"N\"");
      input.shape.push_back(-1);
      input.symbols.push_back(extent.AsString());
      continue;
    }
    if (extent.value().is_number_integer() && extent.value().get<int64_t>() < 0) {
      extent.FailMalformed("is negative; name an extent that varies, as \"N\"");
    }
    input.shape.push_back(extent.AsInt(1, kMaxExtent));
    input.symbols.emplace_back();
    known_extents.push_back(input.shape.back());
  }
  if (!CheckedNumElements(known_extents)) shape.FailMalformed("its size overflows");
  if (view.Has("preprocess")) {
    std::optional<int64_t> channels;
    const auto axis = static_cast<size_t>(ChannelAxis(input.shape));
    if (rank > axis && input.shape[axis] >= 0) channels = input.shape[axis];
    input.preprocess = ParsePreprocess(view.At("preprocess"), channels);
  }
  return input;
}

std::vector<std::string> ParseStrings(const JsonView& view) {
  std::vector<std::string> strings;
  const size_t count = view.ArraySize();
  for (size_t i = 0; i < count; ++i) strings.push_back(view.At(i).AsString());
  return strings;
}

Attribute ParseListAttribute(const JsonView& view) {
  const size_t count = view.ArraySize();
  size_t num_strings = 0;
  size_t num_integers = 0;
  for (const nlohmann::json& element : view.value()) {
    num_strings += element.is_string();
    num_integers += element.is_number_integer();
  }
  if (num_integers == count) {
    std::vector<int64_t> values;
    for (const nlohmann::json& element : view.value()) values.push_back(element.get<int64_t>());
    return values;
  }
  if (num_strings == count) return ParseStrings(view);
  if (num_strings > 0) view.FailMalformed("mixes strings and other values; a list has one type");
  // Some writers drop the fraction of 1.0: whole numbers among fractions are floats.
  std::vector<double> values;
  for (size_t i = 0; i < count; ++i) values.push_back(view.At(i).AsNumber());
  return values;
}

// `entries` collects the weights entries that attributes refer to. Those that refer to the same one
// share its elements: a small text could ask for any amount of memory otherwise.
Attribute ParseAttribute(const JsonView& view, const SafetensorsFile& weights,
                         std::map<std::string, Tensor>* entries) {
  const nlohmann::json& value = view.value();
  if (value.is_number_integer()) return value.get<int64_t>();
  if (value.is_number()) return value.get<double>();
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array()) return ParseListAttribute(view);
  if (value.is_object()) {
    view.CheckKeys({"tensor"}, {});
    const std::string& name = view.At("tensor").AsString();
    if (!weights.entries().contains(name)) {
      view.At("tensor").FailMalformed("the weights file has no tensor " + Quoted(name));
    }
    const auto [entry, is_new] = entries->try_emplace(name);
    if (is_new) {
      entry->second =
          ToFiniteFloat32(weights.Read(name), weights.name() + ": tensor " + Quoted(name));
    }
    return entry->second;
  }
  view.FailMalformed(
      "must be a number, a string, a list of these, or {\"tensor\": NAME}; ONNX writes true and "
      "false as 1 and 0");
}

Node ParseNode(const JsonView& view, const SafetensorsFile& weights,
               std::map<std::string, Tensor>* attribute_entries) {
  view.CheckKeys({"name", "op", "inputs", "outputs"}, {"attributes"});
  Node node;
  node.name = view.At("name").AsString();
  node.op = view.At("op").AsString();
  if (node.name.empty()) view.At("name").FailMalformed("is empty; every node needs a name");
  if (node.op.empty()) view.At("op").FailMalformed("is empty; every node needs an operator");
  node.inputs = ParseStrings(view.At("inputs"));
  node.outputs = ParseStrings(view.At("outputs"));
  if (view.Has("attributes")) {
    const JsonView attributes = view.At("attributes");
    attributes.CheckObject();
    for (const auto& [key, unused] : attributes.value().items()) {
      node.attributes.emplace(key, ParseAttribute(attributes.At(key), weights, attribute_entries));
    }
  }
  return node;
}

// The tensors that nodes read and the graph puts out.
std::set<std::string> UsedTensors(const Graph& graph) {
  std::set<std::string> used(graph.outputs.begin(), graph.outputs.end());
  for (const Node& node : graph.nodes) used.insert(node.inputs.begin(), node.inputs.end());
  return used;
}

struct AttributeWriter {
  const Node& node;
  const std::string& key;
  const std::string& file;
  std::map<std::string, Tensor>* tensors;

  using Json = nlohmann::ordered_json;

  void CheckFiniteNumber(double value) const {
    if (std::isfinite(value)) return;
    throw Error(ErrorCode::kInvalidArgument, file + ": attribute " + Quoted(key) + " of node " +
                                                 Quoted(node.name) +
                                                 " is NaN or infinite, which JSON cannot hold");
  }
  Json operator()(double value) const {
    CheckFiniteNumber(value);
    return value;
  }
  Json operator()(const std::vector<double>& values) const {
    for (const double value : values) CheckFiniteNumber(value);
    return values;
  }
  Json operator()(const Tensor& tensor) const {
    const std::string entry = FreeName(*tensors, node.name + "." + key);
    tensors->emplace(entry, tensor);
    return Json{{"tensor", entry}};
  }
  template <typename Value>
  Json operator()(const Value& value) const {
    return value;
  }
};

nlohmann::ordered_json InputToJson(const GraphInput& input) {
  using Json = nlohmann::ordered_json;
  Json shape = Json::array();
  for (size_t i = 0; i < input.shape.size(); ++i) {
    if (input.shape[i] >= 0) {
      shape.push_back(input.shape[i]);
    } else {
      const bool named = i < input.symbols.size() && !input.symbols[i].empty();
      shape.push_back(named ? input.symbols[i] : "N");
    }
  }
  Json json{{"name", input.name}, {"shape", shape}, {"dtype", DTypeName(input.dtype)}};
  if (input.preprocess) json["preprocess"] = PreprocessToJson(*input.preprocess);
  return json;
}

}  // namespace

nlohmann::ordered_json PreprocessToJson(const Preprocess& preprocess) {
  nlohmann::ordered_json json{{"scale", preprocess.scale}};
  json["mean"] = preprocess.mean;
  json["std"] = preprocess.std;
  if (preprocess.resize) json["resize"] = *preprocess.resize;
  if (preprocess.crop) json["crop"] = *preprocess.crop;
  if (preprocess.interpolation) json["interpolation"] = *preprocess.interpolation;
  if (preprocess.channel_order) json["channel_order"] = *preprocess.channel_order;
  return json;
}

Preprocess ParsePreprocess(const JsonView& view, std::optional<int64_t> channels) {
  view.CheckKeys({}, {"scale", "mean", "std", "resize", "crop", "interpolation", "channel_order"});
  Preprocess preprocess;
  if (view.Has("scale")) {
    preprocess.scale = view.At("scale").AsNumber();
    if (preprocess.scale == 0)
      view.At("scale").FailMalformed("is 0: every pixel would be the same");
  }
  if (view.Has("mean")) preprocess.mean = ParsePerChannel(view.At("mean"), channels);
  if (view.Has("std")) preprocess.std = ParsePerChannel(view.At("std"), channels);
  for (const double value : preprocess.std) {
    if (value == 0) view.At("std").FailMalformed("holds 0, which values are divided by");
  }
  if (preprocess.mean.size() != preprocess.std.size() && preprocess.mean.size() != 1 &&
      preprocess.std.size() != 1) {
    view.FailMalformed("mean has " + std::to_string(preprocess.mean.size()) + " values and std " +
                       std::to_string(preprocess.std.size()) + "; give as many, or one");
  }
  if (view.Has("resize")) preprocess.resize = view.At("resize").AsInt(1, kMaxPixels);
  if (view.Has("crop")) preprocess.crop = view.At("crop").AsInt(1, kMaxPixels);
  if (view.Has("interpolation")) {
    preprocess.interpolation =
        ParseChoice(view.At("interpolation"), {"nearest", "bilinear", "bicubic"});
  }
  if (view.Has("channel_order")) {
    preprocess.channel_order = ParseChoice(view.At("channel_order"), {"RGB", "BGR", "rgb", "bgr"});
  }
  return preprocess;
}

ModelDocument OpenModelDocument(const std::filesystem::path& path) {
  std::error_code error;
  const bool is_folder = std::filesystem::is_directory(path, error);
  const std::filesystem::path file_path = is_folder ? path / "model.json" : path;
  const InputFile file(file_path);
  ModelDocument document;
  document.file = file.name();
  document.directory = file_path.parent_path();

  const std::vector<uint8_t> head = file.ReadHead(16);
  const std::string magic = DescribeMagic(head);
  if (!magic.empty() && head[0] != '{') {
    ThrowMalformedAt(document.file, 0, "is no model.json: it looks like " + magic);
  }
  const std::string text = file.ReadText(kMaxTextBytes);
  document.json = ParseStrictJson(text, document.file);
  const JsonView root(document.json, document.file);
  root.CheckObject();
  // Format and version first: another format's keys would only confuse.
  for (const char* key : {"format", "version"}) {
    if (!root.Has(key)) {
      root.FailMalformed(std::string("the key '") + key + "' is missing: is this a model.json?");
    }
  }
  if (root.At("format").AsString() != kFormat) {
    root.At("format").FailMalformed("is " + Quoted(root.At("format").AsString()) + ", must be '" +
                                    kFormat + "'");
  }
  const int64_t version = root.At("version").AsInt(1, int64_t{1} << 31);
  if (version > kVersion) {
    root.At("version").FailUnsupported("is " + std::to_string(version) +
                                       ", this program reads version " + std::to_string(kVersion) +
                                       "; use a newer adaround");
  }
  root.CheckKeys({"format", "version", "opset", "inputs", "outputs", "nodes", "weights"},
                 {"quantization", "activations", "biases", "provenance"});
  for (const char* key : {"activations", "biases"}) {
    if (!document.IsQuantized() && root.Has(key)) {
      root.At(key).FailMalformed("has no meaning in a float model, which has no \"quantization\"");
    }
  }
  return document;
}

InputFile OpenWeightsFile(const ModelDocument& document) {
  const JsonView weights = JsonView(document.json, document.file).At("weights");
  return InputFile::OpenBeneath(document.directory, weights.AsString(),
                                document.file + ": weights");
}

SafetensorsFile OpenWeights(const ModelDocument& document) {
  return SafetensorsFile(std::make_shared<const InputFile>(OpenWeightsFile(document)));
}

Graph ReadGraph(const ModelDocument& document, const SafetensorsFile& weights,
                const std::set<std::string>& reserved) {
  const JsonView root(document.json, document.file);
  Graph graph;
  graph.source = document.file;
  graph.opset = root.At("opset").AsInt(1, int64_t{1} << 31);
  if (graph.opset < kMinOpset || graph.opset > kMaxOpset) {
    root.At("opset").FailUnsupported("is " + std::to_string(graph.opset) + ", supported are " +
                                     std::to_string(kMinOpset) + " to " +
                                     std::to_string(kMaxOpset) + "; convert the model");
  }
  const JsonView inputs = root.At("inputs");
  for (size_t i = 0; i < inputs.ArraySize(); ++i) graph.inputs.push_back(ParseInput(inputs.At(i)));
  graph.outputs = ParseStrings(root.At("outputs"));
  if (graph.outputs.empty()) root.At("outputs").FailMalformed("is empty; name at least one tensor");

  std::map<std::string, Tensor> attribute_entries;
  std::set<std::string> node_names;
  const JsonView nodes = root.At("nodes");
  for (size_t i = 0; i < nodes.ArraySize(); ++i) {
    Node node = ParseNode(nodes.At(i), weights, &attribute_entries);
    if (!node_names.insert(node.name).second) {
      nodes.At(i).At("name").FailMalformed("a second node is called " + Quoted(node.name) +
                                           "; give each a name of its own");
    }
    graph.nodes.push_back(std::move(node));
  }

  const std::set<std::string> used = UsedTensors(graph);
  for (const auto& [name, entry] : weights.entries()) {
    if (name.empty()) ThrowMalformed(weights.name(), "a tensor has an empty name");
    if (reserved.contains(name)) continue;
    if (attribute_entries.contains(name) && !used.contains(name)) continue;
    graph.initializers.emplace(
        name, ToFiniteFloat32(weights.Read(name), weights.name() + ": tensor " + Quoted(name)));
  }
  return graph;
}

void ValidateAndSort(const std::string& file, Graph* graph) {
  std::vector<std::string> violations = graph->Validate();
  if (violations.size() > kMaxViolationsShown) {
    const std::string rest =
        "and " + std::to_string(violations.size() - kMaxViolationsShown) + " more";
    violations.resize(kMaxViolationsShown);
    violations.push_back(rest);
  }
  if (!violations.empty()) violations.front().insert(0, file + ": ");
  ThrowIfAny(ErrorCode::kMalformed, violations);
  graph->SortTopologically();
}

void ValidateAndSort(const ModelDocument& document, const std::set<std::string>& given,
                     Graph* graph) {
  for (const std::string& name : given) {
    if (!graph->initializers.emplace(name, Tensor()).second) {
      ThrowMalformed(document.file, "the quantized tensor " + Quoted(name) +
                                        " has an unquantized entry of the same name in the weights "
                                        "file; keep one of them");
    }
  }
  ValidateAndSort(document.file, graph);
  for (const std::string& name : given) graph->initializers.erase(name);
}

Graph ReadFloatDocument(const ModelDocument& document) {
  if (document.IsQuantized()) {
    ThrowUnsupported(document.file,
                     "is already quantized; give the float model that it was made from");
  }
  Graph graph = ReadGraph(document, OpenWeights(document), {});
  ValidateAndSort(document, {}, &graph);
  return graph;
}

nlohmann::ordered_json GraphToJson(const Graph& graph, const std::string& file,
                                   std::map<std::string, Tensor>* tensors) {
  using Json = nlohmann::ordered_json;
  Json document{{"format", kFormat}, {"version", kVersion}, {"opset", graph.opset}};
  document["inputs"] = Json::array();
  for (const GraphInput& input : graph.inputs) document["inputs"].push_back(InputToJson(input));
  document["outputs"] = graph.outputs;
  Json nodes = Json::array();
  for (const Node& node : graph.nodes) {
    Json attributes = Json::object();
    for (const auto& [key, attribute] : node.attributes) {
      attributes[key] = std::visit(AttributeWriter{node, key, file, tensors}, attribute);
    }
    Json json{{"name", node.name}, {"op", node.op}};
    json["inputs"] = node.inputs;
    json["outputs"] = node.outputs;
    json["attributes"] = std::move(attributes);
    nodes.push_back(std::move(json));
  }
  document["nodes"] = std::move(nodes);
  return document;
}

}  // namespace adaround
