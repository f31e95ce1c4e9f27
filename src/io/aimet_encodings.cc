#include "adaround/io/aimet_encodings.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "adaround/base/did_you_mean.h"
#include "adaround/base/error.h"
#include "adaround/io/atomic_output.h"
#include "io/file_error.h"
#include "io/onnx_qdq.h"
#include "io/strict_json.h"

namespace adaround {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kLegacy = "0.6.1";
constexpr const char* kLists = "1.0.0";
constexpr const char* kOnnxLike = "2.0.0";
constexpr int kMinLegacyBits = 4;
constexpr int kBiasBits = 32;

[[noreturn]] void Refuse(const std::string& tensor, const std::string& version,
                         const std::string& reason, const std::string& remedy) {
  throw Error(ErrorCode::kUnsupported, "tensor " + Quoted(tensor) + ": " + reason +
                                           ", which AIMET encodings " + version +
                                           " cannot express; " + remedy);
}

// A grid, whatever it belongs to.
struct Encoding {
  std::string name;
  int bit_width = 8;
  bool is_signed = false;
  bool is_symmetric = false;
  std::vector<float> scale;
  std::vector<int32_t> zero_point;
  std::optional<int64_t> axis;  // of the channels, or of the blocks where there are some
  // With blocks: input channels per block, and the extents of `scale` by the tensor's dimensions.
  std::optional<int64_t> block_size;
  Shape block_shape;
  // Elements of a channel's kernel, over which blocks extend.
  Shape kernel;

  int64_t Offset(size_t i) const {
    const int64_t lowest = is_signed ? -(int64_t{1} << (bit_width - 1)) : 0;
    return lowest - zero_point[i];
  }
};

void DescribeBlocks(const QuantizedTensor& tensor, const std::string& version, Encoding& encoding) {
  const ChannelLayout& layout = tensor.layout;
  const int64_t group_size = tensor.grid.group_size;
  const int64_t row_length = layout.RowLength(tensor.shape);
  const std::string use_channels = "use one scale per channel";
  if (version == kLegacy) {
    Refuse(encoding.name, version, "it has several scales per channel", use_channels);
  }
  if (layout.groups != 1 || layout.axis > 1) {
    Refuse(encoding.name, version, "its output channels do not lie on one of its first two axes",
           use_channels);
  }
  if (layout.axis != 0 && version != kOnnxLike) {
    Refuse(encoding.name, version, "its groups do not lie along axis 1", "use version 2.0.0");
  }
  encoding.kernel.assign(tensor.shape.begin() + 2, tensor.shape.end());
  const int64_t area = NumElements(encoding.kernel);
  if (group_size % area != 0 || row_length % group_size != 0) {
    Refuse(encoding.name, version,
           "its groups of " + std::to_string(group_size) + " in rows of " +
               std::to_string(row_length) + " are no equal blocks of whole input channels",
           "use a group size that divides the row and is a multiple of " + std::to_string(area) +
               ", or one scale per channel");
  }
  encoding.axis = 1 - layout.axis;
  encoding.block_size = group_size / area;
  const int64_t rows = layout.NumRows(tensor.shape);
  const int64_t blocks = row_length / group_size;
  encoding.block_shape = {rows, blocks};
  if (layout.axis == 0) return;
  encoding.block_shape = {blocks, rows};
  const Encoding by_rows = encoding;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t block = 0; block < blocks; ++block) {
      const auto from = static_cast<size_t>(row * blocks + block);
      const auto to = static_cast<size_t>(block * rows + row);
      encoding.scale[to] = by_rows.scale[from];
      encoding.zero_point[to] = by_rows.zero_point[from];
    }
  }
}

Encoding OfWeight(const std::string& name, const QuantizedTensor& tensor,
                  const std::string& version) {
  const QuantGrid& grid = tensor.grid;
  Encoding encoding;
  encoding.name = name;
  encoding.bit_width = grid.bit_width;
  encoding.is_signed = grid.q_min < 0;
  encoding.is_symmetric =
      encoding.is_signed && std::all_of(grid.zero_point.begin(), grid.zero_point.end(),
                                        [](int32_t zero_point) { return zero_point == 0; });
  encoding.scale = grid.scale;
  encoding.zero_point = grid.zero_point;
  if (version == kLegacy && grid.bit_width < kMinLegacyBits) {
    Refuse(name, version, "it has " + std::to_string(grid.bit_width) + " bits",
           "use version 1.0.0 or 2.0.0");
  }
  if (grid.scale.size() == 1) return encoding;
  if (grid.GroupsPerRow(tensor.layout.RowLength(tensor.shape)) > 1) {
    DescribeBlocks(tensor, version, encoding);
    return encoding;
  }
  encoding.axis = tensor.layout.axis;
  if (tensor.layout.groups > 1) {
    const bool depthwise = tensor.shape[1] == 1 && tensor.layout.groups == tensor.shape[0];
    if (!depthwise || version != kOnnxLike) {
      Refuse(name, version, "it is grouped and has one scale per output channel",
             "use one scale per tensor");
    }
    encoding.axis = 0;
  }
  return encoding;
}

