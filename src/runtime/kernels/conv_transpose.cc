#include <algorithm>

#include "base/checked_math.h"
#include "runtime/kernels/dnnl_convolution.h"
#include "runtime/kernels/kernels.h"

namespace adaround::kernels {
namespace {

constexpr int64_t kMaxExtent = int64_t{1} << 30;

struct TransposeAttributes {
  WindowAttributes window;
  std::vector<int64_t> output_padding;
  std::vector<int64_t> output_shape;
  int64_t groups;
};

int64_t EntryOr(const std::vector<int64_t>& values, size_t index, int64_t fallback) {
  return values.empty() ? fallback : values[index];
}

void CheckLength(const std::vector<int64_t>& values, size_t wanted, const char* what) {
  if (values.empty() || values.size() == wanted) return;
  Malformed("attribute '" + std::string(what) + "' has " + std::to_string(values.size()) +
            " entries, wanted " + std::to_string(wanted));
}

TransposeAttributes ReadTransposeAttributes(const Node& node) {
  TransposeAttributes attributes;
  attributes.window = ReadWindowAttributes(node);
  attributes.output_padding = node.GetInts("output_padding", {});
  attributes.output_shape = node.GetInts("output_shape", {});
  attributes.groups = node.GetInt("group", 1);
  if (attributes.groups < 1) {
    Malformed("attribute 'group' is " + std::to_string(attributes.groups));
  }
  for (const int64_t padding : attributes.output_padding) {
    if (padding < 0 || padding > kMaxExtent) {
      Malformed("attribute 'output_padding' holds " + std::to_string(padding));
    }
  }
  for (const int64_t extent : attributes.output_shape) {
    if (extent < 1 || extent > kMaxExtent) {
      Malformed("attribute 'output_shape' holds " + std::to_string(extent));
    }
  }
  return attributes;
}

// One axis of the convolution that this operator transposes: its window slides over our output.
WindowAxis ResolveAxis(const TransposeAttributes& attributes, size_t index, size_t rank,
                       int64_t input, int64_t kernel) {
  const WindowAttributes& window = attributes.window;
  WindowAxis axis{};
  axis.output = input;
  axis.kernel = kernel;
  axis.stride = EntryOr(window.strides, index, 1);
  axis.dilation = EntryOr(window.dilations, index, 1);
  const int64_t output_padding = EntryOr(attributes.output_padding, index, 0);
  // What the windows cover, and how much of it is cut off at both ends together.
  const int64_t covered = (input - 1) * axis.stride + output_padding + axis.kernel_extent();
  int64_t cut = 0;
  if (!attributes.output_shape.empty()) {
    axis.input = attributes.output_shape[index];
    cut = covered - axis.input;
  } else if (window.auto_pad == AutoPad::kSameUpper || window.auto_pad == AutoPad::kSameLower) {
    axis.input = input * axis.stride;
    cut = covered - axis.input;
  } else {
    const bool stated = window.auto_pad == AutoPad::kNotSet;
    axis.pad_begin = stated ? EntryOr(window.pads, index, 0) : 0;
    axis.pad_end = stated && !window.pads.empty() ? window.pads[index + rank] : 0;
    axis.input = covered - axis.pad_begin - axis.pad_end;
  }
  const bool derived = !attributes.output_shape.empty() ||
                       window.auto_pad == AutoPad::kSameUpper ||
                       window.auto_pad == AutoPad::kSameLower;
  if (derived) {
    // Where more is asked for than the windows cover, the rest is at the end.
    const int64_t half = std::max<int64_t>(0, cut) / 2;
    const int64_t larger = std::max<int64_t>(0, cut) - half;
    axis.pad_begin = window.auto_pad == AutoPad::kSameUpper ? half : larger;
    axis.pad_end = cut - axis.pad_begin;
  }
  // oneDNN's limit. The output's last positions would hold the bias alone.
  if (axis.pad_end - output_padding <= -axis.stride) {
    Unsupported("an output of " + std::to_string(axis.input) + " is longer than what the windows " +
                "cover by the stride " + std::to_string(axis.stride) + " or more");
  }
  if (axis.input < 1 || axis.input > kMaxExtent) {
    Malformed("the output's extent would be " + std::to_string(axis.input));
  }
  return axis;
}

ConvolutionProblem MakeProblem(const TransposeAttributes& attributes, const Tensor& x,
                               const Tensor& weights, const Tensor* bias) {
  CheckFloat(x, "input");
  CheckFloat(weights, "weight");
  CheckRankAtLeast(weights, 3, "weight");
  const Shape kernel = KernelShapeOf(attributes.window, weights);
  const size_t rank = kernel.size();
  if (rank > 3) Unsupported("a convolution over more than 3 axes");
  const int64_t groups = attributes.groups;
  const int64_t in_channels = weights.dim(0);
  const int64_t group_outputs = weights.dim(1);
  if (x.shape().size() != rank + 2 || x.dim(1) != in_channels || in_channels < 1 ||
      group_outputs < 1 || in_channels % groups != 0) {
    Malformed("input " + ShapeToString(x.shape()) + ", weight " + ShapeToString(weights.shape()) +
              " and group " + std::to_string(groups) + " do not fit");
  }
  const std::optional<int64_t> out_channels = CheckedMultiply(group_outputs, groups);
  if (!out_channels) Malformed("group " + std::to_string(groups) + " is too large");
  CheckLength(attributes.window.strides, rank, "strides");
  CheckLength(attributes.window.dilations, rank, "dilations");
  CheckLength(attributes.window.pads, 2 * rank, "pads");
  CheckLength(attributes.output_padding, rank, "output_padding");
  CheckLength(attributes.output_shape, rank, "output_shape");
  ConvolutionProblem problem;
  problem.transposed = true;
  problem.groups = groups;
  problem.source = x.shape();
  problem.destination = {x.dim(0), *out_channels};
  for (size_t i = 0; i < rank; ++i) {
    const int64_t extent = x.shape()[i + 2];
    if (extent < 1 || extent > kMaxExtent || kernel[i] < 1 || kernel[i] > kMaxExtent) {
      Malformed("input " + ShapeToString(x.shape()) + " with kernel " + ShapeToString(kernel));
    }
    problem.window.push_back(ResolveAxis(attributes, i, rank, extent, kernel[i]));
    problem.destination.push_back(problem.window.back().input);
  }
  // The weight lies as [I, O / G, kernel...], I counted over all groups.
  const Shape own = Strides(weights.shape());
  if (groups > 1) {
    problem.weights = {groups, group_outputs, in_channels / groups};
    problem.weights_strides = {in_channels / groups * own[0], own[1], own[0]};
  } else {
    problem.weights = {group_outputs, in_channels};
    problem.weights_strides = {own[1], own[0]};
  }
  problem.weights.insert(problem.weights.end(), kernel.begin(), kernel.end());
  problem.weights_strides.insert(problem.weights_strides.end(), own.begin() + 2, own.end());
  if (bias != nullptr) {
    CheckFloat(*bias, "bias");
    problem.bias = {*out_channels};
    if (bias->shape() != problem.bias) {
      Malformed("bias has shape " + ShapeToString(bias->shape()) + ", wanted " +
                ShapeToString(problem.bias));
    }
  }
  return problem;
}

}  // namespace

Window ResolveTransposedWindow(const Node& node, const Shape& input, const Shape& weight) {
  const TransposeAttributes attributes = ReadTransposeAttributes(node);
  Window window;
  for (size_t i = 0; i + 2 < weight.size(); ++i) {
    window.push_back(
        ResolveAxis(attributes, i, weight.size() - 2, input[i + 2], weight[i + 2]));
  }
  return window;
}

ConvolutionProblem MakeConvTransposeProblem(const Node& node, const Tensor& x,
                                            const Tensor& weights, const Tensor* bias) {
  return MakeProblem(ReadTransposeAttributes(node), x, weights, bias);
}

KernelFunction CreateConvTranspose(const KernelSpec& spec) {
  CheckArity(spec.node, 2, 3);
  const TransposeAttributes attributes = ReadTransposeAttributes(spec.node);
  const auto runner =
      std::make_shared<ConvolutionRunner>(OptionalInput(spec.constants, 1) != nullptr);
  return [attributes, runner](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor* bias = OptionalInput(inputs, 2);
    const ConvolutionProblem problem = MakeProblem(attributes, *inputs[0], *inputs[1], bias);
    return {runner->Run(problem, *inputs[0], *inputs[1], bias)};
  };
}

}  // namespace adaround::kernels
