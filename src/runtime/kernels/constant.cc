// Operators whose results depend on attributes or shapes rather than on elements; and Cast.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <variant>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/onnx_dtype.h"

namespace adaround::kernels {
namespace {

const Tensor* TensorAttribute(const Node& node, const char* name) {
  const auto found = node.attributes.find(name);
  if (found == node.attributes.end()) return nullptr;
  const Tensor* tensor = std::get_if<Tensor>(&found->second);
  if (tensor == nullptr) Malformed("attribute '" + std::string(name) + "' must be a tensor");
  return tensor;
}

Tensor ConstantValue(const Node& node) {
  if (const Tensor* value = TensorAttribute(node, "value")) return *value;
  if (node.HasAttribute("value_float")) {
    return Tensor::Scalar(static_cast<float>(node.GetFloat("value_float", 0.0)));
  }
  if (node.HasAttribute("value_int")) return Tensor::Scalar(node.GetInt("value_int", 0));
  if (node.HasAttribute("value_ints")) {
    const std::vector<int64_t> values = node.GetInts("value_ints", {});
    return Tensor::FromVector<int64_t>({static_cast<int64_t>(values.size())}, values);
  }
  if (node.HasAttribute("value_floats")) {
    const std::vector<double> values = node.GetFloats("value_floats", {});
    const Tensor wide =
        Tensor::FromVector<double>({static_cast<int64_t>(values.size())}, values);
    return ConvertTo(wide, DType::kFloat32);
  }
  Unsupported("none of the attributes value, value_float, value_int, value_ints, value_floats");
}

// Conversions of floats to integers that cannot hold them are undefined in C++.
void CheckFits(const Tensor& x, DType to) {
  const bool from_float = x.dtype() == DType::kFloat32 || x.dtype() == DType::kFloat64 ||
                          x.dtype() == DType::kFloat16 || x.dtype() == DType::kBFloat16;
  if (!from_float || to == DType::kFloat32 || to == DType::kFloat64 || to == DType::kBool) return;
  const bool is_unsigned = to == DType::kUInt8 || to == DType::kUInt16 || to == DType::kUInt32 ||
                           to == DType::kUInt64;
  const int bits = static_cast<int>(DTypeSize(to)) * 8;
  const double high = std::ldexp(1.0, is_unsigned ? bits : bits - 1);
  const double low = is_unsigned ? 0.0 : -high;
  const Tensor wide = ConvertTo(x, DType::kFloat64);
  for (int64_t i = 0; i < wide.num_elements(); ++i) {
    const double value = std::trunc(wide.data<double>()[i]);
    if (!(value >= low && value < high)) {
      Malformed("value " + std::to_string(wide.data<double>()[i]) + " does not fit " +
                std::string(DTypeName(to)));
    }
  }
}

template <typename T>
Tensor Range(const Tensor& start_tensor, const Tensor& limit_tensor, const Tensor& delta_tensor) {
  const T start = start_tensor.data<T>()[0];
  const T limit = limit_tensor.data<T>()[0];
  const T delta = delta_tensor.data<T>()[0];
  if (delta == T{0}) Malformed("delta is 0");
  // In long double: 64-bit integers are exact, and nothing overflows.
  const long double count =
      std::ceil((static_cast<long double>(limit) - static_cast<long double>(start)) /
                static_cast<long double>(delta));
  if (std::isnan(count)) Malformed("start, limit or delta is not a number");
  if (count > static_cast<long double>(kMaxOutputElements)) {
    Unsupported("output of " + std::to_string(count) + " elements is larger than " +
                std::to_string(kMaxOutputElements) + " elements");
  }
  Tensor y = NewOutput(DTypeOf<T>(), {static_cast<int64_t>(std::max(0.0L, count))});
  T* out = y.mutable_data<T>();
  for (int64_t i = 0; i < y.num_elements(); ++i) {
    if constexpr (std::is_floating_point_v<T>) {
      out[i] = start + static_cast<T>(i) * delta;
    } else {
      // The product alone may leave T where the sum does not.
      using U = std::make_unsigned_t<T>;
      out[i] = static_cast<T>(static_cast<U>(start) + static_cast<U>(i) * static_cast<U>(delta));
    }
  }
  return y;
}

}  // namespace

DType DTypeFromOnnx(int64_t code) {
  switch (code) {
    case 1: return DType::kFloat32;
    case 2: return DType::kUInt8;
    case 3: return DType::kInt8;
    case 4: return DType::kUInt16;
    case 5: return DType::kInt16;
    case 6: return DType::kInt32;
    case 7: return DType::kInt64;
    case 9: return DType::kBool;
    case 11: return DType::kFloat64;
    case 12: return DType::kUInt32;
    case 13: return DType::kUInt64;
    default:
      Unsupported("conversion to ONNX data type " + std::to_string(code) + " is not supported");
  }
}

KernelFunction CreateConstant(const KernelSpec& spec) {
  CheckArity(spec.node, 0, 0);
  const Tensor value = ConstantValue(spec.node);
  return [value](const KernelInputs&) -> std::vector<Tensor> { return {value}; };
}

KernelFunction CreateConstantOfShape(const KernelSpec& spec) {
  CheckArity(spec.node, 1, 1);
  const Tensor* stated = TensorAttribute(spec.node, "value");
  const Tensor value = stated != nullptr ? *stated : Tensor::Scalar(0.0F);
  if (value.num_elements() != 1) {
    Malformed("attribute 'value' has shape " + ShapeToString(value.shape()) +
              ", wanted one element");
  }
  return [value](const KernelInputs& inputs) -> std::vector<Tensor> {
    Tensor y = NewOutput(value.dtype(), ReadInts(*inputs[0], "shape"));
    const size_t size = DTypeSize(value.dtype());
    for (size_t at = 0; at < y.num_bytes(); at += size) {
      std::memcpy(y.mutable_raw() + at, value.raw(), size);
    }
    return {y};
  };
}

// From opset 15 a part of the shape can be asked for.
KernelFunction CreateShape(const KernelSpec& spec) {
  CheckArity(spec.node, 1, 1);
  const int64_t stated_start = spec.node.GetInt("start", 0);
  const int64_t stated_end = spec.node.GetInt("end", std::numeric_limits<int64_t>::max());
  return [stated_start, stated_end](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Shape& shape = inputs[0]->shape();
    const int64_t rank = inputs[0]->rank();
    const auto clamp = [rank](int64_t axis) {
      return std::clamp<int64_t>(axis < 0 ? axis + rank : axis, 0, rank);
    };
    const int64_t start = clamp(stated_start);
    const int64_t end = std::max(start, clamp(stated_end));
    const std::vector<int64_t> part(shape.begin() + start, shape.begin() + end);
    return {Tensor::FromVector<int64_t>({end - start}, part)};
  };
}

KernelFunction CreateSize(const KernelSpec& spec) {
  CheckArity(spec.node, 1, 1);
  return [](const KernelInputs& inputs) -> std::vector<Tensor> {
    return {Tensor::Scalar(inputs[0]->num_elements())};
  };
}

KernelFunction CreateRange(const KernelSpec& spec) {
  CheckArity(spec.node, 3, 3);
  return [](const KernelInputs& inputs) -> std::vector<Tensor> {
    for (const Tensor* input : inputs) {
      CheckSameDType(*inputs[0], *input);
      if (input->num_elements() != 1) {
        Malformed("input has shape " + ShapeToString(input->shape()) + ", wanted a scalar");
      }
    }
    std::vector<Tensor> outputs;
    VisitArithmetic(inputs[0]->dtype(), "input", [&](auto zero) {
      outputs.push_back(Range<decltype(zero)>(*inputs[0], *inputs[1], *inputs[2]));
    });
    return outputs;
  };
}

KernelFunction CreateCast(const KernelSpec& spec) {
  CheckArity(spec.node, 1, 1);
  if (!spec.node.HasAttribute("to")) Malformed("attribute 'to' is missing");
  const DType to = DTypeFromOnnx(spec.node.GetInt("to", 0));
  return [to](const KernelInputs& inputs) -> std::vector<Tensor> {
    CheckFits(*inputs[0], to);
    return {ConvertTo(*inputs[0], to)};
  };
}

// The second input gives the dtype alone.
KernelFunction CreateCastLike(const KernelSpec& spec) {
  CheckArity(spec.node, 2, 2);
  return [](const KernelInputs& inputs) -> std::vector<Tensor> {
    CheckFits(*inputs[0], inputs[1]->dtype());
    return {ConvertTo(*inputs[0], inputs[1]->dtype())};
  };
}

}  // namespace adaround::kernels
