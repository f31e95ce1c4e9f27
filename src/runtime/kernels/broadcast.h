// NumPy-style broadcasting of two tensors.
#pragma once

#include <functional>

#include "runtime/kernels/kernel_util.h"

namespace adaround::kernels {

// The common shape: extents aligned at the end, one stretches to any. Throws Error(kMalformed).
Shape BroadcastShape(const Shape& a, const Shape& b);

// Row-major strides of `shape` seen as `target`, zero along stretched axes.
// REQUIRES: BroadcastShape(shape, target) == target.
Shape BroadcastStrides(const Shape& shape, const Shape& target);

// Where element `index` of a row-major array of extents `target` lies in an operand that has these
// BroadcastStrides.
int64_t BroadcastOffset(int64_t index, const Shape& target, const Shape& strides);

// Operators of two tensors before opset 7: without the attribute `broadcast` their shapes must be
// equal; with it, the second has one element, or its axes are those of the first from `axis` on
// (without `axis`: the last ones). The function gives the second's shape as it broadcasts by the
// rules from opset 7 on, or throws Error(kMalformed).
std::function<Shape(const Shape& a, const Shape& b)> LegacyAlignment(const Node& node);
// The result is the kernel's on shapes that broadcast alike.
KernelFunction WithLegacyBroadcast(const Node& node, KernelFunction kernel);

// The loops that walk an output and two broadcast inputs, neighbouring axes merged where both
// inputs allow it. At least one loop; the last is the innermost.
struct BroadcastPlan {
  Shape output_shape;
  Shape extents;
  Shape a_strides;
  Shape b_strides;
};
BroadcastPlan PlanBroadcast(const Shape& a, const Shape& b);

// out[i] = f(a[i], b[i]) under broadcasting. The innermost loop is one of three plain forms that
// the compiler vectorises: both run, or one of them stays.
template <typename In, typename Out, typename Function>
Tensor ApplyBinary(const Tensor& a, const Tensor& b, Function f) {
  const BroadcastPlan plan = PlanBroadcast(a.shape(), b.shape());
  Tensor result = NewOutput(DTypeOf<Out>(), plan.output_shape);
  if (result.num_elements() == 0) return result;
  const In* pa = a.data<In>();
  const In* pb = b.data<In>();
  Out* out = result.mutable_data<Out>();
  const size_t outer = plan.extents.size() - 1;
  const int64_t row = plan.extents[outer];
  const int64_t a_step = plan.a_strides[outer];
  const int64_t b_step = plan.b_strides[outer];
  Shape index(outer, 0);
  while (true) {
    if (a_step == 1 && b_step == 1) {
      for (int64_t i = 0; i < row; ++i) out[i] = f(pa[i], pb[i]);
    } else if (a_step == 1) {
      const In constant = *pb;
      for (int64_t i = 0; i < row; ++i) out[i] = f(pa[i], constant);
    } else {
      const In constant = *pa;
      for (int64_t i = 0; i < row; ++i) out[i] = f(constant, pb[i * b_step]);
    }
    out += row;
    size_t d = outer;
    for (; d > 0; --d) {
      pa += plan.a_strides[d - 1];
      pb += plan.b_strides[d - 1];
      if (++index[d - 1] < plan.extents[d - 1]) break;
      pa -= plan.a_strides[d - 1] * plan.extents[d - 1];
      pb -= plan.b_strides[d - 1] * plan.extents[d - 1];
      index[d - 1] = 0;
    }
    if (d == 0) return result;
  }
}

}  // namespace adaround::kernels
