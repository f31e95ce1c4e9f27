#include "runtime/kernels/index_tuples.h"

#include <algorithm>

namespace adaround::kernels {

std::vector<int64_t> ElementOffsets(const Shape& x, int64_t axis, const Tensor& indices) {
  const size_t at = static_cast<size_t>(axis);
  const Shape& shape = indices.shape();
  bool fits = shape.size() == x.size();
  for (size_t d = 0; fits && d < x.size(); ++d) fits = d == at || shape[d] <= x[d];
  if (!fits) {
    Malformed("indices of shape " + ShapeToString(shape) + " do not fit a tensor of shape " +
              ShapeToString(x) + " and axis " + std::to_string(axis));
  }
  std::vector<int64_t> offsets = ReadIndices(indices, x[at]);
  const Shape x_strides = Strides(x);
  const Shape strides = Strides(shape);
  for (size_t i = 0; i < offsets.size(); ++i) {
    int64_t offset = offsets[i] * x_strides[at];
    for (size_t d = 0; d < x.size(); ++d) {
      if (d != at) offset += static_cast<int64_t>(i) / strides[d] % shape[d] * x_strides[d];
    }
    offsets[i] = offset;
  }
  return offsets;
}

IndexTuples ReadIndexTuples(const Shape& x, int64_t batch_dims, const Tensor& indices) {
  const Shape& shape = indices.shape();
  const int64_t rank = static_cast<int64_t>(x.size());
  const int64_t indices_rank = indices.rank();
  const bool has_batch = batch_dims < std::min(rank, indices_rank);
  const int64_t length = indices_rank > 0 ? shape.back() : 0;
  if (!has_batch || length < 1 || length > rank - batch_dims ||
      !std::equal(shape.begin(), shape.begin() + batch_dims, x.begin())) {
    Malformed("indices of shape " + ShapeToString(shape) + " do not fit a tensor of shape " +
              ShapeToString(x) + " and batch_dims " + std::to_string(batch_dims));
  }
  if (indices.dtype() != DType::kInt64 && indices.dtype() != DType::kInt32) {
    UnsupportedDType(indices.dtype(), "indices");
  }
  const std::vector<int64_t> values = ToInt64Vector(indices);
  const Shape strides = Strides(x);
  const int64_t num_tuples = indices.num_elements() / length;
  const int64_t per_batch = ProductOf(shape, batch_dims, indices_rank - 1);
  const int64_t batch_stride = ProductOf(x, batch_dims, rank);
  IndexTuples tuples;
  tuples.slice_shape.assign(x.begin() + batch_dims + length, x.end());
  for (int64_t t = 0; t < num_tuples; ++t) {
    int64_t offset = t / per_batch * batch_stride;
    for (int64_t k = 0; k < length; ++k) {
      const size_t axis = static_cast<size_t>(batch_dims + k);
      const int64_t index = values[static_cast<size_t>(t * length + k)];
      if (index < -x[axis] || index >= x[axis]) {
        Malformed("index " + std::to_string(index) + " is outside axis " + std::to_string(axis) +
                  " of shape " + ShapeToString(x));
      }
      offset += (index < 0 ? index + x[axis] : index) * strides[axis];
    }
    tuples.offsets.push_back(offset);
  }
  return tuples;
}

}  // namespace adaround::kernels
