#include "io/npy_header.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string_view>

#include "base/checked_math.h"
#include "io/byte_reader.h"
#include "io/input_file.h"

namespace adaround {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

constexpr std::array<std::pair<std::string_view, DType>, 12> kDTypes = {{
    {"f4", DType::kFloat32},
    {"f8", DType::kFloat64},
    {"f2", DType::kFloat16},
    {"i1", DType::kInt8},
    {"u1", DType::kUInt8},
    {"i2", DType::kInt16},
    {"u2", DType::kUInt16},
    {"i4", DType::kInt32},
    {"u4", DType::kUInt32},
    {"i8", DType::kInt64},
    {"u8", DType::kUInt64},
    {"b1", DType::kBool},
}};

// Reads the dict literal that NumPy writes: string keys; a string, True/False, or a tuple of whole
// numbers as values.
class DictReader {
 public:
  DictReader(std::string_view text, int64_t base_offset, const std::string& file)
      : text_(text), base_offset_(base_offset), file_(file) {}

  void Read(std::string* descr, bool* fortran_order, Shape* shape) {
    bool has_descr = false;
    bool has_order = false;
    bool has_shape = false;
    Expect('{');
    while (!Accept('}')) {
      const int64_t key_at = offset();
      const std::string key = ReadString();
      Expect(':');
      bool* seen = key == "descr"           ? &has_descr
                   : key == "fortran_order" ? &has_order
                   : key == "shape"         ? &has_shape
                                            : nullptr;
      if (seen == nullptr) {
        ThrowMalformedAt(file_, key_at,
                         "unknown key " + Quoted(key) +
                             " in the header; known are 'descr', 'fortran_order', "
                             "'shape'");
      }
      if (*seen) ThrowMalformedAt(file_, key_at, "the key " + Quoted(key) + " appears twice");
      *seen = true;
      if (seen == &has_descr) *descr = ReadDescr();
      if (seen == &has_order) *fortran_order = ReadBool();
      if (seen == &has_shape) *shape = ReadShape();
      if (!Accept(',') && Peek() != '}') Fail("',' or '}'");
    }
    SkipSpace();
    if (position_ != text_.size()) {
      ThrowMalformedAt(file_, offset(), "text after the header's dict");
    }
    if (!has_descr || !has_order || !has_shape) {
      ThrowMalformed(file_, std::string("the header lacks the key '") +
                                (!has_descr   ? "descr"
                                 : !has_order ? "fortran_order"
                                              : "shape") +
                                "'");
    }
  }

 private:
  int64_t offset() const { return base_offset_ + static_cast<int64_t>(position_); }

  [[noreturn]] void Fail(const std::string& wanted) const {
    ThrowMalformedAt(file_, offset(), "the header is broken: expected " + wanted);
  }

  void SkipSpace() {
    while (position_ < text_.size() && (text_[position_] == ' ' || text_[position_] == '\n' ||
                                        text_[position_] == '\t' || text_[position_] == '\r')) {
      ++position_;
    }
  }

  // The next character that is no space, '\0' at the end.
  char Peek() {
    SkipSpace();
    return position_ < text_.size() ? text_[position_] : '\0';
  }

  bool Accept(char wanted) {
    if (Peek() != wanted) return false;
    ++position_;
    return true;
  }

  void Expect(char wanted) {
    if (position_ > text_.size() || !Accept(wanted)) Fail(std::string("'") + wanted + "'");
  }

  std::string ReadString() {
    const char quote = Peek();
    if (quote != '\'' && quote != '"') Fail("a quoted string");
    const size_t begin = ++position_;
    while (position_ < text_.size() && text_[position_] != quote) {
      if (text_[position_] == '\\') Fail("a string without escapes");
      ++position_;
    }
    if (position_ == text_.size()) Fail("the string's closing quote");
    return std::string(text_.substr(begin, position_++ - begin));
  }

  std::string ReadDescr() {
    if (Peek() == '[' || Peek() == '(') {
      ThrowUnsupported(file_,
                       "holds a structured array (several fields per element); save each field "
                       "as an array of its own");
    }
    return ReadString();
  }

