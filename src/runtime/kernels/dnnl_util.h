// oneDNN, as the kernels use it: plain buffers in and out, scratch memory of ours.
#pragma once

#include <functional>
#include <oneapi/dnnl/dnnl.hpp>

#include "adaround/tensor/tensor.h"

namespace adaround::kernels {

const dnnl::engine& DnnlEngine();
// The calling thread's own.
dnnl::stream& DnnlStream();

// Float32 in plain row-major order.
dnnl::memory::desc PlainDesc(const Shape& shape);

// oneDNN never writes to inputs, but its handles are not const.
void* InputHandle(const Tensor& tensor);

// A buffer of the calling thread that is kept between calls, at least `bytes` long; each slot is
// another buffer. Valid until the thread's next call with this slot.
enum class ScratchSlot { kSource, kDestination, kWeights, kScratchpad, kCount };
void* ThreadScratch(ScratchSlot slot, size_t bytes);

// Runs `body` with one OpenMP thread, whatever the caller's setting: some of oneDNN's sums depend
// on the number of threads. Turns oneDNN's exceptions into Error(kUnsupported).
void RunDnnl(const std::function<void()>& body);

// c[m, n] = alpha * op(a) op(b) + beta * c, all row-major with these leading dimensions.
struct MatrixOperand {
  const float* data;
  bool transposed;
  int64_t leading;
};
void MatrixMultiply(int64_t m, int64_t n, int64_t k, float alpha, const MatrixOperand& a,
                    const MatrixOperand& b, float beta, float* c);

}  // namespace adaround::kernels
