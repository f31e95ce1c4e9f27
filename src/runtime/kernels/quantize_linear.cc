// QuantizeLinear and DequantizeLinear: one scale and zero point for the tensor, for each index of
// one axis, or for each block along one axis. Both walk the tensor in rows over which the scale
// either stays or advances with the element, so that the loops are plain ones.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <type_traits>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/kernel_util.h"

namespace adaround::kernels {
namespace {

constexpr int64_t kFirstWithAxis = 13;
constexpr int64_t kFirstWithBlocks = 21;

// ONNX's TensorProto.DataType of four-bit integers, which tensors hold one to a byte.
constexpr int64_t kOnnxUInt4 = 21;
constexpr int64_t kOnnxInt4 = 22;

struct ScaleAttributes {
  int64_t axis;
  int64_t block_size;  // 0 = no blocks
};

// How the scale's elements lie on the tensor, read as [outer, extent, inner].
struct ScaleLayout {
  int64_t outer;
  int64_t extent;
  int64_t inner;
  int64_t block;   // indices of the axis that share a scale; `extent` or more: all
  int64_t blocks;  // scales along the axis
  bool along_inner;  // each index of `inner` and `outer` has its own scales
};

ScaleAttributes ReadScaleAttributes(const KernelSpec& spec) {
  ScaleAttributes attributes{};
  attributes.axis = spec.opset >= kFirstWithAxis ? spec.node.GetInt("axis", 1) : 1;
  attributes.block_size =
      spec.opset >= kFirstWithBlocks ? spec.node.GetInt("block_size", 0) : 0;
  if (attributes.block_size < 0) {
    Malformed("attribute 'block_size' is " + std::to_string(attributes.block_size));
  }
  return attributes;
}

ScaleLayout LayOut(const ScaleAttributes& attributes, const Tensor& x, const Tensor& scale) {
  const bool per_tensor = attributes.block_size == 0 && scale.rank() <= 1 &&
                          scale.num_elements() == 1;
  if (per_tensor) return {1, 1, x.num_elements(), 1, 1, false};
  const int64_t axis = NormalizeAxis(attributes.axis, x.rank());
  const size_t at = static_cast<size_t>(axis);
  ScaleLayout layout{};
  layout.outer = ProductOf(x.shape(), 0, axis);
  layout.extent = x.dim(axis);
  layout.inner = ProductOf(x.shape(), axis + 1, x.rank());
  Shape wanted;
  if (attributes.block_size == 0) {
    layout.block = 1;
    layout.blocks = layout.extent;
    wanted = {layout.extent};
  } else {
    layout.block = std::min(attributes.block_size, std::max<int64_t>(1, layout.extent));
    layout.blocks = (layout.extent + layout.block - 1) / layout.block;
    layout.along_inner = true;
    wanted = x.shape();
    wanted[at] = layout.blocks;
  }
  if (scale.shape() != wanted) {
    Malformed("scale has shape " + ShapeToString(scale.shape()) + ", wanted " +
              ShapeToString(wanted) + " for an input of shape " + ShapeToString(x.shape()) +
              ", axis " + std::to_string(axis) + " and block_size " +
              std::to_string(attributes.block_size));
  }
  return layout;
}

// visit(first element, count, first scale, whether the scale advances with the element), over all
// elements in order.
template <typename Visit>
void ForEachRow(const ScaleLayout& layout, Visit visit) {
  const int64_t extent = layout.extent;
  const int64_t inner = layout.inner;
  for (int64_t o = 0; o < layout.outer; ++o) {
    const int64_t start = o * extent * inner;
    const int64_t first_scale = layout.along_inner ? o * layout.blocks * inner : 0;
    if (inner == 1 && layout.block == 1) {
      visit(start, extent, first_scale, true);
    } else if (inner == 1) {
      for (int64_t b = 0; b < layout.blocks; ++b) {
        const int64_t from = b * layout.block;
        visit(start + from, std::min(layout.block, extent - from), first_scale + b, false);
      }
    } else {
      const int64_t scales_per_block = layout.along_inner ? inner : 1;
      for (int64_t k = 0; k < extent; ++k) {
        visit(start + k * inner, inner, first_scale + k / layout.block * scales_per_block,
              layout.along_inner);
      }
    }
  }
}

void CheckZeroPoint(const Tensor& zero_point, const Tensor& scale) {
  const bool both_scalar = zero_point.num_elements() == 1 && scale.num_elements() == 1 &&
                           zero_point.rank() <= 1 && scale.rank() <= 1;
  if (both_scalar || zero_point.shape() == scale.shape()) return;
  Malformed("zero point has shape " + ShapeToString(zero_point.shape()) + ", the scale " +
            ShapeToString(scale.shape()));
}

template <typename Visit>
void VisitQuantized(DType dtype, std::string_view what, Visit visit) {
  switch (dtype) {
    case DType::kInt8: return visit(int8_t{});
    case DType::kUInt8: return visit(uint8_t{});
    case DType::kInt16: return visit(int16_t{});
    case DType::kUInt16: return visit(uint16_t{});
    case DType::kInt32: return visit(int32_t{});
    default: UnsupportedDType(dtype, what);
  }
}

// x - zero_point: 32 bits hold it for all but 32-bit integers.
template <typename T>
float Difference(T x, T zero_point) {
  using Wide = std::conditional_t<sizeof(T) == 4, int64_t, int32_t>;
  return static_cast<float>(static_cast<Wide>(x) - static_cast<Wide>(zero_point));
}

template <typename T>
Tensor Dequantize(const ScaleLayout& layout, const Tensor& x, const Tensor& scale_tensor,
                  const Tensor* zero_point_tensor) {
  Tensor y = NewOutput(DType::kFloat32, x.shape());
  if (y.num_elements() == 0) return y;
  const float* scales = scale_tensor.data<float>();
  const T* zero_points = zero_point_tensor != nullptr ? zero_point_tensor->data<T>() : nullptr;
  ForEachRow(layout, [&](int64_t first, int64_t count, int64_t s, bool advances) {
    const T* in = x.data<T>() + first;
    float* out = y.mutable_data<float>() + first;
    if (!advances) {
      const float scale = scales[s];
      const T zero_point = zero_points != nullptr ? zero_points[s] : T{0};
      for (int64_t i = 0; i < count; ++i) out[i] = Difference(in[i], zero_point) * scale;
    } else if (zero_points != nullptr) {
      for (int64_t i = 0; i < count; ++i) {
        out[i] = Difference(in[i], zero_points[s + i]) * scales[s + i];
      }
    } else {
      for (int64_t i = 0; i < count; ++i) out[i] = Difference(in[i], T{0}) * scales[s + i];
    }
  });
  return y;
}

struct IntegerRange {
  float low;
  float high;
};

// Rounds half to even and saturates. The bounds less the zero point are whole numbers, so clamping
// first gives the same; what is left is below 2^17, where adding 1.5 * 2^23 leaves a float no bits
// for a fraction and rounds it as the mode says. NaN becomes the lower bound.
template <typename T>
T QuantizeOne(float x, float scale, float zero_point, IntegerRange range) {
  constexpr float kRounder = 12582912.0F;
  const float low = range.low - zero_point;
  const float high = range.high - zero_point;
  const float steps = x / scale;
  const float raised = steps > low ? steps : low;
  const float clamped = raised < high ? raised : high;
  const float rounded = (clamped + kRounder) - kRounder;
  return static_cast<T>(static_cast<int32_t>(rounded + zero_point));
}

template <typename T>
Tensor Quantize(const ScaleLayout& layout, const Tensor& x, const Tensor& scale_tensor,
                const Tensor* zero_point_tensor, IntegerRange range) {
  Tensor y = NewOutput(DTypeOf<T>(), x.shape());
  if (y.num_elements() == 0) return y;
  const float* scales = scale_tensor.data<float>();
  const T* zero_points = zero_point_tensor != nullptr ? zero_point_tensor->data<T>() : nullptr;
  const auto zero_point_at = [zero_points](int64_t s) {
    return zero_points != nullptr ? static_cast<float>(zero_points[s]) : 0.0F;
  };
  ForEachRow(layout, [&](int64_t first, int64_t count, int64_t s, bool advances) {
    const float* in = x.data<float>() + first;
    T* out = y.mutable_data<T>() + first;
    if (!advances) {
      const float scale = scales[s];
      const float zero_point = zero_point_at(s);
      for (int64_t i = 0; i < count; ++i) {
        out[i] = QuantizeOne<T>(in[i], scale, zero_point, range);
      }
    } else {
      for (int64_t i = 0; i < count; ++i) {
        out[i] = QuantizeOne<T>(in[i], scales[s + i], zero_point_at(s + i), range);
      }
    }
  });
  return y;
}

// What output_dtype asks for: a dtype and, for four-bit integers, a range narrower than it.
struct QuantizedType {
  DType dtype;
  std::optional<IntegerRange> range;
};

std::optional<QuantizedType> ReadOutputType(const KernelSpec& spec) {
  const int64_t code =
      spec.opset >= kFirstWithBlocks ? spec.node.GetInt("output_dtype", 0) : 0;
  switch (code) {
    case 0: return std::nullopt;
    case 2: return QuantizedType{DType::kUInt8, std::nullopt};
    case 3: return QuantizedType{DType::kInt8, std::nullopt};
    case 4: return QuantizedType{DType::kUInt16, std::nullopt};
    case 5: return QuantizedType{DType::kInt16, std::nullopt};
    case kOnnxUInt4: return QuantizedType{DType::kUInt8, IntegerRange{0.0F, 15.0F}};
    case kOnnxInt4: return QuantizedType{DType::kInt8, IntegerRange{-8.0F, 7.0F}};
    default:
      Unsupported("quantization to ONNX data type " + std::to_string(code) +
                  " is not supported; wanted an integer of 4, 8 or 16 bits");
  }
}

}  // namespace

// Inputs x, scale and, optionally, the zero point in x's dtype: y = (x - zero_point) * scale.
KernelFunction CreateDequantizeLinear(const KernelSpec& spec) {
  CheckArity(spec.node, 2, 3);
  const ScaleAttributes attributes = ReadScaleAttributes(spec);
  return [attributes](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    const Tensor& scale = *inputs[1];
    const Tensor* zero_point = OptionalInput(inputs, 2);
    CheckFloat(scale, "scale");
    const ScaleLayout layout = LayOut(attributes, x, scale);
    if (zero_point != nullptr) {
      CheckSameDType(x, *zero_point);
      CheckZeroPoint(*zero_point, scale);
    }
    std::vector<Tensor> outputs;
    VisitQuantized(x.dtype(), "input", [&](auto zero) {
      outputs.push_back(Dequantize<decltype(zero)>(layout, x, scale, zero_point));
    });
    return outputs;
  };
}

// Inputs x, scale and, optionally, the zero point, whose dtype is the result's (uint8 without one):
// y = saturate(round_half_to_even(x / scale) + zero_point). Results of four bits are kept in bytes.
KernelFunction CreateQuantizeLinear(const KernelSpec& spec) {
  CheckArity(spec.node, 2, 3);
  const ScaleAttributes attributes = ReadScaleAttributes(spec);
  const std::optional<QuantizedType> stated = ReadOutputType(spec);
  return [attributes, stated](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& given = *inputs[0];
    if (given.dtype() != DType::kInt32) CheckFloat(given, "input");
    const Tensor x =
        given.dtype() == DType::kInt32 ? ConvertTo(given, DType::kFloat32) : given;
    const Tensor& scale = *inputs[1];
    const Tensor* zero_point = OptionalInput(inputs, 2);
    CheckFloat(scale, "scale");
    const ScaleLayout layout = LayOut(attributes, x, scale);
    DType dtype = stated ? stated->dtype : DType::kUInt8;
    if (zero_point != nullptr) {
      CheckZeroPoint(*zero_point, scale);
      if (stated && stated->dtype != zero_point->dtype()) {
        Malformed("attribute 'output_dtype' asks for " + std::string(DTypeName(stated->dtype)) +
                  ", the zero point has dtype " + std::string(DTypeName(zero_point->dtype())));
      }
      dtype = zero_point->dtype();
    }
    std::vector<Tensor> outputs;
    VisitQuantized(dtype, "zero point", [&](auto zero) {
      using T = decltype(zero);
      if constexpr (sizeof(T) == 4) {
        UnsupportedDType(dtype, "zero point");
      } else {
        using Limits = std::numeric_limits<T>;
        IntegerRange range{static_cast<float>(Limits::min()), static_cast<float>(Limits::max())};
        if (stated && stated->range) range = *stated->range;
        outputs.push_back(Quantize<T>(layout, x, scale, zero_point, range));
      }
    });
    return outputs;
  };
}

}  // namespace adaround::kernels
