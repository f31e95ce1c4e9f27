#include "adaround/tensor/tensor.h"

#include <bit>
#include <cstring>
#include <new>

#include "adaround/base/error.h"

namespace adaround {
namespace {

constexpr std::align_val_t kAlignment{64};

float HalfToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000U) << 16;
  uint32_t exponent = (half >> 10) & 0x1FU;
  uint32_t mantissa = half & 0x3FFU;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000U | (mantissa << 13));
  if (exponent == 0) {
    if (mantissa == 0) return std::bit_cast<float>(sign);
    // Subnormal: shift the leading one into place.
    exponent = 1;
    while ((mantissa & 0x400U) == 0) {
      mantissa <<= 1;
      --exponent;
    }
    mantissa &= 0x3FFU;
  }
  return std::bit_cast<float>(sign | ((exponent + 112U) << 23) | (mantissa << 13));
}

float BFloat16ToFloat(uint16_t value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value) << 16);
}

// Calls visit(pointer to the elements as T) for the C++ type that stores `tensor`.
template <typename Visit>
void VisitElements(const Tensor& tensor, Visit visit) {
  switch (tensor.dtype()) {
    case DType::kFloat32: return visit(tensor.data<float>());
    case DType::kFloat64: return visit(tensor.data<double>());
    case DType::kInt8: return visit(tensor.data<int8_t>());
    case DType::kUInt8: return visit(tensor.data<uint8_t>());
    case DType::kInt16: return visit(tensor.data<int16_t>());
    case DType::kUInt16: return visit(tensor.data<uint16_t>());
    case DType::kInt32: return visit(tensor.data<int32_t>());
    case DType::kUInt32: return visit(tensor.data<uint32_t>());
    case DType::kInt64: return visit(tensor.data<int64_t>());
    case DType::kUInt64: return visit(tensor.data<uint64_t>());
    case DType::kBool: return visit(tensor.data<bool>());
    case DType::kFloat16:
    case DType::kBFloat16: break;  // handled by the caller: no C++ type in this standard
  }
  ADAROUND_CHECK(false);
}

Tensor WidenHalf(const Tensor& tensor) {
  Tensor result(DType::kFloat32, tensor.shape());
  float* out = result.mutable_data<float>();
  const bool brain = tensor.dtype() == DType::kBFloat16;
  for (int64_t i = 0; i < tensor.num_elements(); ++i) {
    uint16_t bits = 0;
    std::memcpy(&bits, tensor.raw() + 2 * i, 2);
    out[i] = brain ? BFloat16ToFloat(bits) : HalfToFloat(bits);
  }
  return result;
}

template <typename To>
Tensor ConvertElements(const Tensor& tensor) {
  Tensor result(DTypeOf<To>(), tensor.shape());
  To* out = result.mutable_data<To>();
  VisitElements(tensor, [&](const auto* in) {
    for (int64_t i = 0; i < tensor.num_elements(); ++i) out[i] = static_cast<To>(in[i]);
  });
  return result;
}

}  // namespace

size_t DTypeSize(DType dtype) {
  switch (dtype) {
    case DType::kInt8:
    case DType::kUInt8:
    case DType::kBool: return 1;
    case DType::kFloat16:
    case DType::kBFloat16:
    case DType::kInt16:
    case DType::kUInt16: return 2;
    case DType::kFloat32:
    case DType::kInt32:
    case DType::kUInt32: return 4;
    case DType::kFloat64:
    case DType::kInt64:
    case DType::kUInt64: return 8;
  }
  ADAROUND_CHECK(false);
}

std::string_view DTypeName(DType dtype) {
  switch (dtype) {
    case DType::kFloat32: return "float32";
    case DType::kFloat64: return "float64";
    case DType::kFloat16: return "float16";
    case DType::kBFloat16: return "bfloat16";
    case DType::kInt8: return "int8";
    case DType::kUInt8: return "uint8";
    case DType::kInt16: return "int16";
    case DType::kUInt16: return "uint16";
    case DType::kInt32: return "int32";
    case DType::kUInt32: return "uint32";
    case DType::kInt64: return "int64";
    case DType::kUInt64: return "uint64";
    case DType::kBool: return "bool";
  }
  ADAROUND_CHECK(false);
}

Tensor::Tensor() : Tensor(DType::kFloat32, {0}) {}

Tensor::Tensor(DType dtype, Shape shape)
    : dtype_(dtype), shape_(std::move(shape)), num_elements_(NumElements(shape_)) {
  const size_t bytes = num_bytes();
  buffer_ = std::shared_ptr<uint8_t>(
      static_cast<uint8_t*>(::operator new(bytes == 0 ? 1 : bytes, kAlignment)),
      [](uint8_t* buffer) { ::operator delete(buffer, kAlignment); });
}

Tensor Tensor::Zeros(DType dtype, Shape shape) {
  Tensor tensor(dtype, std::move(shape));
  std::memset(tensor.mutable_raw(), 0, tensor.num_bytes());
  return tensor;
}

Tensor Tensor::Reshaped(Shape shape) const {
  ADAROUND_CHECK(NumElements(shape) == num_elements_);
  Tensor result = *this;
  result.shape_ = std::move(shape);
  return result;
}

Tensor Tensor::Clone() const {
  Tensor result(dtype_, shape_);
  std::memcpy(result.mutable_raw(), raw(), num_bytes());
  return result;
}

void Tensor::CheckType(DType wanted) const { ADAROUND_CHECK(wanted == dtype_); }

void Tensor::CheckCount(size_t count) const {
  ADAROUND_CHECK(count == static_cast<size_t>(num_elements_));
}

Tensor ConvertTo(const Tensor& tensor, DType dtype) {
  if (tensor.dtype() == dtype) return tensor;
  if (tensor.dtype() == DType::kFloat16 || tensor.dtype() == DType::kBFloat16) {
    return ConvertTo(WidenHalf(tensor), dtype);
  }
  switch (dtype) {
    case DType::kFloat32: return ConvertElements<float>(tensor);
    case DType::kFloat64: return ConvertElements<double>(tensor);
    case DType::kInt8: return ConvertElements<int8_t>(tensor);
    case DType::kUInt8: return ConvertElements<uint8_t>(tensor);
    case DType::kInt16: return ConvertElements<int16_t>(tensor);
    case DType::kUInt16: return ConvertElements<uint16_t>(tensor);
    case DType::kInt32: return ConvertElements<int32_t>(tensor);
    case DType::kUInt32: return ConvertElements<uint32_t>(tensor);
    case DType::kInt64: return ConvertElements<int64_t>(tensor);
    case DType::kUInt64: return ConvertElements<uint64_t>(tensor);
    case DType::kBool: return ConvertElements<bool>(tensor);
    case DType::kFloat16:
    case DType::kBFloat16: break;
  }
  throw Error(ErrorCode::kUnsupported,
              std::string("conversion to ") + std::string(DTypeName(dtype)) + " is not supported");
}

std::vector<int64_t> ToInt64Vector(const Tensor& tensor) {
  switch (tensor.dtype()) {
    case DType::kFloat32:
    case DType::kFloat64:
    case DType::kFloat16:
    case DType::kBFloat16:
    case DType::kBool:
      throw Error(ErrorCode::kUnsupported, "an integer tensor is needed, found " +
                                               std::string(DTypeName(tensor.dtype())));
    default: break;
  }
  const Tensor wide = ConvertTo(tensor, DType::kInt64);
  return {wide.data<int64_t>(), wide.data<int64_t>() + wide.num_elements()};
}

}  // namespace adaround
