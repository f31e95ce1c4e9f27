// Checks on the elements of arrays that come from files.
#pragma once

#include <string>

#include "adaround/tensor/tensor.h"

namespace adaround {

// Throws Error(kMalformed) where a kBool tensor holds a byte other than 0 and 1: C++ has no meaning
// for it. `what` names file and tensor.
void CheckBooleans(const Tensor& tensor, const std::string& what);

// Throws Error(kMalformed) with the index of the first NaN or infinity in a float32 tensor; other
// dtypes pass. `first_row` is added to the index along axis 0.
void CheckFinite(const Tensor& tensor, const std::string& what, int64_t first_row = 0);

// As above for NaN alone: infinities pass, which serve as masks and bounds.
void CheckNoNaN(const Tensor& tensor, const std::string& what);

// float64, float16 and bfloat16 become float32, checked for NaN, infinity and overflow; float32 is
// checked; all else is returned as it is.
Tensor ToFiniteFloat32(const Tensor& tensor, const std::string& what, int64_t first_row = 0);

bool IsFloat(DType dtype);

}  // namespace adaround
