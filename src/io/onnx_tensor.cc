#include "io/onnx_tensor.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <optional>

#include "base/checked_math.h"
#include "io/array_checks.h"
#include "io/file_error.h"
#include "io/input_file.h"

namespace adaround {
namespace {

bool Is4Bit(int32_t data_type) {
  return data_type == onnx_type::kInt4 || data_type == onnx_type::kUInt4;
}

// What the type's elements are in the file; 4-bit integers come in pairs.
std::optional<DType> StoredDType(int32_t data_type) {
  switch (data_type) {
    case onnx_type::kFloat: return DType::kFloat32;
    case onnx_type::kUInt8: return DType::kUInt8;
    case onnx_type::kInt8: return DType::kInt8;
    case onnx_type::kUInt16: return DType::kUInt16;
    case onnx_type::kInt16: return DType::kInt16;
    case onnx_type::kInt32: return DType::kInt32;
    case onnx_type::kInt64: return DType::kInt64;
    case onnx_type::kBool: return DType::kBool;
    case onnx_type::kFloat16: return DType::kFloat16;
    case onnx_type::kDouble: return DType::kFloat64;
    case onnx_type::kUInt32: return DType::kUInt32;
    case onnx_type::kUInt64: return DType::kUInt64;
    case onnx_type::kBFloat16: return DType::kBFloat16;
    case onnx_type::kUInt4:
    case onnx_type::kInt4: return DType::kUInt8;
    default: return std::nullopt;
  }
}

Shape ReadShape(const onnx::TensorProto& message, const std::string& what) {
  if (message.dims_size() > static_cast<int>(kMaxRank)) {
    ThrowUnsupported(what, "has " + std::to_string(message.dims_size()) + " dimensions, at most " +
                               std::to_string(kMaxRank) + " are supported");
  }
  const Shape shape(message.dims().begin(), message.dims().end());
  for (const int64_t extent : shape) {
    if (extent < 0) ThrowMalformed(what, "has a negative extent: " + ShapeToString(shape));
  }
  const std::optional<int64_t> count = CheckedNumElements(shape);
  if (!count || !CheckedMultiply(*count, 8)) {
    ThrowMalformed(what, "its size overflows: " + ShapeToString(shape));
  }
  return shape;
}

// As the file holds them: 4-bit integers still in pairs, as one dimension.
Shape StoredShape(int32_t data_type, const Shape& shape) {
  return Is4Bit(data_type) ? Shape{CeilDivide(NumElements(shape), 2)} : shape;
}

// The one field that holds elements of this type, besides raw_data.
struct TypedField {
  const char* name;
  int64_t size;
};

TypedField FindTypedField(const onnx::TensorProto& message) {
  switch (message.data_type()) {
    case onnx_type::kFloat: return {"float_data", message.float_data_size()};
    case onnx_type::kDouble: return {"double_data", message.double_data_size()};
    case onnx_type::kInt64: return {"int64_data", message.int64_data_size()};
    case onnx_type::kUInt32:
    case onnx_type::kUInt64: return {"uint64_data", message.uint64_data_size()};
    default: return {"int32_data", message.int32_data_size()};
  }
}

int64_t NumTypedElements(const onnx::TensorProto& message) {
  return int64_t{message.float_data_size()} + message.double_data_size() +
         message.int64_data_size() + message.uint64_data_size() + message.int32_data_size() +
         message.string_data_size();
}

template <typename To, typename List>
void CopyInRange(const List& list, int64_t low, uint64_t high, Tensor* tensor,
                 const std::string& what) {
  auto* out = reinterpret_cast<To*>(tensor->mutable_raw());
  for (int i = 0; i < list.size(); ++i) {
    const auto value = list.Get(i);
    const bool fits =
        value < 0 ? static_cast<int64_t>(value) >= low : static_cast<uint64_t>(value) <= high;
    if (!fits) {
      ThrowMalformed(what, "element " + std::to_string(i) + " is " + std::to_string(value) +
                               ", which its type does not hold");
    }
    out[i] = static_cast<To>(value);
  }
}

template <typename List>
void CopyAsStored(const List& list, Tensor* tensor) {
  std::memcpy(tensor->mutable_raw(), list.data(), tensor->num_bytes());
}

void CopyTyped(const onnx::TensorProto& message, Tensor* out, const std::string& what) {
  const auto& ints = message.int32_data();
  switch (message.data_type()) {
    case onnx_type::kFloat: return CopyAsStored(message.float_data(), out);
    case onnx_type::kDouble: return CopyAsStored(message.double_data(), out);
    case onnx_type::kInt64: return CopyAsStored(message.int64_data(), out);
    case onnx_type::kUInt64: return CopyAsStored(message.uint64_data(), out);
    case onnx_type::kInt32: return CopyAsStored(ints, out);
    case onnx_type::kUInt32:
      return CopyInRange<uint32_t>(message.uint64_data(), 0, UINT32_MAX, out, what);
    case onnx_type::kInt16: return CopyInRange<int16_t>(ints, INT16_MIN, INT16_MAX, out, what);
    case onnx_type::kInt8: return CopyInRange<int8_t>(ints, INT8_MIN, INT8_MAX, out, what);
    case onnx_type::kBool: return CopyInRange<uint8_t>(ints, 0, 1, out, what);
    case onnx_type::kUInt8: return CopyInRange<uint8_t>(ints, 0, UINT8_MAX, out, what);
    // Pairs are bytes; some writers take them for signed ones.
    case onnx_type::kInt4:
    case onnx_type::kUInt4: return CopyInRange<uint8_t>(ints, INT8_MIN, UINT8_MAX, out, what);
    // 16-bit floats are written as the integers of their bits.
    default: return CopyInRange<uint16_t>(ints, 0, UINT16_MAX, out, what);
  }
}

Tensor ReadInline(const onnx::TensorProto& message, const Shape& shape, const std::string& what) {
  const DType dtype = *StoredDType(message.data_type());
  const Shape stored_shape = StoredShape(message.data_type(), shape);
  const int64_t count = NumElements(stored_shape);
  const TypedField field = FindTypedField(message);
  if (NumTypedElements(message) != field.size) {
    ThrowMalformed(what, "of type " + std::to_string(message.data_type()) +
                             " has elements in another field than " + field.name);
  }
  if (message.has_raw_data() && field.size > 0) {
    ThrowMalformed(what, std::string("has elements in raw_data and in ") + field.name);
  }
  if (message.has_raw_data()) {
    const std::string& raw = message.raw_data();
    const auto wanted = static_cast<size_t>(count) * DTypeSize(dtype);
    if (raw.size() != wanted) {
      ThrowMalformed(what, "has " + std::to_string(raw.size()) + " bytes of raw_data, shape " +
                               ShapeToString(shape) + " and type want " + std::to_string(wanted));
    }
    Tensor tensor = AllocateTensor(dtype, stored_shape, what);
    std::memcpy(tensor.mutable_raw(), raw.data(), raw.size());
    return tensor;
  }
  if (field.size != count) {
    ThrowMalformed(what, "has " + std::to_string(field.size) + " elements in " + field.name +
                             ", shape " + ShapeToString(shape) + " and type want " +
                             std::to_string(count));
  }
  Tensor tensor = AllocateTensor(dtype, stored_shape, what);
  if (count > 0) CopyTyped(message, &tensor, what);
  return tensor;
}

// One byte per element; the first of a pair is in the low half.
Tensor Unpack4Bit(const Tensor& pairs, bool is_signed, const Shape& shape,
                  const std::string& what) {
  Tensor result = AllocateTensor(is_signed ? DType::kInt8 : DType::kUInt8, shape, what);
  uint8_t* out = result.mutable_raw();
  for (int64_t i = 0; i < result.num_elements(); ++i) {
    const int nibble = pairs.raw()[i / 2] >> (4 * (i % 2)) & 0xF;
    out[i] = static_cast<uint8_t>(is_signed && nibble >= 8 ? nibble - 16 : nibble);
  }
  return result;
}

Tensor WidenFloats(const Tensor& stored, const std::string& what) {
  Tensor result = ConvertTo(stored, DType::kFloat32);
  CheckNoNaN(result, what);
  if (stored.dtype() != DType::kFloat64) return result;
  for (int64_t i = 0; i < stored.num_elements(); ++i) {
    const double value = stored.data<double>()[i];
    if (std::isfinite(value) && std::isinf(result.data<float>()[i])) {
      std::array<char, 32> text{};
      std::snprintf(text.data(), text.size(), "%g", value);
      ThrowMalformed(what, "element " + std::to_string(i) + " is " + text.data() +
                               ", which float32 does not hold");
    }
  }
  return result;
}

// From what the file holds to what the program computes with.
Tensor Finish(Tensor stored, int32_t data_type, const Shape& shape, const std::string& what) {
  if (Is4Bit(data_type)) {
    return Unpack4Bit(stored, data_type == onnx_type::kInt4, shape, what);
  }
  CheckBooleans(stored, what);
  return IsFloat(stored.dtype()) ? WidenFloats(stored, what) : stored;
}

}  // namespace

DType DTypeFromOnnxType(int32_t data_type, const std::string& what) {
  const std::optional<DType> stored = StoredDType(data_type);
  if (!stored) {
    constexpr int32_t kLastKnown = 26;
    if (data_type <= 0 || data_type > kLastKnown) {
      ThrowMalformed(what, "has the unknown element type " + std::to_string(data_type));
    }
    const bool is_string = data_type == onnx_type::kString;
    ThrowUnsupported(what, std::string("has ") + (is_string ? "strings" : "elements") +
                               " of ONNX type " + std::to_string(data_type) +
                               "; supported are booleans, integers and floats of 16 to 64 bits");
  }
  if (data_type == onnx_type::kInt4) return DType::kInt8;
  return IsFloat(*stored) ? DType::kFloat32 : *stored;
}

Tensor OnnxTensorReader::Read(onnx::TensorProto* message, const std::string& what) {
  onnx::TensorProto tensor;
  tensor.Swap(message);
  DTypeFromOnnxType(tensor.data_type(), what);
  if (tensor.has_segment()) {
    ThrowMalformed(what, "is one segment of a tensor; segments were never defined");
  }
  const Shape shape = ReadShape(tensor, what);
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL) {
    return ReadExternal(tensor, shape, what);
  }
  if (tensor.external_data_size() > 0) {
    ThrowMalformed(what, "has external_data, but its data_location does not say EXTERNAL");
  }
  return Finish(ReadInline(tensor, shape, what), tensor.data_type(), shape, what);
}

Tensor OnnxTensorReader::ReadExternal(const onnx::TensorProto& message, const Shape& shape,
                                      const std::string& what) {
  if (message.has_raw_data() || NumTypedElements(message) > 0) {
    ThrowMalformed(what, "has external_data and elements of its own");
  }
  const OnnxExternalRange range = ParseExternalRange(message, what);
  const DType dtype = *StoredDType(message.data_type());
  const Shape stored_shape = StoredShape(message.data_type(), shape);
  const int64_t num_bytes = NumElements(stored_shape) * static_cast<int64_t>(DTypeSize(dtype));
  const auto key = std::make_tuple(range.location, range.offset, num_bytes, message.data_type());
  const auto found = shared_.find(key);
  if (found != shared_.end() && NumElements(found->second.shape()) == NumElements(shape)) {
    return found->second.Reshaped(shape);
  }
  // Sizes are compared with the file before memory is taken.
  external_.Claim(range, num_bytes, what);
  Tensor stored = AllocateTensor(dtype, stored_shape, what);
  external_.Read(range, num_bytes, stored.mutable_raw(), what);
  Tensor result = Finish(std::move(stored), message.data_type(), shape, what);
  shared_.insert_or_assign(key, result);
  return result;
}

}  // namespace adaround
