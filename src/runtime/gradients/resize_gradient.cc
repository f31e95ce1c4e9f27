// Resize and Upsample: along each axis the transpose of the forward direction's sparse matrix, the
// axes in the opposite order.
#include "runtime/gradients/gradient_util.h"
#include "runtime/gradients/gradients.h"
#include "runtime/kernels/resize_taps.h"

namespace adaround::gradients {
namespace {

Tensor TransposeAxis(const Tensor& of_output, const kernels::ResizedAxis& resized) {
  Shape shape = of_output.shape();
  shape[static_cast<size_t>(resized.axis)] = resized.input;
  Tensor gradient = Tensor::Zeros(DType::kFloat32, shape);
  const int64_t inner = kernels::ProductOf(shape, resized.axis + 1, gradient.rank());
  const int64_t outer = kernels::ProductOf(shape, 0, resized.axis);
  const float* g = of_output.data<float>();
  for (int64_t o = 0; o < outer; ++o) {
    float* out = gradient.mutable_data<float>() + o * resized.input * inner;
    for (const kernels::ResizeTaps& taps : resized.taps) {
      for (size_t t = 0; t < taps.index.size() && !taps.extrapolated; ++t) {
        float* row = out + taps.index[t] * inner;
        for (int64_t i = 0; i < inner; ++i) row[i] += taps.weight[t] * g[i];
      }
      g += inner;
    }
  }
  return gradient;
}

}  // namespace

GradientFunction CreateResize(const GradientSpec& spec) {
  const Node node = spec.node;
  const int64_t opset = spec.opset;
  return [node, opset](const GradientCall& call) -> std::vector<Tensor> {
    const Tensor x = ShapeOnly(call.input_shapes[0]);
    KernelInputs inputs = call.inputs;
    inputs[0] = &x;
    const std::vector<kernels::ResizedAxis> axes = kernels::ResizedAxes(node, opset, inputs);
    Tensor gradient = *call.output_gradients[0];
    for (size_t i = axes.size(); i-- > 0;) gradient = TransposeAxis(gradient, axes[i]);
    std::vector<Tensor> gradients = NoGradients(call);
    gradients[0] = gradient;
    return gradients;
  };
}

}  // namespace adaround::gradients
