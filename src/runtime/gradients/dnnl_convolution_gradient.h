// Derivatives of convolutions and transposed convolutions through oneDNN's backward primitives.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "runtime/kernels/dnnl_convolution.h"

namespace adaround::gradients {

// Keeps the primitives per problem; weights are read anew in every call, so that they may change.
// Threads: the Run functions may be called concurrently.
class ConvolutionGradientRunner {
 public:
  ConvolutionGradientRunner();
  ~ConvolutionGradientRunner();

  // dL/dx from dL/dy and the weights.
  Tensor ByInput(const kernels::ConvolutionProblem& problem, const Tensor& of_output,
                 const Tensor& weights);
  // dL/dW, in the operator's own shape `weights`, from dL/dy and x.
  Tensor ByWeights(const kernels::ConvolutionProblem& problem, const Tensor& of_output,
                   const Tensor& x, const Shape& weights);

 private:
  struct Prepared;

  std::shared_ptr<const Prepared> Prepare(const kernels::ConvolutionProblem& problem,
                                          bool by_weights);

  std::mutex mutex_;
  std::map<Shape, std::shared_ptr<const Prepared>> prepared_;  // guarded by mutex_
};

}  // namespace adaround::gradients
