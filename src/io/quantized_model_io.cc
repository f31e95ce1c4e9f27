#include "adaround/io/quantized_model_io.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>
#include <vector>

#include "base/checked_math.h"
#include "adaround/base/did_you_mean.h"
#include "io/file_error.h"
#include "io/model_document.h"
#include "io/strict_json.h"
#include "quant/packing.h"

namespace adaround {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kPacking = "lsb_first";
constexpr int64_t kMaxExtent = int64_t{1} << 40;

constexpr std::array<std::pair<const char*, Granularity>, 3> kGranularities = {{
    {"per_tensor", Granularity::kPerTensor},
    {"per_channel", Granularity::kPerChannel},
    {"per_group", Granularity::kPerGroup},
}};

const char* FormatGranularity(Granularity granularity) {
  for (const auto& [name, candidate] : kGranularities) {
    if (candidate == granularity) return name;
  }
  ADAROUND_CHECK(false);
}

Granularity ParseGranularity(const JsonView& view) {
  std::vector<std::string> known;
  for (const auto& [name, granularity] : kGranularities) {
    if (view.AsString() == name) return granularity;
    known.emplace_back(name);
  }
  view.FailMalformed("unknown granularity " + Quoted(view.AsString()) +
                     DidYouMean(view.AsString(), known));
}

bool IsSigned(const QuantGrid& grid) {
  return grid.q_min < 0;
}

// Packed integers are read back as signed or as unsigned: the range must be within one of the two.
bool RangeFitsPacking(const QuantGrid& grid) {
  return !IsSigned(grid) || grid.q_max < (1 << (grid.bit_width - 1));
}

Tensor ZeroPointTensor(const QuantGrid& grid) {
  const Shape shape{static_cast<int64_t>(grid.zero_point.size())};
  Tensor wide = Tensor::FromVector<int32_t>(shape, grid.zero_point);
  return ConvertTo(wide, IsSigned(grid) ? DType::kInt8 : DType::kUInt8);
}

// Adds a tensor's entries to `entries` and returns its description.
Json QuantizedToJson(const std::string& name, const QuantizedTensor& tensor,
                     std::map<std::string, Tensor>* entries) {
  const QuantGrid& grid = tensor.grid;
  const auto add = [&](const char* suffix, Tensor values) {
    const std::string entry = FreeName(*entries, name + suffix);
    entries->emplace(entry, std::move(values));
    return entry;
  };
  Json json{{"bit_width", grid.bit_width}, {"q_min", grid.q_min}, {"q_max", grid.q_max}};
  json["granularity"] = FormatGranularity(grid.granularity);
  json["group_size"] = grid.group_size;
  json["shape"] = tensor.shape;
  json["axis"] = tensor.layout.axis;
  json["groups"] = tensor.layout.groups;
  json["packing"] = kPacking;
  const std::vector<uint8_t> packed = PackIntegers(tensor.integers, grid.bit_width);
  json["integers"] =
      add(".integers", Tensor::FromVector<uint8_t>({static_cast<int64_t>(packed.size())}, packed));
  json["scale"] = add(
      ".scale", Tensor::FromVector<float>({static_cast<int64_t>(grid.scale.size())}, grid.scale));
  const bool all_zero = std::all_of(grid.zero_point.begin(), grid.zero_point.end(),
                                    [](int32_t zero_point) { return zero_point == 0; });
  json["zero_point"] = nullptr;
  if (!IsSigned(grid) || !all_zero) {
    json["zero_point"] = add(".zero_point", ZeroPointTensor(grid));
  }
  return json;
}

// Reads one tensor's description and the entries it names.
class QuantizedReader {
 public:
  QuantizedReader(const JsonView& view, const SafetensorsFile& weights,
                  std::set<std::string>* used_entries)
      : view_(view), weights_(weights), used_entries_(used_entries) {}

  QuantizedTensor Read() {
    view_.CheckKeys({"bit_width", "q_min", "q_max", "granularity", "group_size", "shape", "axis",
                     "groups", "packing", "integers", "scale", "zero_point"},
                    {});
    QuantizedTensor tensor;
    ReadShapeAndLayout(&tensor);
    ReadGrid(&tensor.grid);
    if (view_.At("packing").AsString() != kPacking) {
      view_.At("packing").FailUnsupported("is " + Quoted(view_.At("packing").AsString()) +
                                          ", this program reads '" + kPacking + "'");
    }
    // The number of integers is compared with the entry's bytes before anything is allocated.
    const int64_t count = NumElements(tensor.shape);
    const int bit_width = tensor.grid.bit_width;
    const Tensor packed = ReadEntry("integers", DType::kUInt8, PackedSize(count, bit_width));
    const std::vector<uint8_t> bytes(packed.raw(), packed.raw() + packed.num_bytes());
    CheckUnusedBits(bytes, count * bit_width);
    tensor.integers = UnpackIntegers(bytes, count, bit_width, IsSigned(tensor.grid));
    ReadScalesAndZeroPoints(&tensor);
    std::vector<std::string> violations = tensor.Validate();
    for (std::string& violation : violations) violation = view_.place() + ": " + violation;
    if (!violations.empty()) violations.front().insert(0, weights_.name() + ": ");
    ThrowIfAny(ErrorCode::kMalformed, violations);
    return tensor;
  }

