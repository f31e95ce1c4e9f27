#include "pipeline/column_gather.h"

#include <cstring>

#include "adaround/base/error.h"
#include "runtime/kernels/window.h"

namespace adaround {
namespace {

// The input coordinate that tap `tap` of output `output` reads along one axis, -1 for none.
int64_t InputCoordinate(const kernels::WindowAxis& axis, bool transposed, int64_t output,
                        int64_t tap) {
  if (!transposed) {
    const int64_t at = output * axis.stride - axis.pad_begin + tap * axis.dilation;
    return at >= 0 && at < axis.input ? at : -1;
  }
  // The window of a transposed convolution slides over its output: input i reaches output
  // i * stride - pad_begin + tap * dilation.
  const int64_t scaled = output + axis.pad_begin - tap * axis.dilation;
  if (scaled < 0 || scaled % axis.stride != 0) return -1;
  const int64_t at = scaled / axis.stride;
  return at < axis.output ? at : -1;
}

int64_t Product(const Shape& shape) {
  int64_t product = 1;
  for (const int64_t extent : shape) product *= extent;
  return product;
}

}  // namespace

ColumnGather::ColumnGather(const Node& node, const LinearLayer& layer, const Shape& input_shape,
                           const Shape& weight_shape, const Shape& output_shape)
    : spatial_(!layer.kernel_shape.empty()),
      num_rows_(layer.num_rows),
      num_groups_(layer.num_groups),
      row_length_(layer.row_length),
      input_factor_(static_cast<float>(layer.input_factor)) {
  num_positions_ = Product(output_shape) / num_rows_;
  if (!spatial_) {
    ADAROUND_CHECK(Product(input_shape) == num_positions_ * row_length_);
    return;
  }
  ADAROUND_CHECK(input_shape.size() == layer.kernel_shape.size() + 2 && input_shape[0] == 1);
  const bool transposed = layer.kind == LinearKind::kConvTranspose;
  const kernels::WindowAttributes attributes = kernels::ReadWindowAttributes(node);
  const kernels::Window window =
      transposed ? kernels::ResolveTransposedWindow(node, input_shape, weight_shape)
                 : kernels::ResolveWindow(attributes, input_shape, layer.kernel_shape);
  channels_per_group_ = input_shape[1] / num_groups_;
  input_positions_ = Product(input_shape) / input_shape[1];
  num_taps_ = Product(layer.kernel_shape);
  ADAROUND_CHECK(channels_per_group_ * num_taps_ == row_length_);
  ADAROUND_CHECK(input_positions_ <= INT32_MAX);

  const size_t rank = window.size();
  tap_offsets_.reserve(static_cast<size_t>(num_positions_ * num_taps_));
  Shape output(rank, 0);
  Shape tap(rank, 0);
  for (int64_t position = 0; position < num_positions_; ++position) {
    int64_t rest = position;
    for (size_t axis = rank; axis-- > 0;) {
      const int64_t extent = output_shape[axis + 2];
      output[axis] = rest % extent;
      rest /= extent;
    }
    for (int64_t t = 0; t < num_taps_; ++t) {
      rest = t;
      for (size_t axis = rank; axis-- > 0;) {
        tap[axis] = rest % layer.kernel_shape[axis];
        rest /= layer.kernel_shape[axis];
      }
      int64_t offset = 0;
      for (size_t axis = 0; axis < rank && offset >= 0; ++axis) {
        const int64_t at = InputCoordinate(window[axis], transposed, output[axis], tap[axis]);
        offset = at < 0 ? -1 : offset * input_shape[axis + 2] + at;
      }
      tap_offsets_.push_back(static_cast<int32_t>(offset));
    }
  }
}

void ColumnGather::Column(const float* input, int64_t position, float* destination,
                          int64_t group_stride) const {
  if (!spatial_) {
    const float* row = input + position * row_length_;
    for (int64_t k = 0; k < row_length_; ++k) destination[k] = input_factor_ * row[k];
    return;
  }
  const int32_t* offsets = tap_offsets_.data() + position * num_taps_;
  for (int64_t group = 0; group < num_groups_; ++group) {
    float* out = destination + group * group_stride;
    const float* channel = input + group * channels_per_group_ * input_positions_;
    for (int64_t c = 0; c < channels_per_group_; ++c, channel += input_positions_) {
      for (int64_t t = 0; t < num_taps_; ++t) {
        *out++ = offsets[t] < 0 ? 0.0F : channel[offsets[t]];
      }
    }
  }
}

}  // namespace adaround
