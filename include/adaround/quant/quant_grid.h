// The uniform grid that a weight tensor is stored on: real = scale * (q - zero_point).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "adaround/tensor/tensor.h"

namespace adaround {

inline constexpr int kMinBitWidth = 2;
inline constexpr int kMaxBitWidth = 8;

enum class Granularity {
  kPerTensor,   // one scale for all
  kPerChannel,  // one scale per output channel (a row of the layer's weight matrix)
  kPerGroup,    // one scale per group_size consecutive weights of a row; the last may be shorter
};

// Where a weight tensor keeps its output channels. Seen through a layout, the tensor is a matrix
// [rows, row_length]: one row per output channel, the row's weights in the tensor's own order.
struct ChannelLayout {
  // Dimension of the output channels: 0 for Conv and Gemm(transB=1), 1 for MatMul, Gemm and
  // ConvTranspose.
  int64_t axis = 0;
  // Groups of a ConvTranspose: dimension 0 splits into this many parts, and the rows of part p are
  // p * shape[1] ... (p + 1) * shape[1] - 1. 1 for all else.
  int64_t groups = 1;

  int64_t NumRows(const Shape& shape) const;
  int64_t RowLength(const Shape& shape) const;
  // Position in the tensor of element (row, k) at [row * RowLength + k].
  std::vector<int64_t> RowMajorPositions(const Shape& shape) const;
};

struct QuantGrid {
  int bit_width = 4;
  int32_t q_min = -8;
  int32_t q_max = 7;
  Granularity granularity = Granularity::kPerChannel;
  int64_t group_size = 0;  // weights per scale within a row; only for kPerGroup
  // One entry per scale, [rows, groups_per_row] row-major; [1] per tensor. scale > 0, finite and
  // normal; q_min <= zero_point <= q_max, 0 on symmetric grids.
  std::vector<float> scale;
  std::vector<int32_t> zero_point;

  // Scales in one row of row_length weights: 1 unless per group.
  int64_t GroupsPerRow(int64_t row_length) const;
  // How many entries `scale` must have.
  int64_t NumScales(int64_t rows, int64_t row_length) const;
  // Which entry of `scale` governs weight k of a row.
  int64_t ScaleIndex(int64_t row, int64_t k, int64_t row_length) const;

  // Every violation for a matrix of this size; empty = sound.
  std::vector<std::string> Validate(int64_t rows, int64_t row_length) const;
};

// The integer range of a grid without scales: symmetric -2^(b-1) ... 2^(b-1)-1 (from -2^(b-1)+1 in
// the narrow range, which some accelerators want), or 0 ... 2^b-1.
// REQUIRES: kMinBitWidth <= bit_width <= kMaxBitWidth; a narrow range is symmetric.
QuantGrid MakeGrid(int bit_width, bool symmetric, Granularity granularity, int64_t group_size,
                   bool narrow_range = false);

}  // namespace adaround