 private:
  void ReadShapeAndLayout(QuantizedTensor* tensor) {
    const JsonView shape = view_.At("shape");
    const size_t rank = shape.ArraySize();
    if (rank == 0 || rank > kMaxRank) {
      shape.FailMalformed("has " + std::to_string(rank) + " dimensions, must have 1 to " +
                          std::to_string(kMaxRank));
    }
    for (size_t i = 0; i < rank; ++i) tensor->shape.push_back(shape.At(i).AsInt(1, kMaxExtent));
    const std::optional<int64_t> count = CheckedNumElements(tensor->shape);
    if (!count || !CheckedMultiply(*count, 8 * kMaxBitWidth)) {
      shape.FailMalformed("its size overflows");
    }
    tensor->layout.axis = view_.At("axis").AsInt(0, static_cast<int64_t>(rank) - 1);
    tensor->layout.groups = view_.At("groups").AsInt(1, tensor->shape[0]);
    if (tensor->layout.groups > 1 &&
        (tensor->layout.axis != 1 || tensor->shape[0] % tensor->layout.groups != 0)) {
      view_.At("groups").FailMalformed("must divide the first extent, with axis 1, or be 1");
    }
  }

  void ReadGrid(QuantGrid* grid) {
    grid->bit_width = static_cast<int>(view_.At("bit_width").AsInt(kMinBitWidth, kMaxBitWidth));
    grid->q_min = static_cast<int32_t>(view_.At("q_min").AsInt(-256, 255));
    grid->q_max = static_cast<int32_t>(view_.At("q_max").AsInt(-256, 255));
    grid->granularity = ParseGranularity(view_.At("granularity"));
    grid->group_size = view_.At("group_size").AsInt(0, kMaxExtent);
    const bool per_group = grid->granularity == Granularity::kPerGroup;
    if (per_group != (grid->group_size > 0)) {
      view_.At("group_size")
          .FailMalformed(per_group ? "is 0, must be at least 1 with per_group"
                                   : "must be 0 without per_group");
    }
    if (!RangeFitsPacking(*grid)) {
      view_.FailMalformed("the integer range " + std::to_string(grid->q_min) + " to " +
                          std::to_string(grid->q_max) + " is neither signed nor unsigned at " +
                          std::to_string(grid->bit_width) + " bits");
    }
  }

  void ReadScalesAndZeroPoints(QuantizedTensor* tensor) {
    QuantGrid& grid = tensor->grid;
    const int64_t rows = tensor->layout.NumRows(tensor->shape);
    const int64_t num_scales = grid.NumScales(rows, tensor->layout.RowLength(tensor->shape));
    const Tensor scale = ReadEntry("scale", DType::kFloat32, num_scales);
    grid.scale.assign(scale.data<float>(), scale.data<float>() + num_scales);
    if (view_.At("zero_point").value().is_null()) {
      if (!IsSigned(grid)) {
        view_.At("zero_point").FailMalformed("is null, which only a signed grid may have");
      }
      grid.zero_point.assign(static_cast<size_t>(num_scales), 0);
      return;
    }
    const DType dtype = IsSigned(grid) ? DType::kInt8 : DType::kUInt8;
    const Tensor zero_point = ConvertTo(ReadEntry("zero_point", dtype, num_scales), DType::kInt32);
    grid.zero_point.assign(zero_point.data<int32_t>(), zero_point.data<int32_t>() + num_scales);
  }

  // The entry that `key` names, which no other tensor may share.
  Tensor ReadEntry(const char* key, DType dtype, int64_t count) {
    const JsonView view = view_.At(key);
    const std::string& name = view.AsString();
    const auto found = weights_.entries().find(name);
    if (found == weights_.entries().end()) {
      view.FailMalformed("the weights file has no tensor " + Quoted(name));
    }
    const SafetensorsFile::Entry& entry = found->second;
    if (entry.dtype != dtype || entry.shape != Shape{count}) {
      view.FailMalformed("tensor " + Quoted(name) + " of the weights file is " +
                         std::string(DTypeName(entry.dtype)) + " " + ShapeToString(entry.shape) +
                         ", wanted " + std::string(DTypeName(dtype)) + " " +
                         ShapeToString({count}));
    }
    if (!used_entries_->insert(name).second) {
      view.FailMalformed("tensor " + Quoted(name) + " of the weights file is used twice");
    }
    return weights_.Read(name);
  }

