#include <algorithm>

#include "runtime/kernels/broadcast.h"
#include "runtime/kernels/dnnl_util.h"
#include "runtime/kernels/kernels.h"

namespace adaround::kernels {
namespace {

std::vector<Tensor> MatMul(const Tensor& a, const Tensor& b) {
  CheckFloat(a, "input A");
  CheckFloat(b, "input B");
  CheckRankAtLeast(a, 1, "input A");
  CheckRankAtLeast(b, 1, "input B");
  // Vectors become matrices with an axis of extent 1, which the result then loses.
  Shape a_shape = a.shape();
  Shape b_shape = b.shape();
  if (a.rank() == 1) a_shape.insert(a_shape.begin(), 1);
  if (b.rank() == 1) b_shape.push_back(1);
  const int64_t m = a_shape[a_shape.size() - 2];
  const int64_t k = a_shape.back();
  const int64_t n = b_shape.back();
  if (b_shape[b_shape.size() - 2] != k) {
    Malformed("shapes " + ShapeToString(a.shape()) + " and " + ShapeToString(b.shape()) +
              " do not fit a matrix product");
  }
  const Shape a_batch(a_shape.begin(), a_shape.end() - 2);
  const Shape b_batch(b_shape.begin(), b_shape.end() - 2);
  const Shape batch = BroadcastShape(a_batch, b_batch);
  Shape shape = batch;
  if (a.rank() > 1) shape.push_back(m);
  if (b.rank() > 1) shape.push_back(n);
  Tensor y = NewOutput(DType::kFloat32, shape);
  if (y.num_elements() == 0) return {y};
  float* out = y.mutable_data<float>();
  if (k == 0) {
    std::fill(out, out + y.num_elements(), 0.0F);
    return {y};
  }
  const MatrixOperand left{a.data<float>(), false, k};
  const MatrixOperand right{b.data<float>(), false, n};
  // One matrix for all of a's: their rows are one tall matrix.
  if (NumElements(b_batch) == 1) {
    MatrixMultiply(y.num_elements() / n, n, k, 1.0F, left, right, 0.0F, out);
    return {y};
  }
  const Shape a_strides = BroadcastStrides(a_batch, batch);
  const Shape b_strides = BroadcastStrides(b_batch, batch);
  const int64_t num_products = NumElements(batch);
  for (int64_t i = 0; i < num_products; ++i) {
    const int64_t a_index = BroadcastOffset(i, batch, a_strides);
    const int64_t b_index = BroadcastOffset(i, batch, b_strides);
    MatrixMultiply(m, n, k, 1.0F, {left.data + a_index * m * k, false, k},
                   {right.data + b_index * k * n, false, n}, 0.0F, out + i * m * n);
  }
  return {y};
}

}  // namespace

KernelFunction CreateMatMul(const KernelSpec& spec) {
  CheckArity(spec.node, 2, 2);
  return [](const KernelInputs& inputs) { return MatMul(*inputs[0], *inputs[1]); };
}

}  // namespace adaround::kernels
