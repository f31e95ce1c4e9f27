#include <cstring>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/kernel_util.h"

namespace adaround::kernels {

KernelFunction CreateGather(const KernelSpec& spec) {
  CheckArity(spec.node, 2, 2);
  const int64_t stated_axis = spec.node.GetInt("axis", 0);
  return [stated_axis](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    const Tensor& indices = *inputs[1];
    if (indices.dtype() != DType::kInt64 && indices.dtype() != DType::kInt32) {
      UnsupportedDType(indices.dtype(), "indices");
    }
    const int64_t axis = NormalizeAxis(stated_axis, x.rank());
    const int64_t extent = x.dim(axis);
    std::vector<int64_t> positions = ToInt64Vector(indices);
    for (int64_t& position : positions) {
      if (position < -extent || position >= extent) {
        Malformed("index " + std::to_string(position) + " is outside axis " +
                  std::to_string(axis) + " of shape " + ShapeToString(x.shape()));
      }
      if (position < 0) position += extent;
    }
    Shape shape(x.shape().begin(), x.shape().begin() + axis);
    shape.insert(shape.end(), indices.shape().begin(), indices.shape().end());
    shape.insert(shape.end(), x.shape().begin() + axis + 1, x.shape().end());
    Tensor y = NewOutput(x.dtype(), shape);
    if (y.num_elements() == 0) return {y};
    const int64_t outer = ProductOf(x.shape(), 0, axis);
    const size_t run = static_cast<size_t>(ProductOf(x.shape(), axis + 1, x.rank())) *
                       DTypeSize(x.dtype());
    uint8_t* out = y.mutable_raw();
    for (int64_t o = 0; o < outer; ++o) {
      for (const int64_t position : positions) {
        std::memcpy(out, x.raw() + static_cast<size_t>(o * extent + position) * run, run);
        out += run;
      }
    }
    return {y};
  };
}

}  // namespace adaround::kernels