  bool ReadBool() {
    SkipSpace();
    for (const bool value : {false, true}) {
      const std::string_view word = value ? "True" : "False";
      if (text_.substr(position_).starts_with(word)) {
        position_ += word.size();
        return value;
      }
    }
    Fail("True or False");
  }

  Shape ReadShape() {
    Shape shape;
    Expect('(');
    while (!Accept(')')) {
      if (shape.size() == kMaxRank) {
        ThrowMalformedAt(file_, offset(),
                         "the shape has more than " + std::to_string(kMaxRank) + " dimensions");
      }
      shape.push_back(ReadExtent());
      if (!Accept(',') && Peek() != ')') Fail("',' or ')'");
    }
    return shape;
  }

  int64_t ReadExtent() {
    if (Peek() == '-') ThrowMalformedAt(file_, offset(), "the shape has a negative extent");
    int64_t value = 0;
    size_t digits = 0;
    while (position_ < text_.size() && text_[position_] >= '0' && text_[position_] <= '9') {
      const std::optional<int64_t> scaled = CheckedMultiply(value, 10);
      const std::optional<int64_t> next =
          scaled ? CheckedAdd(*scaled, text_[position_] - '0') : std::nullopt;
      if (!next) ThrowMalformedAt(file_, offset(), "an extent of the shape overflows 64 bits");
      value = *next;
      ++position_;
      ++digits;
    }
    if (digits == 0) Fail("a whole number");
    if (position_ < text_.size() && text_[position_] == 'L') ++position_;  // Python 2 wrote "3L"
    return value;
  }

  std::string_view text_;
  int64_t base_offset_;
  const std::string& file_;
  size_t position_ = 0;
};

DType ParseDescr(const std::string& descr, bool* big_endian, const std::string& file) {
  const char order = descr.empty() ? '\0' : descr[0];
  const std::string_view type = std::string_view(descr).substr(descr.empty() ? 0 : 1);
  if (type.starts_with('O')) {
    ThrowUnsupported(file,
                     "holds Python objects (a pickle), which are never read; save the array with "
                     "a numeric dtype, as numpy.save(path, array.astype('float32'))");
  }
  for (const auto& [name, dtype] : kDTypes) {
    if (type != name) continue;
    const bool one_byte = DTypeSize(dtype) == 1;
    if (order == '<' || order == '=' || (order == '|' && one_byte)) return dtype;
    if (order == '>') {
      *big_endian = !one_byte;
      return dtype;
    }
  }
  ThrowUnsupported(file, "the element type " + Quoted(descr) +
                             " is not supported; save the array as float32, uint8 or another "
                             "plain number type, as numpy.save(path, array.astype('float32'))");
}

}  // namespace