  void CheckUnusedBits(const std::vector<uint8_t>& bytes, int64_t num_bits) const {
    const int64_t used = num_bits % 8;
    if (used != 0 && (bytes.back() >> used) != 0) {
      view_.At("integers").FailMalformed("the unused bits of the last byte are not 0");
    }
  }

  const JsonView view_;
  const SafetensorsFile& weights_;
  std::set<std::string>* used_entries_;
};

// A scale is written with the digits that bring the same float back.
Json ActivationToJson(const ActivationGrid& grid) {
  return {{"bit_width", grid.bit_width},
          {"scale", static_cast<double>(grid.scale)},
          {"zero_point", grid.zero_point}};
}

ActivationGrid ReadActivation(const JsonView& view) {
  view.CheckKeys({"bit_width", "scale", "zero_point"}, {});
  ActivationGrid grid;
  grid.bit_width = static_cast<int>(view.At("bit_width").AsInt(kMinBitWidth, kMaxBitWidth));
  grid.scale = static_cast<float>(view.At("scale").AsNumber());
  grid.zero_point = static_cast<int32_t>(view.At("zero_point").AsInt(0, grid.q_max()));
  const std::vector<std::string> violations = grid.Validate();
  if (!violations.empty()) view.FailMalformed(violations.front());
  return grid;
}

// The entry of the weights file that `view` names, with its type and rank checked.
Tensor ReadListEntry(const JsonView& view, DType dtype, const SafetensorsFile& weights,
                     std::set<std::string>* used_entries) {
  const std::string name = view.AsString();
  const auto found = weights.entries().find(name);
  if (found == weights.entries().end()) {
    view.FailMalformed("there is no tensor " + Quoted(name) + " in the weights file");
  }
  if (found->second.dtype != dtype || found->second.shape.size() != 1 ||
      found->second.shape[0] == 0) {
    view.FailMalformed("tensor " + Quoted(name) + " is " +
                       std::string(DTypeName(found->second.dtype)) + " " +
                       ShapeToString(found->second.shape) + ", wanted a list of " +
                       std::string(DTypeName(dtype)));
  }
  if (!used_entries->insert(name).second) {
    view.FailMalformed("tensor " + Quoted(name) + " of the weights file is used twice");
  }
  return weights.Read(name);
}

QuantizedBias ReadBias(const JsonView& view, const SafetensorsFile& weights,
                       std::set<std::string>* used_entries) {
  view.CheckKeys({"integers", "scale"}, {});
  const Tensor integers =
      ReadListEntry(view.At("integers"), DType::kInt32, weights, used_entries);
  const Tensor scale = ReadListEntry(view.At("scale"), DType::kFloat32, weights, used_entries);
  QuantizedBias bias;
  bias.integers.assign(integers.data<int32_t>(),
                       integers.data<int32_t>() + integers.num_elements());
  bias.scale.assign(scale.data<float>(), scale.data<float>() + scale.num_elements());
  const std::vector<std::string> violations = bias.Validate();
  if (!violations.empty()) view.FailMalformed(violations.front());
  return bias;
}

// A grid on a tensor that the graph does not have would be passed over in silence.
void CheckActivationNames(const JsonView& root, const QuantizedModel& model) {
  std::set<std::string> names;
  for (const GraphInput& input : model.graph.inputs) names.insert(input.name);
  for (const auto& [name, producer] : model.graph.Producers()) names.insert(name);
  for (const auto& [name, grid] : model.activations) {
    if (!names.contains(name)) {
      root.At("activations").FailMalformed("the graph has no tensor " + Quoted(name));
    }
  }
}

QuantizedModel ReadQuantized(const ModelDocument& document) {
  const JsonView root(document.json, document.file);
  if (!document.IsQuantized()) {
    root.FailUnsupported(
        "is a float model, a quantized one is needed; give the folder that "
        "'quantize' wrote");
  }
  const SafetensorsFile weights = OpenWeights(document);
  QuantizedModel model;
  std::set<std::string> entries;
  std::set<std::string> names;
  const JsonView quantization = root.At("quantization");
  quantization.CheckObject();
  for (const auto& [name, unused] : quantization.value().items()) {
    if (name.empty()) quantization.FailMalformed("a tensor has an empty name");
    model.weights.emplace(name, QuantizedReader(quantization.At(name), weights, &entries).Read());
    names.insert(name);
  }
  if (root.Has("biases")) {
    const JsonView biases = root.At("biases");
    biases.CheckObject();
    for (const auto& [name, unused] : biases.value().items()) {
      if (!names.insert(name).second) biases.FailMalformed(Quoted(name) + " is a weight too");
      model.biases.emplace(name, ReadBias(biases.At(name), weights, &entries));
    }
  }
  if (root.Has("activations")) {
    const JsonView activations = root.At("activations");
    activations.CheckObject();
    for (const auto& [name, unused] : activations.value().items()) {
      model.activations.emplace(name, ReadActivation(activations.At(name)));
    }
  }
  if (root.Has("provenance")) {
    const JsonView provenance = root.At("provenance");
    provenance.CheckObject();
    for (const auto& [key, unused] : provenance.value().items()) {
      model.provenance.emplace(key, provenance.At(key).AsString());
    }
  }
  model.graph = ReadGraph(document, weights, entries);
  ValidateAndSort(document, names, &model.graph);
  CheckActivationNames(root, model);
  return model;
}

}  // namespace

