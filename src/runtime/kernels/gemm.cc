#include <algorithm>

#include "runtime/kernels/broadcast.h"
#include "runtime/kernels/dnnl_util.h"
#include "runtime/kernels/kernels.h"
#include "runtime/kernels/strided_copy.h"

namespace adaround::kernels {

// y = alpha * op(a) op(b) + beta * c: c is spread over y first, the product then adds to it.
KernelFunction CreateGemm(const KernelSpec& spec) {
  CheckArity(spec.node, 2, 3);
  const float alpha = static_cast<float>(spec.node.GetFloat("alpha", 1.0));
  const float beta = static_cast<float>(spec.node.GetFloat("beta", 1.0));
  const bool transpose_a = spec.node.GetInt("transA", 0) != 0;
  const bool transpose_b = spec.node.GetInt("transB", 0) != 0;
  return [=](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& a = *inputs[0];
    const Tensor& b = *inputs[1];
    const Tensor* c = OptionalInput(inputs, 2);
    CheckFloat(a, "input A");
    CheckFloat(b, "input B");
    if (a.rank() != 2 || b.rank() != 2) {
      Malformed("inputs have shapes " + ShapeToString(a.shape()) + " and " +
                ShapeToString(b.shape()) + ", wanted two matrices");
    }
    const int64_t m = a.dim(transpose_a ? 1 : 0);
    const int64_t k = a.dim(transpose_a ? 0 : 1);
    const int64_t n = b.dim(transpose_b ? 0 : 1);
    if (b.dim(transpose_b ? 1 : 0) != k) {
      Malformed("matrices " + ShapeToString(a.shape()) + " (transA " +
                std::to_string(transpose_a) + ") and " + ShapeToString(b.shape()) + " (transB " +
                std::to_string(transpose_b) + ") do not fit");
    }
    Tensor y = NewOutput(DType::kFloat32, {m, n});
    float* out = y.mutable_data<float>();
    const int64_t count = y.num_elements();
    if (c != nullptr) {
      CheckFloat(*c, "input C");
      if (c->rank() > 2 || BroadcastShape(c->shape(), y.shape()) != y.shape()) {
        Malformed("input C has shape " + ShapeToString(c->shape()) + ", wanted to broadcast to " +
                  ShapeToString(y.shape()));
      }
      StridedCopy(*c, 0, y.shape(), BroadcastStrides(c->shape(), y.shape()), y);
    } else {
      std::fill(out, out + count, 0.0F);
    }
    if (count == 0) return {y};
    if (k == 0) {
      for (int64_t i = 0; i < count; ++i) out[i] *= beta;
      return {y};
    }
    MatrixMultiply(m, n, k, alpha, {a.data<float>(), transpose_a, a.dim(1)},
                   {b.data<float>(), transpose_b, b.dim(1)}, c != nullptr ? beta : 0.0F, out);
    return {y};
  };
}

}  // namespace adaround::kernels