Encoding OfBias(const std::string& name, const QuantizedBias& bias) {
  Encoding encoding;
  encoding.name = name;
  encoding.bit_width = kBiasBits;
  encoding.is_signed = true;
  encoding.is_symmetric = true;
  encoding.scale = bias.scale;
  encoding.zero_point.assign(bias.scale.size(), 0);
  if (bias.scale.size() > 1) encoding.axis = 0;
  return encoding;
}

// Of the narrowest integer type that holds so many bits.
int TypeBits(int bit_width) {
  int bits = 2;
  while (bits < bit_width) bits *= 2;
  return bits;
}

Encoding OfActivation(const std::string& name, const ActivationGrid& grid,
                      const std::string& version) {
  if (version == kLegacy && grid.bit_width < kMinLegacyBits) {
    Refuse(name, version, "it has " + std::to_string(grid.bit_width) + " bits",
           "use version 1.0.0 or 2.0.0");
  }
  // The consumer clips at the type's ends, which must be the grid's.
  if (version == kOnnxLike && TypeBits(grid.bit_width) != grid.bit_width) {
    Refuse(name, version, "it is an activation of " + std::to_string(grid.bit_width) + " bits",
           "use 2, 4 or 8 bits, or version 1.0.0");
  }
  Encoding encoding;
  encoding.name = name;
  encoding.bit_width = grid.bit_width;
  encoding.scale = {grid.scale};
  encoding.zero_point = {grid.zero_point};
  return encoding;
}

// 0.6.1: a list with an object per channel.
Json LegacyJson(const Encoding& encoding) {
  Json list = Json::array();
  const int64_t last = (int64_t{1} << encoding.bit_width) - 1;
  for (size_t i = 0; i < encoding.scale.size(); ++i) {
    const double scale = static_cast<double>(encoding.scale[i]);
    const int64_t offset = encoding.Offset(i);
    Json one{{"bitwidth", encoding.bit_width}, {"dtype", "int"}};
    one["is_symmetric"] = encoding.is_symmetric ? "True" : "False";
    one["max"] = scale * static_cast<double>(offset + last);
    one["min"] = scale * static_cast<double>(offset);
    one["offset"] = offset;
    one["scale"] = scale;
    list.push_back(std::move(one));
  }
  return list;
}

// 1.0.0: an object whose scales and offsets are flat lists.
Json ListsJson(const Encoding& encoding) {
  Json json{{"name", encoding.name}};
  json["enc_type"] =
      encoding.block_size ? "PER_BLOCK" : (encoding.axis ? "PER_CHANNEL" : "PER_TENSOR");
  json["dtype"] = "INT";
  json["bw"] = encoding.bit_width;
  json["is_sym"] = encoding.is_symmetric;
  if (encoding.block_size) json["block_size"] = *encoding.block_size;
  json["scale"] = Json::array();
  json["offset"] = Json::array();
  for (size_t i = 0; i < encoding.scale.size(); ++i) {
    json["scale"].push_back(static_cast<double>(encoding.scale[i]));
    json["offset"].push_back(encoding.Offset(i));
  }
  return json;
}

std::string OnnxDType(const Encoding& encoding) {
  return (encoding.is_signed ? "int" : "uint") + std::to_string(TypeBits(encoding.bit_width));
}

// Lists in lists, by the tensor's dimensions; over the kernel each value is repeated, since
// QuantizeLinear wants a scale of the tensor's shape but for the axis of the blocks.
template <typename Value>
Json Nested(const Encoding& encoding, const std::vector<Value>& values) {
  if (!encoding.axis) return values[0];
  if (!encoding.block_size) return values;
  Json outer = Json::array();
  const auto width = static_cast<size_t>(encoding.block_shape[1]);
  for (size_t i = 0; i < static_cast<size_t>(encoding.block_shape[0]); ++i) {
    Json row = Json::array();
    for (size_t j = 0; j < width; ++j) {
      Json value = values[i * width + j];
      for (size_t d = encoding.kernel.size(); d-- > 0;) {
        value = Json(static_cast<size_t>(encoding.kernel[d]), value);
      }
      row.push_back(std::move(value));
    }
    outer.push_back(std::move(row));
  }
  return outer;
}

