#include "runtime/kernels/dnnl_convolution.h"
#include "runtime/kernels/kernels.h"

namespace adaround::kernels {
namespace {

ConvolutionProblem MakeProblem(const WindowAttributes& attributes, int64_t groups, const Tensor& x,
                               const Tensor& weights, const Tensor* bias) {
  CheckFloat(x, "input");
  CheckFloat(weights, "weight");
  CheckRankAtLeast(weights, 3, "weight");
  ConvolutionProblem problem;
  problem.groups = groups;
  problem.window = ResolveWindow(attributes, x.shape(), KernelShapeOf(attributes, weights));
  if (problem.window.size() > 3) {
    Unsupported("a convolution over " + std::to_string(problem.window.size()) +
                " axes, at most 3 are supported");
  }
  const int64_t out_channels = weights.dim(0);
  if (out_channels < 1 || weights.dim(1) < 1 || out_channels % groups != 0 ||
      x.dim(1) % groups != 0 || x.dim(1) / groups != weights.dim(1)) {
    Malformed("input " + ShapeToString(x.shape()) + ", weight " + ShapeToString(weights.shape()) +
              " and group " + std::to_string(groups) + " do not fit");
  }
  problem.source = x.shape();
  problem.weights = weights.shape();
  if (groups > 1) {
    problem.weights[0] = out_channels / groups;
    problem.weights.insert(problem.weights.begin(), groups);
  }
  problem.weights_strides = Strides(problem.weights);
  if (bias != nullptr) {
    CheckFloat(*bias, "bias");
    problem.bias = {out_channels};
    if (bias->shape() != problem.bias) {
      Malformed("bias has shape " + ShapeToString(bias->shape()) + ", wanted " +
                ShapeToString(problem.bias));
    }
  }
  problem.destination = WindowOutputShape(x.dim(0), out_channels, problem.window);
  return problem;
}

int64_t ReadGroups(const Node& node) {
  const int64_t groups = node.GetInt("group", 1);
  if (groups < 1) Malformed("attribute 'group' is " + std::to_string(groups));
  return groups;
}

}  // namespace

ConvolutionProblem MakeConvProblem(const Node& node, const Tensor& x, const Tensor& weights,
                                   const Tensor* bias) {
  return MakeProblem(ReadWindowAttributes(node), ReadGroups(node), x, weights, bias);
}

KernelFunction CreateConv(const KernelSpec& spec) {
  CheckArity(spec.node, 2, 3);
  const WindowAttributes attributes = ReadWindowAttributes(spec.node);
  const int64_t groups = ReadGroups(spec.node);
  const auto runner =
      std::make_shared<ConvolutionRunner>(OptionalInput(spec.constants, 1) != nullptr);
  return [attributes, groups, runner](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor* bias = OptionalInput(inputs, 2);
    const ConvolutionProblem problem =
        MakeProblem(attributes, groups, *inputs[0], *inputs[1], bias);
    return {runner->Run(problem, *inputs[0], *inputs[1], bias)};
  };
}

}  // namespace adaround::kernels
