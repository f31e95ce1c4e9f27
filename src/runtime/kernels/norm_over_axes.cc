// LpNormalization and MeanVarianceNormalization: statistics over axes that need not be the last.
#include <algorithm>
#include <cmath>

#include "runtime/kernels/broadcast.h"
#include "runtime/kernels/kernels.h"

namespace adaround::kernels {

// Each line along the axis over its norm; a line of zeros stays zero.
KernelFunction CreateLpNormalization(const KernelSpec& spec) {
  CheckArity(spec.node, 1, 1);
  const int64_t stated_axis = spec.node.GetInt("axis", -1);
  const int64_t p = spec.node.GetInt("p", 2);
  if (p != 1 && p != 2) Malformed("attribute 'p' is " + std::to_string(p) + ", wanted 1 or 2");
  return [stated_axis, p](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    CheckFloat(x, "input");
    const int64_t axis = NormalizeAxis(stated_axis, x.rank());
    Tensor y = NewOutput(DType::kFloat32, x.shape());
    if (y.num_elements() == 0) return {y};
    const int64_t count = x.dim(axis);
    const int64_t inner = ProductOf(x.shape(), axis + 1, x.rank());
    for (int64_t line = 0; line < x.num_elements() / count; ++line) {
      const int64_t first = line / inner * count * inner + line % inner;
      const float* in = x.data<float>() + first;
      float* out = y.mutable_data<float>() + first;
      double sum = 0.0;
      for (int64_t i = 0; i < count; ++i) {
        const double value = static_cast<double>(in[i * inner]);
        sum += p == 1 ? std::abs(value) : value * value;
      }
      const double norm = p == 1 ? sum : std::sqrt(sum);
      const float factor = norm == 0.0 ? 0.0F : static_cast<float>(1.0 / norm);
      for (int64_t i = 0; i < count; ++i) out[i * inner] = in[i * inner] * factor;
    }
    return {y};
  };
}

// (x - mean) / (deviation + 1e-9), as the operator's function body has it.
KernelFunction CreateMeanVarianceNormalization(const KernelSpec& spec) {
  CheckArity(spec.node, 1, 1);
  const std::vector<int64_t> stated_axes = spec.node.GetInts("axes", {0, 2, 3});
  return [stated_axes](const KernelInputs& inputs) -> std::vector<Tensor> {
    constexpr double kEpsilon = 1e-9;
    const Tensor& x = *inputs[0];
    CheckFloat(x, "input");
    const std::vector<int64_t> axes = NormalizeAxes(stated_axes, x.rank());
    Shape kept = x.shape();
    for (const int64_t axis : axes) kept[static_cast<size_t>(axis)] = 1;
    const int64_t num_kept = NumElements(kept);
    if (x.num_elements() == 0) return {x};
    const double count = static_cast<double>(x.num_elements() / num_kept);
    // Which of the kept positions each element belongs to.
    const Shape strides = Strides(x.shape());
    const Shape kept_strides = BroadcastStrides(kept, x.shape());
    std::vector<size_t> slice(static_cast<size_t>(x.num_elements()));
    for (size_t i = 0; i < slice.size(); ++i) {
      int64_t index = 0;
      for (size_t d = 0; d < strides.size(); ++d) {
        index += static_cast<int64_t>(i) / strides[d] % x.shape()[d] * kept_strides[d];
      }
      slice[i] = static_cast<size_t>(index);
    }
    const float* in = x.data<float>();
    std::vector<double> mean(static_cast<size_t>(num_kept), 0.0);
    std::vector<double> variance(static_cast<size_t>(num_kept), 0.0);
    for (size_t i = 0; i < slice.size(); ++i) mean[slice[i]] += static_cast<double>(in[i]) / count;
    for (size_t i = 0; i < slice.size(); ++i) {
      const double difference = static_cast<double>(in[i]) - mean[slice[i]];
      variance[slice[i]] += difference * difference / count;
    }
    Tensor y = NewOutput(DType::kFloat32, x.shape());
    for (size_t i = 0; i < slice.size(); ++i) {
      const double deviation = std::sqrt(variance[slice[i]]) + kEpsilon;
      y.mutable_data<float>()[i] =
          static_cast<float>((static_cast<double>(in[i]) - mean[slice[i]]) / deviation);
    }
    return {y};
  };
}

}  // namespace adaround::kernels
