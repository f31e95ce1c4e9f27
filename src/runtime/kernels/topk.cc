#include <algorithm>
#include <numeric>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/kernel_util.h"

namespace adaround::kernels {
namespace {

struct TopKAttributes {
  int64_t axis;
  bool largest;
};

// The order of the result; equal elements by their index. NaN is larger than all numbers.
template <typename T>
bool ComesBefore(const T* line, int64_t stride, bool largest, int64_t i, int64_t j) {
  const T a = line[i * stride];
  const T b = line[j * stride];
  const bool a_is_nan = a != a;
  const bool b_is_nan = b != b;
  if (a_is_nan != b_is_nan) return a_is_nan == largest;
  if (!a_is_nan && a != b) return largest ? a > b : a < b;
  return i < j;
}

std::vector<Tensor> TopK(const TopKAttributes& attributes, const Tensor& x, int64_t k) {
  const int64_t axis = NormalizeAxis(attributes.axis, x.rank());
  const int64_t count = x.dim(axis);
  if (k < 0 || k > count) {
    Malformed("K is " + std::to_string(k) + ", axis " + std::to_string(axis) + " of shape " +
              ShapeToString(x.shape()) + " has " + std::to_string(count));
  }
  Shape shape = x.shape();
  shape[static_cast<size_t>(axis)] = k;
  Tensor values = NewOutput(x.dtype(), shape);
  Tensor indices = NewOutput(DType::kInt64, shape);
  if (values.num_elements() == 0) return {values, indices};
  const int64_t inner = ProductOf(shape, axis + 1, x.rank());
  const int64_t outer = ProductOf(shape, 0, axis);
  std::vector<int64_t> order(static_cast<size_t>(count));
  VisitArithmetic(x.dtype(), "input", [&](auto zero) {
    using T = decltype(zero);
    for (int64_t o = 0; o < outer; ++o) {
      for (int64_t i = 0; i < inner; ++i) {
        const T* line = x.data<T>() + o * count * inner + i;
        std::iota(order.begin(), order.end(), 0);
        std::partial_sort(order.begin(), order.begin() + k, order.end(),
                          [&](int64_t a, int64_t b) {
                            return ComesBefore(line, inner, attributes.largest, a, b);
                          });
        for (int64_t r = 0; r < k; ++r) {
          const int64_t index = order[static_cast<size_t>(r)];
          const int64_t to = (o * k + r) * inner + i;
          values.mutable_data<T>()[to] = line[index * inner];
          indices.mutable_data<int64_t>()[to] = index;
        }
      }
    }
  });
  return {values, indices};
}

// Outputs values and indices, always sorted (`sorted` 0 allows any order).
std::vector<Tensor> Named(std::vector<Tensor> outputs, size_t count) {
  outputs.resize(count);
  return outputs;
}

}  // namespace

// Before opset 10: k is an attribute.
KernelFunction CreateTopK1(const KernelSpec& spec) {
  CheckInputCount(spec.node, 1, 1);
  CheckOutputCount(spec.node, 2);
  const size_t num_outputs = spec.node.outputs.size();
  if (!spec.node.HasAttribute("k")) Malformed("attribute 'k' is missing");
  const int64_t k = spec.node.GetInt("k", 0);
  const TopKAttributes attributes{spec.node.GetInt("axis", -1), true};
  return [=](const KernelInputs& inputs) -> std::vector<Tensor> {
    return Named(TopK(attributes, *inputs[0], k), num_outputs);
  };
}

KernelFunction CreateTopK(const KernelSpec& spec) {
  CheckInputCount(spec.node, 2, 2);
  CheckOutputCount(spec.node, 2);
  const size_t num_outputs = spec.node.outputs.size();
  const TopKAttributes attributes{spec.node.GetInt("axis", -1),
                                  spec.node.GetInt("largest", 1) != 0};
  return [=](const KernelInputs& inputs) -> std::vector<Tensor> {
    const std::vector<int64_t> k = ReadInts(*inputs[1], "K");
    if (k.size() != 1) Malformed("K has shape " + ShapeToString(inputs[1]->shape()));
    return Named(TopK(attributes, *inputs[0], k[0]), num_outputs);
  };
}

}  // namespace adaround::kernels
