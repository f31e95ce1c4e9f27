// Operators that pick elements by their indices.
#include <cstring>

#include "runtime/kernels/index_tuples.h"
#include "runtime/kernels/kernels.h"

namespace adaround::kernels {

KernelFunction CreateGather(const KernelSpec& spec) {
  CheckArity(spec.node, 2, 2);
  const int64_t stated_axis = spec.node.GetInt("axis", 0);
  return [stated_axis](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    const Tensor& indices = *inputs[1];
    const int64_t axis = NormalizeAxis(stated_axis, x.rank());
    const int64_t extent = x.dim(axis);
    const std::vector<int64_t> positions = ReadIndices(indices, extent);
    Shape shape(x.shape().begin(), x.shape().begin() + axis);
    shape.insert(shape.end(), indices.shape().begin(), indices.shape().end());
    shape.insert(shape.end(), x.shape().begin() + axis + 1, x.shape().end());
    Tensor y = NewOutput(x.dtype(), shape);
    if (y.num_elements() == 0) return {y};
    const int64_t outer = ProductOf(x.shape(), 0, axis);
    const size_t run = static_cast<size_t>(ProductOf(x.shape(), axis + 1, x.rank())) *
                       DTypeSize(x.dtype());
    uint8_t* out = y.mutable_raw();
    for (int64_t o = 0; o < outer; ++o) {
      for (const int64_t position : positions) {
        std::memcpy(out, x.raw() + static_cast<size_t>(o * extent + position) * run, run);
        out += run;
      }
    }
    return {y};
  };
}

// y[i, j, ...] = x[i, indices[i, j, ...], ...], the index being that of the axis.
KernelFunction CreateGatherElements(const KernelSpec& spec) {
  CheckArity(spec.node, 2, 2);
  const int64_t stated_axis = spec.node.GetInt("axis", 0);
  return [stated_axis](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    const std::vector<int64_t> offsets =
        ElementOffsets(x.shape(), NormalizeAxis(stated_axis, x.rank()), *inputs[1]);
    Tensor y = NewOutput(x.dtype(), inputs[1]->shape());
    const size_t size = DTypeSize(x.dtype());
    for (size_t i = 0; i < offsets.size(); ++i) {
      std::memcpy(y.mutable_raw() + i * size, x.raw() + static_cast<size_t>(offsets[i]) * size,
                  size);
    }
    return {y};
  };
}

// The last axis of `indices` names the first axes of x, behind batch_dims axes that both share.
KernelFunction CreateGatherND(const KernelSpec& spec) {
  CheckArity(spec.node, 2, 2);
  const int64_t batch_dims = spec.node.GetInt("batch_dims", 0);
  if (batch_dims < 0) Malformed("attribute 'batch_dims' is " + std::to_string(batch_dims));
  return [batch_dims](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    const Tensor& indices = *inputs[1];
    const IndexTuples tuples = ReadIndexTuples(x.shape(), batch_dims, indices);
    Shape shape(indices.shape().begin(), indices.shape().end() - 1);
    shape.insert(shape.end(), tuples.slice_shape.begin(), tuples.slice_shape.end());
    Tensor y = NewOutput(x.dtype(), shape);
    const size_t size = DTypeSize(x.dtype());
    const size_t run = static_cast<size_t>(NumElements(tuples.slice_shape)) * size;
    uint8_t* out = y.mutable_raw();
    for (const int64_t offset : tuples.offsets) {
      std::memcpy(out, x.raw() + static_cast<size_t>(offset) * size, run);
      out += run;
    }
    return {y};
  };
}

}  // namespace adaround::kernels
