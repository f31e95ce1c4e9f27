// What the derivatives of several operators need.
#pragma once

#include "runtime/gradient.h"
#include "runtime/kernels/kernel_util.h"

namespace adaround::gradients {

// A tensor of this shape whose values nobody reads: for code that takes a shape from a tensor.
Tensor ShapeOnly(const Shape& shape);

// The forward input, or one with its shape alone where it was not kept.
Tensor InputOrShape(const GradientCall& call, size_t input);

// `gradient` summed, in double, over the axes along which `shape` was broadcast to its shape.
// REQUIRES: BroadcastShape(shape, gradient.shape()) == gradient.shape().
Tensor SumToShape(const Tensor& gradient, const Shape& shape);

// `tensor` repeated along the axes that broadcasting stretches.
Tensor BroadcastTo(const Tensor& tensor, const Shape& shape);

// One empty tensor for each input of the call.
std::vector<Tensor> NoGradients(const GradientCall& call);

}  // namespace adaround::gradients