void WriteQuantizedModel(const std::filesystem::path& directory, const QuantizedModel& model) {
  const std::string file = Printable((directory / "model.json").string(), 4096);
  std::map<std::string, Tensor> entries = model.graph.initializers;
  // The names of quantized tensors are taken too: an entry called so would be read as the weight.
  for (const auto& [name, tensor] : model.weights) {
    std::vector<std::string> violations = tensor.Validate();
    if (violations.empty() && !RangeFitsPacking(tensor.grid)) {
      violations.push_back("the integer range is neither signed nor unsigned at its bit width");
    }
    if (!entries.emplace(name, Tensor()).second) {
      violations.push_back("is also an unquantized tensor of the graph");
    }
    for (std::string& violation : violations) {
      violation = file + ": tensor " + Quoted(name) + ": " + violation;
    }
    ThrowIfAny(ErrorCode::kInvalidArgument, violations);
  }
  for (const auto& [name, bias] : model.biases) {
    std::vector<std::string> violations = bias.Validate();
    if (!entries.emplace(name, Tensor()).second) {
      violations.push_back("is also another tensor of the model");
    }
    for (std::string& violation : violations) {
      violation = file + ": bias " + Quoted(name) + ": " + violation;
    }
    ThrowIfAny(ErrorCode::kInvalidArgument, violations);
  }
  for (const auto& [name, grid] : model.activations) {
    std::vector<std::string> violations = grid.Validate();
    for (std::string& violation : violations) {
      violation = file + ": activation " + Quoted(name) + ": " + violation;
    }
    ThrowIfAny(ErrorCode::kInvalidArgument, violations);
  }
  Json document = GraphToJson(model.graph, file, &entries);
  Json quantization = Json::object();
  for (const auto& [name, tensor] : model.weights) {
    quantization[name] = QuantizedToJson(name, tensor, &entries);
  }
  Json biases = Json::object();
  for (const auto& [name, bias] : model.biases) {
    const std::string integers = FreeName(entries, name + ".integers");
    entries.emplace(integers, Tensor::FromVector<int32_t>(
                                  {static_cast<int64_t>(bias.integers.size())}, bias.integers));
    const std::string scale = FreeName(entries, name + ".scale");
    entries.emplace(scale, Tensor::FromVector<float>({static_cast<int64_t>(bias.scale.size())},
                                                     bias.scale));
    biases[name] = {{"integers", integers}, {"scale", scale}};
  }
  for (const auto& [name, tensor] : model.weights) entries.erase(name);
  for (const auto& [name, bias] : model.biases) entries.erase(name);
  document["quantization"] = std::move(quantization);
  if (!model.biases.empty()) document["biases"] = std::move(biases);
  if (!model.activations.empty()) {
    Json activations = Json::object();
    for (const auto& [name, grid] : model.activations) activations[name] = ActivationToJson(grid);
    document["activations"] = std::move(activations);
  }
  document["provenance"] = Json::object();
  for (const auto& [key, value] : model.provenance) document["provenance"][key] = value;
  std::map<std::string, std::string> metadata = model.provenance;
  metadata.emplace("format", "adaround-model");
  WriteModelFiles(directory, document, entries, metadata);
}

QuantizedModel ReadQuantizedModel(const std::filesystem::path& path) {
  return ReadQuantized(OpenModelDocument(path));
}

}  // namespace adaround
