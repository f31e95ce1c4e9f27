// Chooses scale and zero point of a weight grid.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "adaround/quant/quant_grid.h"
#include "adaround/quant/range_options.h"

namespace adaround {

// A weight matrix seen through its ChannelLayout, row-major [rows, row_length].
struct WeightMatrix {
  const float* values = nullptr;
  int64_t rows = 0;
  int64_t row_length = 0;
};

// errors[row] = how bad the rounded matrix (same size and order) is for that row's output.
using RowErrorFunction =
    std::function<void(const std::vector<float>& rounded, std::vector<double>& errors)>;

// Fills grid.scale and grid.zero_point for `weights`; bit width, range and granularity are given.
// kOutputMse judges candidates by `output_error`, the others ignore it (it may be empty).
// A range of zeros gets scale 1; a scale too small for a normal float32 is lifted to the smallest.
// REQUIRES: finite weights; for kOutputMse a callable output_error.
void EstimateRange(const RangeOptions& options, const WeightMatrix& weights,
                   const RowErrorFunction& output_error, int num_threads, QuantGrid& grid);

// Rounds each weight to the nearest point of its grid (ties away from zero).
std::vector<int16_t> RoundToNearest(const WeightMatrix& weights, const QuantGrid& grid);

// scale * (q - zero_point) for a row-major matrix of integers.
std::vector<float> DequantizeMatrix(const std::vector<int16_t>& integers, int64_t rows,
                                    int64_t row_length, const QuantGrid& grid);
// Those of rows first_row ... first_row + rows - 1 of the matrix: [rows, row_length].
std::vector<float> DequantizeRows(const std::vector<int16_t>& integers, int64_t first_row,
                                  int64_t rows, int64_t row_length, const QuantGrid& grid);

}  // namespace adaround