// 2.0.0: the inputs and attributes of a QuantizeLinear.
Json OnnxLikeJson(const Encoding& encoding) {
  Json json{{"name", encoding.name}, {"output_dtype", OnnxDType(encoding)}};
  json["y_scale"] =
      Nested(encoding, std::vector<double>(encoding.scale.begin(), encoding.scale.end()));
  if (!encoding.is_symmetric) json["y_zero_point"] = Nested(encoding, encoding.zero_point);
  if (encoding.axis) json["axis"] = *encoding.axis;
  if (encoding.block_size) json["block_size"] = *encoding.block_size;
  return json;
}

// How the whole model was quantized: the widest of each, where they differ.
Json QuantizerArgs(const QuantizedModel& model, bool booleans_are_text) {
  int activation_bits = kBiasBits;  // what stands for float
  int param_bits = kMinBitWidth;
  bool symmetric = true;
  bool per_channel = false;
  if (!model.activations.empty()) activation_bits = kMinBitWidth;
  for (const auto& [name, grid] : model.activations) {
    activation_bits = std::max(activation_bits, grid.bit_width);
  }
  for (const auto& [name, tensor] : model.weights) {
    param_bits = std::max(param_bits, tensor.grid.bit_width);
    symmetric = symmetric && tensor.grid.q_min < 0;
    per_channel = per_channel || tensor.grid.scale.size() > 1;
  }
  const auto boolean = [&](bool value) -> Json {
    if (booleans_are_text) return value ? "True" : "False";
    return value;
  };
  Json args{{"activation_bitwidth", activation_bits}, {"dtype", "int"}};
  args["is_symmetric"] = boolean(symmetric);
  args["param_bitwidth"] = param_bits;
  args["per_channel_quantization"] = boolean(per_channel);
  args["quant_scheme"] = "post_training_tf";
  return args;
}

Json ToJson(const QuantizedModel& model, const std::string& version) {
  std::vector<Encoding> activations;
  std::vector<Encoding> params;
  for (const auto& [name, grid] : model.activations) {
    activations.push_back(OfActivation(name, grid, version));
  }
  for (const auto& [name, tensor] : model.weights) {
    params.push_back(OfWeight(name, tensor, version));
  }
  for (const auto& [name, bias] : model.biases) params.push_back(OfBias(name, bias));

  Json json{{"version", version}};
  if (version == kOnnxLike) {
    json["encodings"] = Json::array();
    for (const std::vector<Encoding>* list : {&activations, &params}) {
      for (const Encoding& encoding : *list) json["encodings"].push_back(OnnxLikeJson(encoding));
    }
    return json;
  }
  const bool legacy = version == kLegacy;
  const std::pair<const char*, const std::vector<Encoding>*> parts[] = {
      {"activation_encodings", &activations}, {"param_encodings", &params}};
  for (const auto& [key, list] : parts) {
    json[key] = legacy ? Json::object() : Json::array();
    for (const Encoding& encoding : *list) {
      if (legacy) {
        json[key][encoding.name] = LegacyJson(encoding);
      } else {
        json[key].push_back(ListsJson(encoding));
      }
    }
  }
  json["quantizer_args"] = QuantizerArgs(model, legacy);
  json["excluded_layers"] = Json::array();
  return json;
}

}  // namespace

std::vector<std::string> AimetEncodingVersions() {
  return {kLegacy, kLists, kOnnxLike};
}

void WriteAimetEncodings(const std::filesystem::path& path, const QuantizedModel& model,
                         const std::string& version) {
  const std::vector<std::string> known = AimetEncodingVersions();
  if (std::find(known.begin(), known.end(), version) == known.end()) {
    throw Error(
        ErrorCode::kInvalidArgument,
        "unknown version " + Quoted(version) + " of AIMET encodings" + DidYouMean(version, known));
  }
  CheckGrids(model);
  const std::string file = Printable(path.string(), 4096);
  WriteFileAtomically(path, DumpJson(ToJson(model, version), 1, file) + "\n");
}

}  // namespace adaround
