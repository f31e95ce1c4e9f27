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

// One at the first largest element, zero elsewhere.
void HardmaxLine(const float* in, float* out, int64_t count, int64_t stride) {
  int64_t best = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (in[i * stride] > in[best * stride]) best = i;
    out[i * stride] = 0.0F;
  }
  out[best * stride] = 1.0F;
}

// The axes that are normalised together: one or, before opset 13, all from the axis on.
enum class Extent { kAxis, kAxisAndBehind };

// line(in, out, count, stride) for each set of elements that are normalised together.
template <typename Line>
KernelFunction LineKernel(const KernelSpec& spec, Extent extent, Line line) {
  CheckArity(spec.node, 1, 1);
  const bool flattens = extent == Extent::kAxisAndBehind;
  const int64_t stated_axis = spec.node.GetInt("axis", flattens ? 1 : -1);
  return [stated_axis, flattens, line](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    CheckFloat(x, "input");
    CheckRankAtLeast(x, 1, "input");
    const int64_t axis = NormalizeAxis(stated_axis, x.rank());
    Tensor y = NewOutput(DType::kFloat32, x.shape());
    if (y.num_elements() == 0) return {y};
    const int64_t behind = ProductOf(x.shape(), axis + 1, x.rank());
    const int64_t count = flattens ? x.dim(axis) * behind : x.dim(axis);
    const int64_t inner = flattens ? 1 : behind;
    const int64_t outer = x.num_elements() / (count * inner);
    for (int64_t o = 0; o < outer; ++o) {
      for (int64_t i = 0; i < inner; ++i) {
        const int64_t start = o * count * inner + i;
        line(x.data<float>() + start, y.mutable_data<float>() + start, count, inner);
      }
    }
    return {y};
  };
}

KernelFunction SoftmaxKernel(const KernelSpec& spec, Extent extent, bool logarithm) {
  return LineKernel(spec, extent,
                    [logarithm](const float* in, float* out, int64_t count, int64_t stride) {
                      SoftmaxLine(in, out, count, stride, logarithm);
                    });
}

}  // namespace

KernelFunction CreateSoftmax1(const KernelSpec& spec) {
  return SoftmaxKernel(spec, Extent::kAxisAndBehind, false);
}
KernelFunction CreateSoftmax(const KernelSpec& spec) {
  return SoftmaxKernel(spec, Extent::kAxis, false);
}
KernelFunction CreateLogSoftmax1(const KernelSpec& spec) {
  return SoftmaxKernel(spec, Extent::kAxisAndBehind, true);
}
KernelFunction CreateLogSoftmax(const KernelSpec& spec) {
  return SoftmaxKernel(spec, Extent::kAxis, true);
}
KernelFunction CreateHardmax1(const KernelSpec& spec) {
  return LineKernel(spec, Extent::kAxisAndBehind, HardmaxLine);
}
KernelFunction CreateHardmax(const KernelSpec& spec) {
  return LineKernel(spec, Extent::kAxis, HardmaxLine);
}

}  // namespace adaround::kernels
