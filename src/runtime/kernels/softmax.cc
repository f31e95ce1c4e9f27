#include <algorithm>
#include <cmath>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/kernel_util.h"

namespace adaround::kernels {
namespace {

// Over one axis, its elements `stride` apart; the largest is subtracted first so that nothing
// overflows.
void SoftmaxLine(const float* in, float* out, int64_t count, int64_t stride, bool logarithm) {
  float largest = in[0];
  for (int64_t i = 1; i < count; ++i) largest = std::max(largest, in[i * stride]);
  float sum = 0.0F;
  for (int64_t i = 0; i < count; ++i) {
    const float exponential = std::exp(in[i * stride] - largest);
    out[i * stride] = exponential;
    sum += exponential;
  }
  if (logarithm) {
    // The two terms one after the other: their sum would round at the size of the largest.
    const float log_sum = std::log(sum);
    for (int64_t i = 0; i < count; ++i) out[i * stride] = (in[i * stride] - largest) - log_sum;
  } else {
    const float factor = 1.0F / sum;
    for (int64_t i = 0; i < count; ++i) out[i * stride] *= factor;
  }
}

KernelFunction CreateSoftmaxKernel(const KernelSpec& spec, bool logarithm) {
  CheckArity(spec.node, 1, 1);
  const int64_t stated_axis = spec.node.GetInt("axis", -1);
  return [stated_axis, logarithm](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    CheckFloat(x, "input");
    CheckRankAtLeast(x, 1, "input");
    const int64_t axis = NormalizeAxis(stated_axis, x.rank());
    Tensor y = NewOutput(DType::kFloat32, x.shape());
    if (y.num_elements() == 0) return {y};
    const int64_t count = x.dim(axis);
    const int64_t inner = ProductOf(x.shape(), axis + 1, x.rank());
    const int64_t outer = x.num_elements() / (count * inner);
    for (int64_t o = 0; o < outer; ++o) {
      for (int64_t i = 0; i < inner; ++i) {
        const int64_t start = o * count * inner + i;
        SoftmaxLine(x.data<float>() + start, y.mutable_data<float>() + start, count, inner,
                    logarithm);
      }
    }
    return {y};
  };
}

}  // namespace

// From opset 13: over one axis.
KernelFunction CreateSoftmax(const KernelSpec& spec) { return CreateSoftmaxKernel(spec, false); }
KernelFunction CreateLogSoftmax(const KernelSpec& spec) { return CreateSoftmaxKernel(spec, true); }

}  // namespace adaround::kernels
