#include "runtime/kernels/window.h"

#include <algorithm>

namespace adaround::kernels {
namespace {

// Larger numbers make no sense, and up to here no product of two of them overflows.
constexpr int64_t kMaxExtent = int64_t{1} << 30;

void CheckValues(const std::vector<int64_t>& values, int64_t min, const char* what) {
  for (const int64_t value : values) {
    if (value < min || value > kMaxExtent) {
      Malformed("attribute '" + std::string(what) + "' holds " + std::to_string(value) +
                ", wanted " + std::to_string(min) + " to " + std::to_string(kMaxExtent));
    }
  }
}

void CheckLength(const std::vector<int64_t>& values, size_t wanted, const char* what) {
  if (values.empty() || values.size() == wanted) return;
  Malformed("attribute '" + std::string(what) + "' has " + std::to_string(values.size()) +
            " entries, wanted " + std::to_string(wanted));
}

AutoPad ParseAutoPad(const std::string& text) {
  CheckOneOf(text, {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"}, "auto_pad");
  if (text == "SAME_UPPER") return AutoPad::kSameUpper;
  if (text == "SAME_LOWER") return AutoPad::kSameLower;
  return text == "VALID" ? AutoPad::kValid : AutoPad::kNotSet;
}

void PadToSameExtent(AutoPad auto_pad, WindowAxis& axis) {
  axis.output = (axis.input + axis.stride - 1) / axis.stride;
  const int64_t total =
      std::max<int64_t>(0, (axis.output - 1) * axis.stride + axis.kernel_extent() - axis.input);
  axis.pad_begin = auto_pad == AutoPad::kSameUpper ? total / 2 : total - total / 2;
  axis.pad_end = total - axis.pad_begin;
}

void CountOutputs(bool ceil_mode, WindowAxis& axis) {
  const int64_t room = axis.input + axis.pad_begin + axis.pad_end - axis.kernel_extent();
  if (room < 0) {
    Malformed("a window of " + std::to_string(axis.kernel_extent()) +
              " does not fit into an input of " + std::to_string(axis.input) + " with pads " +
              std::to_string(axis.pad_begin) + " and " + std::to_string(axis.pad_end));
  }
  axis.output = room / axis.stride + 1;
  // Rounding up adds a window unless it would start in the padding at the end.
  if (ceil_mode && room % axis.stride != 0 &&
      axis.output * axis.stride < axis.input + axis.pad_begin) {
    ++axis.output;
  }
}

}  // namespace

WindowAttributes ReadWindowAttributes(const Node& node) {
  WindowAttributes attributes;
  attributes.kernel_shape = node.GetInts("kernel_shape", {});
  attributes.strides = node.GetInts("strides", {});
  attributes.dilations = node.GetInts("dilations", {});
  attributes.pads = node.GetInts("pads", {});
  attributes.auto_pad = ParseAutoPad(node.GetString("auto_pad", "NOTSET"));
  attributes.ceil_mode = node.GetInt("ceil_mode", 0) != 0;
  CheckValues(attributes.kernel_shape, 1, "kernel_shape");
  CheckValues(attributes.strides, 1, "strides");
  CheckValues(attributes.dilations, 1, "dilations");
  CheckValues(attributes.pads, 0, "pads");
  return attributes;
}

Window ResolveWindow(const WindowAttributes& attributes, const Shape& input,
                     const Shape& kernel_shape) {
  const size_t rank = kernel_shape.size();
  if (input.size() != rank + 2 || rank == 0) {
    Malformed("input has shape " + ShapeToString(input) + ", wanted [N, C] and " +
              std::to_string(rank) + " spatial axes as in kernel " + ShapeToString(kernel_shape));
  }
  CheckLength(attributes.strides, rank, "strides");
  CheckLength(attributes.dilations, rank, "dilations");
  CheckLength(attributes.pads, 2 * rank, "pads");
  CheckValues(kernel_shape, 1, "kernel_shape");
  Window window;
  for (size_t i = 0; i < rank; ++i) {
    WindowAxis axis{};
    axis.input = input[i + 2];
    if (axis.input < 1 || axis.input > kMaxExtent) {
      Malformed("input has shape " + ShapeToString(input) + ", wanted extents from 1 to " +
                std::to_string(kMaxExtent));
    }
    axis.kernel = kernel_shape[i];
    axis.stride = attributes.strides.empty() ? 1 : attributes.strides[i];
    axis.dilation = attributes.dilations.empty() ? 1 : attributes.dilations[i];
    const bool explicit_pads = attributes.auto_pad == AutoPad::kNotSet && !attributes.pads.empty();
    axis.pad_begin = explicit_pads ? attributes.pads[i] : 0;
    axis.pad_end = explicit_pads ? attributes.pads[i + rank] : 0;
    if (attributes.auto_pad == AutoPad::kSameUpper || attributes.auto_pad == AutoPad::kSameLower) {
      PadToSameExtent(attributes.auto_pad, axis);
    } else {
      CountOutputs(attributes.ceil_mode, axis);
    }
    window.push_back(axis);
  }
  return window;
}

Taps TapsInside(const WindowAxis& axis, int64_t output) {
  const int64_t start = output * axis.stride - axis.pad_begin;
  const int64_t first = start < 0 ? (-start + axis.dilation - 1) / axis.dilation : 0;
  const int64_t last = axis.input > start ? (axis.input - 1 - start) / axis.dilation + 1 : 0;
  return {std::min(first, axis.kernel), std::clamp<int64_t>(last, 0, axis.kernel)};
}

int64_t AveragedTaps(const WindowAxis& axis, int64_t output, bool include_pad) {
  if (include_pad) {
    const int64_t start = output * axis.stride - axis.pad_begin;
    const int64_t room = axis.input + axis.pad_end - 1 - start;
    return room < 0 ? 0 : std::min(axis.kernel, room / axis.dilation + 1);
  }
  const Taps taps = TapsInside(axis, output);
  return std::max<int64_t>(0, taps.end - taps.begin);
}

WindowAttributes ReadPoolAttributes(const Node& node) {
  if (!node.HasAttribute("kernel_shape")) Malformed("attribute 'kernel_shape' is missing");
  return ReadWindowAttributes(node);
}

Shape WindowOutputShape(int64_t n, int64_t c, const Window& window) {
  Shape shape = {n, c};
  for (const WindowAxis& axis : window) shape.push_back(axis.output);
  return shape;
}

Shape KernelShapeOf(const WindowAttributes& attributes, const Tensor& weight) {
  const Shape kernel_shape(weight.shape().begin() + 2, weight.shape().end());
  if (!attributes.kernel_shape.empty() && attributes.kernel_shape != kernel_shape) {
    Malformed("attribute 'kernel_shape' is " + ShapeToString(attributes.kernel_shape) +
              ", but the weight has shape " + ShapeToString(weight.shape()));
  }
  return kernel_shape;
}

}  // namespace adaround::kernels
