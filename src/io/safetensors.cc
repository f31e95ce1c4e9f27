#include "adaround/io/safetensors.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "base/checked_math.h"
#include "io/array_checks.h"
#include "io/byte_reader.h"
#include "adaround/base/did_you_mean.h"
#include "io/input_file.h"
#include "io/output_file.h"
#include "io/strict_json.h"

namespace adaround {
namespace {

constexpr int64_t kMaxHeaderBytes = 100'000'000;
constexpr int64_t kLengthBytes = 8;
constexpr int64_t kMaxOffset = int64_t{1} << 62;

constexpr std::array<std::pair<const char*, DType>, 13> kDTypes = {{
    {"BOOL", DType::kBool},
    {"U8", DType::kUInt8},
    {"I8", DType::kInt8},
    {"I16", DType::kInt16},
    {"U16", DType::kUInt16},
    {"F16", DType::kFloat16},
    {"BF16", DType::kBFloat16},
    {"I32", DType::kInt32},
    {"U32", DType::kUInt32},
    {"F32", DType::kFloat32},
    {"F64", DType::kFloat64},
    {"I64", DType::kInt64},
    {"U64", DType::kUInt64},
}};

DType ParseDType(const JsonView& view) {
  const std::string& text = view.AsString();
  std::vector<std::string> known;
  for (const auto& [name, dtype] : kDTypes) {
    if (text == name) return dtype;
    known.emplace_back(name);
  }
  // The format grows: F8_E4M3, F8_E5M2, F4, C64 and others are legal and beyond us.
  view.FailUnsupported("the element type " + Quoted(text) +
                       " is unknown to this version, perhaps newer; convert the tensor to F32" +
                       DidYouMean(text, known));
}

const char* FormatDType(DType dtype) {
  for (const auto& [name, candidate] : kDTypes) {
    if (candidate == dtype) return name;
  }
  ADAROUND_CHECK(false);
}

SafetensorsFile::Entry ParseEntry(const JsonView& view, int64_t buffer_begin, int64_t buffer_size) {
  view.CheckKeys({"data_offsets", "dtype", "shape"}, {});
  SafetensorsFile::Entry entry;
  entry.dtype = ParseDType(view.At("dtype"));

  const JsonView shape = view.At("shape");
  const size_t rank = shape.ArraySize();
  if (rank > kMaxRank) {
    shape.FailMalformed("has " + std::to_string(rank) + " dimensions, at most " +
                        std::to_string(kMaxRank) + " are allowed");
  }
  for (size_t i = 0; i < rank; ++i) entry.shape.push_back(shape.At(i).AsInt(0, kMaxOffset));
  const std::optional<int64_t> count = CheckedNumElements(entry.shape);
  const std::optional<int64_t> bytes =
      count ? CheckedMultiply(*count, static_cast<int64_t>(DTypeSize(entry.dtype))) : std::nullopt;
  if (!bytes) shape.FailMalformed("the size of shape " + ShapeToString(entry.shape) + " overflows");

  const JsonView offsets = view.At("data_offsets");
  if (offsets.ArraySize() != 2) offsets.FailMalformed("must hold two numbers, begin and end");
  const int64_t begin = offsets.At(size_t{0}).AsInt(0, kMaxOffset);
  const int64_t end = offsets.At(size_t{1}).AsInt(0, kMaxOffset);
  const std::string range = std::to_string(begin) + " to " + std::to_string(end);
  if (end < begin) offsets.FailMalformed("the range " + range + " ends before it begins");
  if (end - begin != *bytes) {
    offsets.FailMalformed("the range " + range + " has " + std::to_string(end - begin) +
                          " bytes, but shape " + ShapeToString(entry.shape) + " of " +
                          FormatDType(entry.dtype) + " takes " + std::to_string(*bytes));
  }
  if (end > buffer_size) {
    offsets.FailMalformed("the range " + range + " goes beyond the file, which holds " +
                          std::to_string(buffer_size) +
                          " bytes of tensors: it is truncated; fetch it again");
  }
  entry.begin = buffer_begin + begin;
  entry.end = buffer_begin + end;
  return entry;
}

// The ranges must tile the buffer: every byte of the file belongs to exactly one tensor.
void CheckTiling(const std::map<std::string, SafetensorsFile::Entry>& entries,
                 const std::string& file, int64_t buffer_begin, int64_t file_size) {
  using Item = std::pair<const std::string, SafetensorsFile::Entry>;
  std::vector<const Item*> order;
  for (const Item& item : entries) order.push_back(&item);
  std::sort(order.begin(), order.end(), [](const Item* a, const Item* b) {
    return std::pair(a->second.begin, a->second.end) < std::pair(b->second.begin, b->second.end);
  });
  int64_t expected = buffer_begin;
  for (const Item* item : order) {
    const int64_t begin = item->second.begin;
    if (begin < expected) {
      ThrowMalformedAt(file, begin,
                       "tensor " + Quoted(item->first) +
                           " overlaps the one before it, which ends at byte " +
                           std::to_string(expected));
    }
    if (begin > expected) {
      ThrowMalformedAt(file, expected,
                       "a hole of " + std::to_string(begin - expected) + " bytes before tensor " +
                           Quoted(item->first) + ": no byte may belong to no tensor");
    }
    expected = item->second.end;
  }
  if (expected != file_size) {
    ThrowMalformedAt(file, expected,
                     std::to_string(file_size - expected) +
                         " trailing bytes after the last tensor; write or fetch "
                         "the file again");
  }
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : SafetensorsFile(std::make_shared<const InputFile>(path)) {}

SafetensorsFile::SafetensorsFile(std::shared_ptr<const InputFile> file) : file_(std::move(file)) {
  ReadHeader();
}

const std::string& SafetensorsFile::name() const {
  return file_->name();
}

void SafetensorsFile::ReadHeader() {
  const std::string& file = name();
  const std::vector<uint8_t> head = file_->ReadHead(16);
  const uint64_t length = ByteReader(head, file).ReadU64("the header's length");
  const int64_t available = file_->size() - kLengthBytes;
  const bool too_long = length > static_cast<uint64_t>(kMaxHeaderBytes);
  if (too_long || length < 2 || (head.size() > 8 && head[8] != '{')) {
    std::string what =
        too_long ? "the header's length is " + std::to_string(length) + " bytes, at most " +
                       std::to_string(kMaxHeaderBytes) + " are allowed"
        : length < 2
            ? "the header's length is " + std::to_string(length) + " bytes, too few for any header"
            : "the header does not begin with '{'";
    ThrowMalformedAt(file, length < 2 || too_long ? 0 : 8,
                     what + "; this is no safetensors file" + LooksLike(head));
  }
  const auto header_bytes = static_cast<int64_t>(length);
  if (header_bytes > available) {
    ThrowMalformedAt(file, kLengthBytes,
                     "the header should have " + std::to_string(header_bytes) + " bytes, only " +
                         std::to_string(available) + " are left: the file is truncated" +
                         "; fetch it again");
  }
  std::string text(static_cast<size_t>(header_bytes), '\0');
  file_->ReadAt(kLengthBytes, text.data(), header_bytes);
  const nlohmann::json document = ParseStrictJson(text, file, kLengthBytes);
  const JsonView root(document, file);
  root.CheckObject();
  const int64_t buffer_begin = kLengthBytes + header_bytes;
  for (const auto& [key, unused] : document.items()) {
    const JsonView view(document.at(key), file, "tensor " + Quoted(key));
    if (key != "__metadata__") {
      entries_.emplace(key, ParseEntry(view, buffer_begin, available - header_bytes));
      continue;
    }
    const JsonView metadata = root.At(key);
    metadata.CheckObject();
    for (const auto& [name, value] : metadata.value().items()) {
      metadata_.emplace(name, metadata.At(name).AsString());
    }
  }
  CheckTiling(entries_, file, buffer_begin, file_->size());
}

const SafetensorsFile::Entry& SafetensorsFile::Find(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) ThrowMalformed(this->name(), "has no tensor " + Quoted(name));
  return found->second;
}

Tensor SafetensorsFile::Read(const std::string& name) const {
  const Entry& entry = Find(name);
  const std::string what = this->name() + ": tensor " + Quoted(name);
  Tensor tensor = AllocateTensor(entry.dtype, entry.shape, what);
  file_->ReadAt(entry.begin, tensor.mutable_raw(), entry.end - entry.begin);
  CheckBooleans(tensor, what);
  return tensor;
}

Tensor SafetensorsFile::ReadRows(const std::string& name, int64_t begin, int64_t count) const {
  const Entry& entry = Find(name);
  ADAROUND_CHECK(!entry.shape.empty() && begin >= 0 && count >= 0 && begin <= entry.shape[0] &&
                 count <= entry.shape[0] - begin);
  const std::string what = this->name() + ": tensor " + Quoted(name);
  Shape shape = entry.shape;
  shape[0] = count;
  Tensor tensor = AllocateTensor(entry.dtype, shape, what);
  const int64_t row_bytes = entry.shape[0] == 0 ? 0 : (entry.end - entry.begin) / entry.shape[0];
  file_->ReadAt(entry.begin + begin * row_bytes, tensor.mutable_raw(), count * row_bytes);
  CheckBooleans(tensor, what);
  return tensor;
}

std::map<std::string, Tensor> ReadSafetensors(const std::filesystem::path& path) {
  const SafetensorsFile file(path);
  std::map<std::string, Tensor> tensors;
  for (const auto& [name, entry] : file.entries()) tensors.emplace(name, file.Read(name));
  return tensors;
}

void WriteSafetensors(const std::filesystem::path& path,
                      const std::map<std::string, Tensor>& tensors,
                      const std::map<std::string, std::string>& metadata) {
  using Item = std::pair<const std::string, Tensor>;
  std::vector<const Item*> order;
  for (const Item& item : tensors) order.push_back(&item);
  std::stable_sort(order.begin(), order.end(), [](const Item* a, const Item* b) {
    return DTypeSize(a->second.dtype()) > DTypeSize(b->second.dtype());
  });

  const std::string file = Printable(path.string(), 4096);
  using nlohmann::ordered_json;
  // Put together entry by entry: an ordered object looks for its key from the start at each one.
  std::string text;
  const auto append = [&](const std::string& key, const ordered_json& value) {
    text += (text.empty() ? "{" : ",") + DumpJson(key, -1, file) + ":" + DumpJson(value, -1, file);
  };
  if (!metadata.empty()) append("__metadata__", metadata);
  int64_t offset = 0;
  for (const Item* item : order) {
    if (item->first == "__metadata__") {
      throw Error(ErrorCode::kInvalidArgument,
                  file + ": a tensor cannot be named '__metadata__'; rename it");
    }
    const int64_t end = offset + static_cast<int64_t>(item->second.num_bytes());
    append(item->first, {{"dtype", FormatDType(item->second.dtype())},
                         {"shape", item->second.shape()},
                         {"data_offsets", {offset, end}}});
    offset = end;
  }
  text += text.empty() ? "{}" : "}";
  text.append((8 - text.size() % 8) % 8, ' ');

  OutputFile out(path);
  std::array<uint8_t, 8> length{};
  for (size_t i = 0; i < length.size(); ++i) length[i] = static_cast<uint8_t>(text.size() >> 8 * i);
  out.Write(length.data(), length.size());
  out.Write(text.data(), text.size());
  for (const Item* item : order) out.Write(item->second.raw(), item->second.num_bytes());
  out.Commit();
}

}  // namespace adaround
