// The one loop behind every operator that only moves elements.
#pragma once

#include "adaround/tensor/tensor.h"

namespace adaround::kernels {

// Fills `destination`, read as row-major over `shape`, from source elements:
//   destination[i_0, i_1, ...] = source[offset + sum over d of i_d * strides_d]
// Strides are in elements and may be zero or negative; any dtype; any rank.
// REQUIRES: equal dtypes; shape has as many elements as destination; every index is in range.
void StridedCopy(const Tensor& source, int64_t offset, const Shape& shape, const Shape& strides,
                 Tensor& destination);

}  // namespace adaround::kernels
