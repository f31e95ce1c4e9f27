// Indices as tensors: what the gathering and the scattering operators share.
#pragma once

#include "runtime/kernels/kernel_util.h"

namespace adaround::kernels {

// For GatherElements and ScatterElements: for each element of `indices`, in order, the offset in a
// tensor of shape `x` of the element whose position is the index's own, but for the axis, where it
// is the index. Throws Error(kMalformed) where ranks differ, `indices` is longer than x along
// another axis, or an index is outside the axis.
std::vector<int64_t> ElementOffsets(const Shape& x, int64_t axis, const Tensor& indices);

// For GatherND and ScatterND: each tuple along the last axis of `indices` names a slice.
struct IndexTuples {
  std::vector<int64_t> offsets;  // of each slice's first element
  Shape slice_shape;
};

// The first `batch_dims` axes of x and indices are the same and go along.
// Throws Error(kMalformed) where shapes do not fit or an index is outside its axis.
IndexTuples ReadIndexTuples(const Shape& x, int64_t batch_dims, const Tensor& indices);

}  // namespace adaround::kernels
