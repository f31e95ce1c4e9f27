// Softmax and LogSoftmax, from the forward kernel's result y:
//   softmax      dL/dx = y (g - sum of g y)
//   log softmax  dL/dx = g - exp(y) sum of g        sums over what is normalised together
#include <cmath>

#include "runtime/gradients/gradient_util.h"
#include "runtime/gradients/gradients.h"

namespace adaround::gradients {
namespace {

constexpr int64_t kFirstOverOneAxis = 13;

GradientFunction SoftmaxGradient(const GradientSpec& spec, bool logarithm) {
  const KernelFunction forward = CreateKernel({spec.node, spec.opset, {nullptr}});
  const bool flattens = spec.opset < kFirstOverOneAxis;
  const int64_t stated_axis = spec.node.GetInt("axis", flattens ? 1 : -1);
  return [=](const GradientCall& call) -> std::vector<Tensor> {
    const Tensor y = forward(call.inputs)[0];
    const Tensor& of_output = *call.output_gradients[0];
    const int64_t axis = kernels::NormalizeAxis(stated_axis, y.rank());
    const int64_t behind = kernels::ProductOf(y.shape(), axis + 1, y.rank());
    const int64_t count = flattens ? y.dim(axis) * behind : y.dim(axis);
    const int64_t stride = flattens ? 1 : behind;
    Tensor gradient(DType::kFloat32, y.shape());
    const int64_t num_lines = y.num_elements() == 0 ? 0 : y.num_elements() / count;
    for (int64_t line = 0; line < num_lines; ++line) {
      const int64_t start = line / stride * count * stride + line % stride;
      const float* value = y.data<float>() + start;
      const float* g = of_output.data<float>() + start;
      float* out = gradient.mutable_data<float>() + start;
      double sum = 0.0;
      for (int64_t i = 0; i < count * stride; i += stride) {
        const double factor = logarithm ? 1.0 : static_cast<double>(value[i]);
        sum += static_cast<double>(g[i]) * factor;
      }
      for (int64_t i = 0; i < count * stride; i += stride) {
        const double v = static_cast<double>(value[i]);
        out[i] = static_cast<float>(logarithm ? static_cast<double>(g[i]) - std::exp(v) * sum
                                              : v * (static_cast<double>(g[i]) - sum));
      }
    }
    std::vector<Tensor> gradients = NoGradients(call);
    gradients[0] = std::move(gradient);
    return gradients;
  };
}

}  // namespace

GradientFunction CreateSoftmax(const GradientSpec& spec) {
  return SoftmaxGradient(spec, false);
}
GradientFunction CreateLogSoftmax(const GradientSpec& spec) {
  return SoftmaxGradient(spec, true);
}

}  // namespace adaround::gradients
