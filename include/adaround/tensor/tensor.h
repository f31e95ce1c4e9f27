// A dense row-major array with a run-time element type.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "adaround/tensor/shape.h"

namespace adaround {

enum class DType {
  kFloat32,
  kFloat64,
  kFloat16,
  kBFloat16,
  kInt8,
  kUInt8,
  kInt16,
  kUInt16,
  kInt32,
  kUInt32,
  kInt64,
  kUInt64,
  kBool,  // one byte, 0 or 1
};

size_t DTypeSize(DType dtype);            // bytes per element
std::string_view DTypeName(DType dtype);  // numpy's name: "float32", "int64", ...

// Which DType stores T.  Specialised for the arithmetic types that a DType names.
template <typename T>
constexpr DType DTypeOf() = delete;
template <>
constexpr DType DTypeOf<float>() { return DType::kFloat32; }
template <>
constexpr DType DTypeOf<double>() { return DType::kFloat64; }
template <>
constexpr DType DTypeOf<int8_t>() { return DType::kInt8; }
template <>
constexpr DType DTypeOf<uint8_t>() { return DType::kUInt8; }
template <>
constexpr DType DTypeOf<int16_t>() { return DType::kInt16; }
template <>
constexpr DType DTypeOf<uint16_t>() { return DType::kUInt16; }
template <>
constexpr DType DTypeOf<int32_t>() { return DType::kInt32; }
template <>
constexpr DType DTypeOf<uint32_t>() { return DType::kUInt32; }
template <>
constexpr DType DTypeOf<int64_t>() { return DType::kInt64; }
template <>
constexpr DType DTypeOf<uint64_t>() { return DType::kUInt64; }
template <>
constexpr DType DTypeOf<bool>() { return DType::kBool; }

// Copies share the buffer, as do the results of Reshaped(): write only to a tensor that you have
// just made and not yet handed on. Reading from many threads is safe.
class Tensor {
 public:
  // No elements, float32, shape [0].
  Tensor();
  // Uninitialised elements, aligned to 64 bytes.  REQUIRES: CheckedNumElements(shape) has a value.
  Tensor(DType dtype, Shape shape);

  template <typename T>
  static Tensor FromVector(Shape shape, const std::vector<T>& values) {
    Tensor tensor(DTypeOf<T>(), std::move(shape));
    tensor.CheckCount(values.size());
    T* out = tensor.mutable_data<T>();
    for (size_t i = 0; i < values.size(); ++i) out[i] = values[i];
    return tensor;
  }
  template <typename T>
  static Tensor Scalar(T value) {
    return FromVector<T>({}, std::vector<T>{value});
  }
  static Tensor Zeros(DType dtype, Shape shape);

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t rank() const { return static_cast<int64_t>(shape_.size()); }
  // REQUIRES: 0 <= axis < rank().
  int64_t dim(int64_t axis) const { return shape_[static_cast<size_t>(axis)]; }
  int64_t num_elements() const { return num_elements_; }
  size_t num_bytes() const { return static_cast<size_t>(num_elements_) * DTypeSize(dtype_); }

  // REQUIRES: DTypeOf<T>() == dtype() (16-bit floats: use raw()).
  template <typename T>
  const T* data() const {
    CheckType(DTypeOf<T>());
    return reinterpret_cast<const T*>(raw());
  }
  template <typename T>
  T* mutable_data() {
    CheckType(DTypeOf<T>());
    return reinterpret_cast<T*>(mutable_raw());
  }
  const uint8_t* raw() const { return buffer_.get(); }
  uint8_t* mutable_raw() { return buffer_.get(); }

  // The same elements under another shape; shares the buffer.
  // REQUIRES: the element counts agree.
  Tensor Reshaped(Shape shape) const;

  // A copy with its own buffer.
  Tensor Clone() const;

 private:
  void CheckType(DType wanted) const;
  void CheckCount(size_t count) const;

  DType dtype_;
  Shape shape_;
  int64_t num_elements_;
  std::shared_ptr<uint8_t> buffer_;
};

// Element-wise conversion; floats to integers truncate towards zero, as C++ and ONNX Cast do.
Tensor ConvertTo(const Tensor& tensor, DType dtype);

// The elements of an integer tensor (int8 ... int64) as int64.
// Throws Error(kUnsupported) where the dtype is not an integer.
std::vector<int64_t> ToInt64Vector(const Tensor& tensor);

}  // namespace adaround
