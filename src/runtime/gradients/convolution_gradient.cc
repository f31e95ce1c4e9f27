// Conv and ConvTranspose by input, weight and bias.
#include "runtime/gradients/dnnl_convolution_gradient.h"
#include "runtime/gradients/gradient_util.h"
#include "runtime/gradients/gradients.h"

namespace adaround::gradients {
namespace {

using MakeProblem = kernels::ConvolutionProblem (*)(const Node&, const Tensor&, const Tensor&,
                                                    const Tensor*);

// Summed over all positions of each channel, in double.
Tensor BiasGradient(const Tensor& of_output) {
  const int64_t channels = of_output.dim(1);
  const int64_t area = kernels::ProductOf(of_output.shape(), 2, of_output.rank());
  std::vector<double> sums(static_cast<size_t>(channels), 0.0);
  for (int64_t plane = 0; plane < of_output.dim(0) * channels; ++plane) {
    const float* values = of_output.data<float>() + plane * area;
    for (int64_t i = 0; i < area; ++i) {
      sums[static_cast<size_t>(plane % channels)] += static_cast<double>(values[i]);
    }
  }
  Tensor result(DType::kFloat32, {channels});
  for (size_t c = 0; c < sums.size(); ++c) {
    result.mutable_data<float>()[c] = static_cast<float>(sums[c]);
  }
  return result;
}

GradientFunction ConvolutionGradient(const GradientSpec& spec, MakeProblem make_problem) {
  const auto runner = std::make_shared<ConvolutionGradientRunner>();
  const Node node = spec.node;
  return [node, runner, make_problem](const GradientCall& call) -> std::vector<Tensor> {
    const Tensor& of_output = *call.output_gradients[0];
    const Tensor x = InputOrShape(call, 0);
    const Tensor weights = InputOrShape(call, 1);
    const kernels::ConvolutionProblem problem = make_problem(node, x, weights, nullptr);
    std::vector<Tensor> gradients = NoGradients(call);
    if (call.wanted[0]) gradients[0] = runner->ByInput(problem, of_output, weights);
    if (call.wanted[1]) gradients[1] = runner->ByWeights(problem, of_output, x, weights.shape());
    if (call.wanted.size() > 2 && call.wanted[2]) gradients[2] = BiasGradient(of_output);
    return gradients;
  };
}

}  // namespace

GradientFunction CreateConv(const GradientSpec& spec) {
  return ConvolutionGradient(spec, kernels::MakeConvProblem);
}
GradientFunction CreateConvTranspose(const GradientSpec& spec) {
  return ConvolutionGradient(spec, kernels::MakeConvTransposeProblem);
}

}  // namespace adaround::gradients
