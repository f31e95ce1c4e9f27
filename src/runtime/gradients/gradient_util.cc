#include "runtime/gradients/gradient_util.h"

#include "runtime/kernels/broadcast.h"
#include "runtime/kernels/strided_copy.h"

namespace adaround::gradients {

Tensor ShapeOnly(const Shape& shape) {
  return Tensor(DType::kFloat32, shape);
}

Tensor InputOrShape(const GradientCall& call, size_t input) {
  const Tensor* kept = call.inputs[input];
  return kept != nullptr ? *kept : ShapeOnly(call.input_shapes[input]);
}

Tensor SumToShape(const Tensor& gradient, const Shape& shape) {
  if (gradient.shape() == shape) return gradient;
  const Shape strides = kernels::BroadcastStrides(shape, gradient.shape());
  std::vector<double> sums(static_cast<size_t>(NumElements(shape)), 0.0);
  Shape index(gradient.shape().size(), 0);
  const float* values = gradient.data<float>();
  int64_t at = 0;
  for (int64_t i = 0; i < gradient.num_elements(); ++i) {
    sums[static_cast<size_t>(at)] += static_cast<double>(values[i]);
    for (size_t d = index.size(); d-- > 0;) {
      at += strides[d];
      if (++index[d] < gradient.shape()[d]) break;
      at -= strides[d] * index[d];
      index[d] = 0;
    }
  }
  Tensor result(DType::kFloat32, shape);
  for (size_t i = 0; i < sums.size(); ++i) {
    result.mutable_data<float>()[i] = static_cast<float>(sums[i]);
  }
  return result;
}

Tensor BroadcastTo(const Tensor& tensor, const Shape& shape) {
  if (tensor.shape() == shape) return tensor;
  Tensor result(tensor.dtype(), shape);
  kernels::StridedCopy(tensor, 0, shape, kernels::BroadcastStrides(tensor.shape(), shape), result);
  return result;
}

std::vector<Tensor> NoGradients(const GradientCall& call) {
  return std::vector<Tensor>(call.input_shapes.size());
}

}  // namespace adaround::gradients
