#include "runtime/kernels/strided_copy.h"

#include <cstring>

#include "adaround/base/error.h"

namespace adaround::kernels {
namespace {

struct Loops {
  Shape extents;
  Shape strides;
};

// Drops extents of one and merges neighbours that form one run, so that the innermost loop is as
// long as the layout allows. Leaves at least one loop.
Loops Coalesce(const Shape& shape, const Shape& strides) {
  Loops loops;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == 1) continue;
    if (!loops.extents.empty() && loops.strides.back() == strides[d] * shape[d]) {
      loops.extents.back() *= shape[d];
      loops.strides.back() = strides[d];
    } else {
      loops.extents.push_back(shape[d]);
      loops.strides.push_back(strides[d]);
    }
  }
  if (loops.extents.empty()) loops = {{1}, {1}};
  return loops;
}

template <typename T>
void CopyRow(const T* source, int64_t stride, int64_t count, T* out) {
  if (stride == 1) {
    std::memcpy(out, source, static_cast<size_t>(count) * sizeof(T));
  } else if (stride == 0) {
    for (int64_t i = 0; i < count; ++i) out[i] = *source;
  } else {
    for (int64_t i = 0; i < count; ++i) out[i] = source[i * stride];
  }
}

template <typename T>
void CopyLoops(const uint8_t* raw_source, int64_t offset, const Loops& loops, uint8_t* raw_out) {
  const T* source = reinterpret_cast<const T*>(raw_source) + offset;
  T* out = reinterpret_cast<T*>(raw_out);
  const size_t outer = loops.extents.size() - 1;
  const int64_t row = loops.extents[outer];
  Shape index(outer, 0);
  while (true) {
    CopyRow(source, loops.strides[outer], row, out);
    out += row;
    // Advance the odometer of the outer loops.
    size_t d = outer;
    for (; d > 0; --d) {
      source += loops.strides[d - 1];
      if (++index[d - 1] < loops.extents[d - 1]) break;
      source -= loops.strides[d - 1] * loops.extents[d - 1];
      index[d - 1] = 0;
    }
    if (d == 0) return;
  }
}

}  // namespace

void StridedCopy(const Tensor& source, int64_t offset, const Shape& shape, const Shape& strides,
                 Tensor& destination) {
  ADAROUND_CHECK(source.dtype() == destination.dtype());
  ADAROUND_CHECK(NumElements(shape) == destination.num_elements());
  if (destination.num_elements() == 0) return;
  const Loops loops = Coalesce(shape, strides);
  switch (DTypeSize(source.dtype())) {
    case 1: return CopyLoops<uint8_t>(source.raw(), offset, loops, destination.mutable_raw());
    case 2: return CopyLoops<uint16_t>(source.raw(), offset, loops, destination.mutable_raw());
    case 4: return CopyLoops<uint32_t>(source.raw(), offset, loops, destination.mutable_raw());
    default: return CopyLoops<uint64_t>(source.raw(), offset, loops, destination.mutable_raw());
  }
}

}  // namespace adaround::kernels
