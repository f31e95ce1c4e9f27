#include <algorithm>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/kernel_util.h"

namespace adaround::kernels {
namespace {

// reduce(values, count) over all spatial positions of each channel.
template <typename Reduce>
KernelFunction GlobalPool(const KernelSpec& spec, Reduce reduce) {
  CheckArity(spec.node, 1, 1);
  return [reduce](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    CheckFloat(x, "input");
    CheckRankAtLeast(x, 3, "input");
    const int64_t area = ProductOf(x.shape(), 2, x.rank());
    if (area < 1) Malformed("input of shape " + ShapeToString(x.shape()) + " has nothing to pool");
    Shape shape(x.shape().size(), 1);
    shape[0] = x.dim(0);
    shape[1] = x.dim(1);
    Tensor y = NewOutput(DType::kFloat32, shape);
    for (int64_t plane = 0; plane < y.num_elements(); ++plane) {
      y.mutable_data<float>()[plane] = reduce(x.data<float>() + plane * area, area);
    }
    return {y};
  };
}

}  // namespace

KernelFunction CreateGlobalAveragePool(const KernelSpec& spec) {
  return GlobalPool(spec, [](const float* values, int64_t count) {
    // Double: a plane may hold many thousand positions.
    double sum = 0.0;
    for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(values[i]);
    return static_cast<float>(sum / static_cast<double>(count));
  });
}

KernelFunction CreateGlobalMaxPool(const KernelSpec& spec) {
  return GlobalPool(spec, [](const float* values, int64_t count) {
    return *std::max_element(values, values + count);
  });
}

}  // namespace adaround::kernels