NpyHeader ParseNpyHeader(std::span<const uint8_t> head, int64_t total_bytes,
                         const std::string& file) {
  const std::string_view begin(reinterpret_cast<const char*>(head.data()),
                               std::min(head.size(), kMagic.size()));
  if (begin != kMagic) {
    ThrowMalformedAt(file, 0,
                     kMagic.starts_with(begin)
                         ? "the file is truncated: it ends within the magic number"
                            : "is no NumPy array (.npy)" + LooksLike(head));
  }
  ByteReader reader(head, file);
  reader.ReadBytes(kMagic.size(), "the magic number");
  const int major = reader.ReadU8("the version");
  const int minor = reader.ReadU8("the version");
  if (major < 1 || major > 3 || minor != 0) {
    ThrowUnsupported(file, "has npy version " + std::to_string(major) + "." +
                               std::to_string(minor) + "; known are 1.0, 2.0 and 3.0");
  }
  const uint32_t length =
      major == 1 ? reader.ReadU16("the header's length") : reader.ReadU32("the header's length");
  if (length > kMaxNpyHeaderBytes - reader.offset()) {
    ThrowMalformedAt(file, 8,
                     "the header's length is " + std::to_string(length) +
                         " bytes; with what precedes it, at most " +
                         std::to_string(kMaxNpyHeaderBytes) + " are allowed");
  }
  const int64_t dict_offset = reader.offset();
  const std::span<const uint8_t> dict = reader.ReadBytes(length, "the header");
  if (dict.empty() || dict.back() != '\n') {
    ThrowMalformedAt(file, dict_offset, "the header does not end with a newline");
  }

  NpyHeader header;
  header.data_offset = reader.offset();
  std::string descr;
  DictReader({reinterpret_cast<const char*>(dict.data()), dict.size()}, dict_offset, file)
      .Read(&descr, &header.fortran_order, &header.shape);
  header.dtype = ParseDescr(descr, &header.big_endian, file);
  // With at most one extent beyond 1 the two orders are the same.
  const auto extents_beyond_one =
      std::count_if(header.shape.begin(), header.shape.end(), [](int64_t n) { return n > 1; });
  if (extents_beyond_one <= 1) header.fortran_order = false;

  const std::optional<int64_t> count = CheckedNumElements(header.shape);
  const std::optional<int64_t> bytes =
      count ? CheckedMultiply(*count, static_cast<int64_t>(DTypeSize(header.dtype))) : std::nullopt;
  if (!bytes)
    ThrowMalformed(file, "the size of shape " + ShapeToString(header.shape) + " overflows");
  const int64_t available = total_bytes - header.data_offset;
  if (*bytes != available) {
    ThrowMalformedAt(file, header.data_offset,
                     "shape " + ShapeToString(header.shape) + " of " +
                         std::string(DTypeName(header.dtype)) + " takes " + std::to_string(*bytes) +
                         " bytes, found " + std::to_string(available) + ": the array " +
                         (*bytes > available ? "is truncated" : "has trailing bytes") +
                         "; save or fetch it again");
  }
  header.data_bytes = *bytes;
  return header;
}

std::string FormatNpyHeader(DType dtype, const Shape& shape, const std::string& file) {
  std::string descr;
  for (const auto& [name, candidate] : kDTypes) {
    if (candidate == dtype) descr = std::string(DTypeSize(dtype) == 1 ? "|" : "<").append(name);
  }
  if (descr.empty()) {
    ThrowUnsupported(file, "NumPy has no " + std::string(DTypeName(dtype)) +
                               "; convert the tensor to float32 first");
  }
  std::string extents;
  for (const int64_t extent : shape) extents += std::to_string(extent) + ", ";
  if (shape.size() > 1) extents.resize(extents.size() - 2);
  if (shape.size() == 1) extents.resize(extents.size() - 1);
  std::string dict =
      "{'descr': '" + descr + "', 'fortran_order': False, 'shape': (" + extents + "), }";
  constexpr size_t kPrefixBytes = 10;
  dict.append(63 - (kPrefixBytes + dict.size()) % 64, ' ');
  dict += '\n';
  std::string header(kMagic);
  header += '\x01';
  header += '\0';
  header += static_cast<char>(dict.size() & 0xFF);
  header += static_cast<char>(dict.size() >> 8);
  return header + dict;
}

void NormalizeNpyElements(const NpyHeader& header, Tensor* tensor) {
  const size_t element = DTypeSize(tensor->dtype());
  const int64_t count = tensor->num_elements();
  if (header.big_endian) {
    uint8_t* bytes = tensor->mutable_raw();
    for (int64_t i = 0; i < count; ++i, bytes += element) std::reverse(bytes, bytes + element);
  }
  if (!header.fortran_order || count == 0) return;
  // Walk the row-major order with an odometer; each step knows its column-major position.
  const Shape& shape = tensor->shape();
  Shape stride(shape.size(), 1);
  for (size_t axis = 1; axis < shape.size(); ++axis)
    stride[axis] = stride[axis - 1] * shape[axis - 1];
  const Tensor source = tensor->Clone();
  Shape index(shape.size(), 0);
  int64_t from = 0;
  uint8_t* out = tensor->mutable_raw();
  for (int64_t i = 0; i < count; ++i, out += element) {
    std::memcpy(out, source.raw() + static_cast<size_t>(from) * element, element);
    for (size_t axis = shape.size(); axis-- > 0;) {
      from += stride[axis];
      if (++index[axis] < shape[axis]) break;
      from -= stride[axis] * shape[axis];
      index[axis] = 0;
    }
  }
}

}  // namespace adaround
