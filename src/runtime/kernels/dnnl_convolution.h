// Convolutions and transposed convolutions through oneDNN, tensors in plain order on both sides.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "adaround/tensor/tensor.h"
#include "runtime/kernels/window.h"

namespace adaround::kernels {

struct ConvolutionProblem {
  bool transposed = false;
  Shape source;
  // oneDNN's order: [O, I, kernel...] or, where groups > 1, [G, O / G, I / G, kernel...], O and I
  // being the operator's output and input channels for transposed convolutions too.
  Shape weights;
  // Where the elements of `weights` lie in the operator's weight tensor.
  Shape weights_strides;
  Shape bias;  // empty = none
  Shape destination;
  // Of the convolution; for a transposed one `input` and `output` swap roles: the window slides
  // over the destination. Its pads may be negative at the end, down to 1 - stride.
  Window window;
  int64_t groups = 1;
};

// The problem of a Conv or a ConvTranspose node; `bias` may be null. Of the tensors, shapes and
// dtypes are looked at. Throws Error(kMalformed | kUnsupported) where they do not fit.
ConvolutionProblem MakeConvProblem(const Node& node, const Tensor& x, const Tensor& weights,
                                   const Tensor* bias);
ConvolutionProblem MakeConvTransposeProblem(const Node& node, const Tensor& x,
                                            const Tensor& weights, const Tensor* bias);

// Runs one operator, and keeps per source shape the primitive and, where they are constant, the
// weights in the layout it wants.
class ConvolutionRunner {
 public:
  explicit ConvolutionRunner(bool has_constant_weights);
  ~ConvolutionRunner();

  // Safe to call from several threads. Allocates the result, of problem.destination's shape.
  Tensor Run(const ConvolutionProblem& problem, const Tensor& x, const Tensor& weights,
             const Tensor* bias);

 private:
  struct Prepared;

  std::shared_ptr<const Prepared> Prepare(const ConvolutionProblem& problem, const Tensor& weights);

  const bool has_constant_weights_;
  std::mutex mutex_;
  std::map<Shape, std::shared_ptr<const Prepared>> prepared_;  // guarded by mutex_
};

}  // namespace adaround::kernels
