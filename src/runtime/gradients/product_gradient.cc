// Gemm and MatMul: each operand's derivative is the product of the result's with the other one.
#include "runtime/gradients/gradient_util.h"
#include "runtime/gradients/gradients.h"
#include "runtime/kernels/broadcast.h"
#include "runtime/kernels/dnnl_util.h"

namespace adaround::gradients {
namespace {

using kernels::MatrixMultiply;
using kernels::MatrixOperand;

bool IsWanted(const GradientCall& call, size_t input) {
  return input < call.wanted.size() && call.wanted[input];
}

}  // namespace

// y = alpha op(a) op(b) + beta c.
GradientFunction CreateGemm(const GradientSpec& spec) {
  const float alpha = static_cast<float>(spec.node.GetFloat("alpha", 1.0));
  const float beta = static_cast<float>(spec.node.GetFloat("beta", 1.0));
  const bool transpose_a = spec.node.GetInt("transA", 0) != 0;
  const bool transpose_b = spec.node.GetInt("transB", 0) != 0;
  return [=](const GradientCall& call) -> std::vector<Tensor> {
    const Tensor& of_output = *call.output_gradients[0];
    const int64_t m = of_output.dim(0);
    const int64_t n = of_output.dim(1);
    const int64_t k = call.input_shapes[0][transpose_a ? 0 : 1];
    const MatrixOperand g{of_output.data<float>(), false, n};
    const MatrixOperand g_transposed{of_output.data<float>(), true, n};
    std::vector<Tensor> gradients = NoGradients(call);
    const bool has_product = m > 0 && n > 0 && k > 0;
    if (call.wanted[0]) {
      gradients[0] = Tensor::Zeros(DType::kFloat32, call.input_shapes[0]);
      float* out = gradients[0].mutable_data<float>();
      const float* b = call.inputs[1]->data<float>();
      const int64_t leading = call.input_shapes[1][1];
      if (has_product && transpose_a) {  // [K, M] = op(b) g^T
        MatrixMultiply(k, m, n, alpha, {b, transpose_b, leading}, g_transposed, 0.0F, out);
      } else if (has_product) {  // [M, K] = g op(b)^T
        MatrixMultiply(m, k, n, alpha, g, {b, !transpose_b, leading}, 0.0F, out);
      }
    }
    if (call.wanted[1]) {
      gradients[1] = Tensor::Zeros(DType::kFloat32, call.input_shapes[1]);
      float* out = gradients[1].mutable_data<float>();
      const float* a = call.inputs[0]->data<float>();
      const int64_t leading = call.input_shapes[0][1];
      if (has_product && transpose_b) {  // [N, K] = g^T op(a)
        MatrixMultiply(n, k, m, alpha, g_transposed, {a, transpose_a, leading}, 0.0F, out);
      } else if (has_product) {  // [K, N] = op(a)^T g
        MatrixMultiply(k, n, m, alpha, {a, !transpose_a, leading}, g, 0.0F, out);
      }
    }
    if (IsWanted(call, 2)) {
      Tensor scaled(DType::kFloat32, of_output.shape());
      for (int64_t i = 0; i < scaled.num_elements(); ++i) {
        scaled.mutable_data<float>()[i] = beta * of_output.data<float>()[i];
      }
      gradients[2] = SumToShape(scaled, call.input_shapes[2]);
    }
    return gradients;
  };
}

GradientFunction CreateMatMul(const GradientSpec&) {
  return [](const GradientCall& call) -> std::vector<Tensor> {
    // Vectors are matrices with an axis of extent 1, as in the forward kernel.
    Shape a_shape = call.input_shapes[0];
    Shape b_shape = call.input_shapes[1];
    if (a_shape.size() == 1) a_shape.insert(a_shape.begin(), 1);
    if (b_shape.size() == 1) b_shape.push_back(1);
    const int64_t m = a_shape[a_shape.size() - 2];
    const int64_t k = a_shape.back();
    const int64_t n = b_shape.back();
    const Shape a_batch(a_shape.begin(), a_shape.end() - 2);
    const Shape b_batch(b_shape.begin(), b_shape.end() - 2);
    const Shape batch = kernels::BroadcastShape(a_batch, b_batch);
    const Shape a_strides = kernels::BroadcastStrides(a_batch, batch);
    const Shape b_strides = kernels::BroadcastStrides(b_batch, batch);
    const float* g = call.output_gradients[0]->data<float>();
    std::vector<Tensor> gradients = NoGradients(call);
    for (size_t i = 0; i < 2; ++i) {
      if (call.wanted[i]) gradients[i] = Tensor::Zeros(DType::kFloat32, call.input_shapes[i]);
    }
    if (m == 0 || n == 0 || k == 0) return gradients;
    // One product per matrix of the batch, added up where an operand is shared.
    for (int64_t i = 0; i < NumElements(batch); ++i) {
      const int64_t a_index = kernels::BroadcastOffset(i, batch, a_strides);
      const int64_t b_index = kernels::BroadcastOffset(i, batch, b_strides);
      const float* of_output = g + i * m * n;
      if (call.wanted[0]) {  // g b^T
        MatrixMultiply(m, k, n, 1.0F, {of_output, false, n},
                       {call.inputs[1]->data<float>() + b_index * k * n, true, n}, 1.0F,
                       gradients[0].mutable_data<float>() + a_index * m * k);
      }
      if (call.wanted[1]) {  // a^T g
        MatrixMultiply(k, n, m, 1.0F, {call.inputs[0]->data<float>() + a_index * m * k, true, k},
                       {of_output, false, n}, 1.0F,
                       gradients[1].mutable_data<float>() + b_index * k * n);
      }
    }
    return gradients;
  };
}

}  // namespace adaround::gradients
