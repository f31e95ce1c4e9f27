// Sliding windows: the attributes that convolutions and poolings share, and their arithmetic.
#pragma once

#include "runtime/kernels/kernel_util.h"

namespace adaround::kernels {

enum class AutoPad { kNotSet, kSameUpper, kSameLower, kValid };

// As the node states it. Lists left out are empty until their rank is known.
struct WindowAttributes {
  std::vector<int64_t> kernel_shape;
  std::vector<int64_t> strides;
  std::vector<int64_t> dilations;
  std::vector<int64_t> pads;  // begins, then ends
  AutoPad auto_pad = AutoPad::kNotSet;
  bool ceil_mode = false;
};

// Throws Error(kMalformed) for strides or dilations below 1, negative pads, or lists of lengths
// that disagree.
WindowAttributes ReadWindowAttributes(const Node& node);

// One axis of a window over one input, everything resolved.
struct WindowAxis {
  int64_t input;   // extent
  int64_t output;  // extent, at least 1 unless input is 0
  int64_t kernel;
  int64_t stride;
  int64_t dilation;
  int64_t pad_begin;
  int64_t pad_end;

  int64_t kernel_extent() const { return dilation * (kernel - 1) + 1; }
};
using Window = std::vector<WindowAxis>;

// For an input [N, C, spatial...] and a kernel of these spatial extents.
// Throws Error(kMalformed) where ranks differ or the window does not fit into the padded input.
Window ResolveWindow(const WindowAttributes& attributes, const Shape& input,
                     const Shape& kernel_shape);

// For a ConvTranspose node whose kernel has run: the window of the convolution that it transposes,
// which slides over the node's output (WindowAxis::input) and has one step per pixel of its input.
Window ResolveTransposedWindow(const Node& node, const Shape& input, const Shape& weight);

// The taps of one window along one axis that lie inside the input.
struct Taps {
  int64_t begin;  // index of the first tap inside
  int64_t end;    // one past the last
};
Taps TapsInside(const WindowAxis& axis, int64_t output);
// How many taps an average divides by: those inside the input or, with `include_pad`, inside its
// stated padding too; rounding up may reach beyond both.
int64_t AveragedTaps(const WindowAxis& axis, int64_t output, bool include_pad);

// Of a pooling node, whose kernel is an attribute.
WindowAttributes ReadPoolAttributes(const Node& node);

// [n, c, outputs of the window...]
Shape WindowOutputShape(int64_t n, int64_t c, const Window& window);

// Checks that a kernel given as a weight's spatial extents agrees with `kernel_shape`, if given.
Shape KernelShapeOf(const WindowAttributes& attributes, const Tensor& weight);

}  // namespace adaround::kernels
