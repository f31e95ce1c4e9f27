// Operators that write elements or slices into a copy of a tensor.
#include <cstring>

#include "runtime/kernels/index_tuples.h"
#include "runtime/kernels/kernels.h"

namespace adaround::kernels {
namespace {

enum class Reduction { kNone, kAdd, kMul, kMin, kMax };

Reduction ReadReduction(const KernelSpec& spec) {
  constexpr int64_t kFirstWithReduction = 16;
  constexpr int64_t kFirstWithExtrema = 18;
  if (spec.opset < kFirstWithReduction) return Reduction::kNone;
  const std::string text = spec.node.GetString("reduction", "none");
  if (spec.opset < kFirstWithExtrema) {
    CheckOneOf(text, {"none", "add", "mul"}, "reduction");
  } else {
    CheckOneOf(text, {"none", "add", "mul", "min", "max"}, "reduction");
  }
  if (text == "none") return Reduction::kNone;
  if (text == "add") return Reduction::kAdd;
  if (text == "mul") return Reduction::kMul;
  return text == "min" ? Reduction::kMin : Reduction::kMax;
}

template <typename T>
T Combine(Reduction reduction, T old, T update) {
  if constexpr (std::is_floating_point_v<T>) {
    if (reduction == Reduction::kAdd) return old + update;
    if (reduction == Reduction::kMul) return old * update;
  } else {
    // Integers wrap around, as in the arithmetic operators.
    using U = std::make_unsigned_t<T>;
    const U a = static_cast<U>(old);
    const U b = static_cast<U>(update);
    if (reduction == Reduction::kAdd) return static_cast<T>(a + b);
    if (reduction == Reduction::kMul) return static_cast<T>(a * b);
  }
  const bool smaller = update < old;
  if (reduction == Reduction::kMin) return smaller ? update : old;
  return update > old ? update : old;
}

// Updates are runs of `run` elements, each written at its offset, one after the other.
Tensor Scatter(const Tensor& x, const std::vector<int64_t>& offsets, int64_t run,
               const Tensor& updates, Reduction reduction) {
  Tensor y = x.Clone();
  if (reduction == Reduction::kNone) {
    const size_t size = DTypeSize(x.dtype());
    const size_t bytes = static_cast<size_t>(run) * size;
    const uint8_t* in = updates.raw();
    for (const int64_t offset : offsets) {
      std::memcpy(y.mutable_raw() + static_cast<size_t>(offset) * size, in, bytes);
      in += bytes;
    }
    return y;
  }
  VisitArithmetic(x.dtype(), "input", [&](auto zero) {
    using T = decltype(zero);
    const T* in = updates.data<T>();
    for (const int64_t offset : offsets) {
      T* out = y.mutable_data<T>() + offset;
      for (int64_t i = 0; i < run; ++i) out[i] = Combine(reduction, out[i], in[i]);
      in += run;
    }
  });
  return y;
}

void CheckUpdates(const Tensor& updates, const Shape& wanted) {
  if (updates.shape() == wanted) return;
  Malformed("updates have shape " + ShapeToString(updates.shape()) + ", wanted " +
            ShapeToString(wanted));
}

}  // namespace

KernelFunction CreateScatterElements(const KernelSpec& spec) {
  CheckArity(spec.node, 3, 3);
  const int64_t stated_axis = spec.node.GetInt("axis", 0);
  const Reduction reduction = ReadReduction(spec);
  return [stated_axis, reduction](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    CheckSameDType(x, *inputs[2]);
    CheckUpdates(*inputs[2], inputs[1]->shape());
    const std::vector<int64_t> offsets =
        ElementOffsets(x.shape(), NormalizeAxis(stated_axis, x.rank()), *inputs[1]);
    return {Scatter(x, offsets, 1, *inputs[2], reduction)};
  };
}

KernelFunction CreateScatterND(const KernelSpec& spec) {
  CheckArity(spec.node, 3, 3);
  const Reduction reduction = ReadReduction(spec);
  return [reduction](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    const Tensor& indices = *inputs[1];
    CheckSameDType(x, *inputs[2]);
    const IndexTuples tuples = ReadIndexTuples(x.shape(), 0, indices);
    Shape wanted(indices.shape().begin(), indices.shape().end() - 1);
    wanted.insert(wanted.end(), tuples.slice_shape.begin(), tuples.slice_shape.end());
    CheckUpdates(*inputs[2], wanted);
    return {Scatter(x, tuples.offsets, NumElements(tuples.slice_shape), *inputs[2], reduction)};
  };
}

}  // namespace adaround::kernels
