// Operators that repeat elements.
#include "base/checked_math.h"
#include "runtime/kernels/broadcast.h"
#include "runtime/kernels/kernels.h"
#include "runtime/kernels/strided_copy.h"

namespace adaround::kernels {
namespace {

Tensor BroadcastTo(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  Tensor y = NewOutput(x.dtype(), shape);
  StridedCopy(x, 0, shape, BroadcastStrides(x.shape(), shape), y);
  return y;
}

template <typename T>
void Select(const bool* condition, const Tensor& a, const Tensor& b, Tensor& y) {
  const T* pa = reinterpret_cast<const T*>(a.raw());
  const T* pb = reinterpret_cast<const T*>(b.raw());
  T* out = reinterpret_cast<T*>(y.mutable_raw());
  for (int64_t i = 0; i < y.num_elements(); ++i) out[i] = condition[i] ? pa[i] : pb[i];
}

}  // namespace

KernelFunction CreateExpand(const KernelSpec& spec) {
  CheckArity(spec.node, 2, 2);
  return [](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    const Shape wanted = ReadInts(*inputs[1], "shape");
    CheckOutputShape(wanted);
    const Shape shape = BroadcastShape(x.shape(), wanted);
    CheckOutputShape(shape);
    return {BroadcastTo(x, shape)};
  };
}

KernelFunction CreateTile(const KernelSpec& spec) {
  CheckArity(spec.node, 2, 2);
  return [](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    const std::vector<int64_t> repeats = ReadInts(*inputs[1], "repeats");
    if (static_cast<int64_t>(repeats.size()) != x.rank()) {
      Malformed("repeats has " + std::to_string(repeats.size()) + " entries, the input " +
                std::to_string(x.rank()) + " axes");
    }
    // Each axis is read as two: which copy, and where in it.
    const Shape own = Strides(x.shape());
    Shape shape;
    Shape extents;
    Shape strides;
    for (size_t d = 0; d < repeats.size(); ++d) {
      const std::optional<int64_t> extent = CheckedMultiply(x.shape()[d], repeats[d]);
      if (repeats[d] < 0 || !extent) Malformed("repeats holds " + std::to_string(repeats[d]));
      shape.push_back(*extent);
      extents.insert(extents.end(), {repeats[d], x.shape()[d]});
      strides.insert(strides.end(), {0, own[d]});
    }
    Tensor y = NewOutput(x.dtype(), shape);
    if (y.num_elements() > 0) StridedCopy(x, 0, extents, strides, y);
    return {y};
  };
}

KernelFunction CreateWhere(const KernelSpec& spec) {
  CheckArity(spec.node, 3, 3);
  return [](const KernelInputs& inputs) -> std::vector<Tensor> {
    CheckDType(*inputs[0], DType::kBool, "condition");
    CheckSameDType(*inputs[1], *inputs[2]);
    const Shape shape = BroadcastShape(
        BroadcastShape(inputs[0]->shape(), inputs[1]->shape()), inputs[2]->shape());
    Tensor y = NewOutput(inputs[1]->dtype(), shape);
    const Tensor condition = BroadcastTo(*inputs[0], shape);
    const Tensor a = BroadcastTo(*inputs[1], shape);
    const Tensor b = BroadcastTo(*inputs[2], shape);
    switch (DTypeSize(y.dtype())) {
      case 1: Select<uint8_t>(condition.data<bool>(), a, b, y); break;
      case 2: Select<uint16_t>(condition.data<bool>(), a, b, y); break;
      case 4: Select<uint32_t>(condition.data<bool>(), a, b, y); break;
      default: Select<uint64_t>(condition.data<bool>(), a, b, y); break;
    }
    return {y};
  };
}

}  // namespace adaround::kernels
