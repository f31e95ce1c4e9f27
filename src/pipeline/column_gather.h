// Turns a layer's input tensor into im2col columns at chosen output positions.
#pragma once

#include <cstdint>
#include <vector>

#include "adaround/graph/graph.h"
#include "graph/linear_layer.h"

namespace adaround {

// For one layer and one input shape. Every sample of a run has the same shape, so this is built
// once.
class ColumnGather {
 public:
  // REQUIRES: the shapes are those of a run of the node that succeeded; one sample along axis 0.
  ColumnGather(const Node& node, const LinearLayer& layer, const Shape& input_shape,
               const Shape& weight_shape, const Shape& output_shape);

  // Output positions of one sample: pixels of a convolution, rows of a matrix product.
  int64_t num_positions() const { return num_positions_; }

  // Writes the column of `position` for each group: destination[group * group_stride + k].
  void Column(const float* input, int64_t position, float* destination, int64_t group_stride) const;

  // Where output channel `row` of `position` lies in the output tensor.
  int64_t OutputOffset(int64_t row, int64_t position) const {
    return spatial_ ? row * num_positions_ + position : position * num_rows_ + row;
  }

 private:
  bool spatial_ = false;
  int64_t num_rows_ = 0;
  int64_t num_positions_ = 0;
  int64_t num_groups_ = 1;
  int64_t row_length_ = 0;
  float input_factor_ = 1.0F;
  int64_t channels_per_group_ = 0;
  int64_t input_positions_ = 0;
  int64_t num_taps_ = 0;
  // [position, tap]: offset of the tap's pixel within a channel, -1 in the padding.
  std::vector<int32_t> tap_offsets_;
};

}  // namespace adaround
