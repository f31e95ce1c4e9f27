// Element types as ONNX numbers them in attributes.
#pragma once

#include "runtime/kernels/kernel_util.h"

namespace adaround::kernels {

// A value of TensorProto.DataType; Error(kUnsupported) for those that no conversion makes (16-bit
// floats, strings, complex numbers).
DType DTypeFromOnnx(int64_t code);

}  // namespace adaround::kernels
