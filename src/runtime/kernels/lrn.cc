#include <algorithm>
#include <cmath>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/kernel_util.h"

namespace adaround::kernels {

// Each element over (bias + alpha / size * sum of squares)^beta, the sum going over the channels
// from c - floor((size - 1) / 2) to c + ceil((size - 1) / 2) at the same position.
KernelFunction CreateLRN(const KernelSpec& spec) {
  CheckArity(spec.node, 1, 1);
  const int64_t size = spec.node.GetInt("size", 0);
  if (size < 1) Malformed("attribute 'size' is " + std::to_string(size));
  const float alpha =
      static_cast<float>(spec.node.GetFloat("alpha", 1e-4) / static_cast<double>(size));
  const float beta = static_cast<float>(spec.node.GetFloat("beta", 0.75));
  const float bias = static_cast<float>(spec.node.GetFloat("bias", 1.0));
  return [=](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    CheckFloat(x, "input");
    CheckRankAtLeast(x, 2, "input");
    const int64_t channels = x.dim(1);
    const int64_t area = ProductOf(x.shape(), 2, x.rank());
    Tensor y = NewOutput(DType::kFloat32, x.shape());
    if (y.num_elements() == 0) return {y};
    const int64_t before = std::min((size - 1) / 2, channels);
    const int64_t behind = std::min(size - 1 - (size - 1) / 2, channels);
    std::vector<float> squares(static_cast<size_t>(area));
    for (int64_t plane = 0; plane < x.dim(0) * channels; ++plane) {
      const int64_t c = plane % channels;
      std::fill(squares.begin(), squares.end(), 0.0F);
      for (int64_t k = std::max<int64_t>(0, c - before); k <= std::min(channels - 1, c + behind);
           ++k) {
        const float* in = x.data<float>() + (plane - c + k) * area;
        for (int64_t i = 0; i < area; ++i) squares[static_cast<size_t>(i)] += in[i] * in[i];
      }
      const float* in = x.data<float>() + plane * area;
      float* out = y.mutable_data<float>() + plane * area;
      for (int64_t i = 0; i < area; ++i) {
        out[i] = in[i] / std::pow(bias + alpha * squares[static_cast<size_t>(i)], beta);
      }
    }
    return {y};
  };
}

}  // namespace adaround::kernels
