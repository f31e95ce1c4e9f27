#include "adaround/quant/quant_grid.h"

#include <cmath>

#include "adaround/base/error.h"
#include "base/checked_math.h"

namespace adaround {

int64_t ChannelLayout::NumRows(const Shape& shape) const {
  return shape[static_cast<size_t>(axis)] * groups;
}

int64_t ChannelLayout::RowLength(const Shape& shape) const {
  const int64_t rows = NumRows(shape);
  return rows == 0 ? 0 : NumElements(shape) / rows;
}

std::vector<int64_t> ChannelLayout::RowMajorPositions(const Shape& shape) const {
  ADAROUND_CHECK(axis >= 0 && axis < static_cast<int64_t>(shape.size()));
  ADAROUND_CHECK(groups >= 1 && (groups == 1 || axis == 1) && shape[0] % groups == 0);
  const int64_t channels = shape[static_cast<size_t>(axis)];
  int64_t inner = 1;
  for (size_t i = static_cast<size_t>(axis) + 1; i < shape.size(); ++i) inner *= shape[i];
  const int64_t outer = channels * inner == 0 ? 0 : NumElements(shape) / (channels * inner);
  const int64_t outer_per_group = outer / groups;

  std::vector<int64_t> positions;
  positions.reserve(static_cast<size_t>(NumElements(shape)));
  for (int64_t group = 0; group < groups; ++group) {
    for (int64_t channel = 0; channel < channels; ++channel) {
      for (int64_t o = group * outer_per_group; o < (group + 1) * outer_per_group; ++o) {
        for (int64_t i = 0; i < inner; ++i) {
          positions.push_back((o * channels + channel) * inner + i);
        }
      }
    }
  }
  return positions;
}

int64_t QuantGrid::GroupsPerRow(int64_t row_length) const {
  return granularity == Granularity::kPerGroup ? CeilDivide(row_length, group_size) : 1;
}

int64_t QuantGrid::NumScales(int64_t rows, int64_t row_length) const {
  return granularity == Granularity::kPerTensor ? 1 : rows * GroupsPerRow(row_length);
}

int64_t QuantGrid::ScaleIndex(int64_t row, int64_t k, int64_t row_length) const {
  switch (granularity) {
    case Granularity::kPerTensor: return 0;
    case Granularity::kPerChannel: return row;
    case Granularity::kPerGroup: return row * GroupsPerRow(row_length) + k / group_size;
  }
  ADAROUND_CHECK(false);
}

std::vector<std::string> QuantGrid::Validate(int64_t rows, int64_t row_length) const {
  std::vector<std::string> violations;
  if (bit_width < kMinBitWidth || bit_width > kMaxBitWidth) {
    violations.push_back("bit_width is " + std::to_string(bit_width) + ", allowed are " +
                         std::to_string(kMinBitWidth) + " to " + std::to_string(kMaxBitWidth));
    return violations;
  }
  if (q_min >= q_max || q_max - q_min >= (1 << bit_width) || q_min < -(1 << (bit_width - 1)) ||
      q_max >= (1 << bit_width)) {
    violations.push_back("the integer range " + std::to_string(q_min) + " to " +
                         std::to_string(q_max) + " does not fit " + std::to_string(bit_width) +
                         " bits");
  }
  if (granularity == Granularity::kPerGroup && group_size < 1) {
    violations.push_back("group_size is " + std::to_string(group_size) + ", must be at least 1");
    return violations;
  }
  const auto wanted = static_cast<size_t>(NumScales(rows, row_length));
  if (scale.size() != wanted || zero_point.size() != wanted) {
    violations.push_back("found " + std::to_string(scale.size()) + " scales and " +
                         std::to_string(zero_point.size()) + " zero points, wanted " +
                         std::to_string(wanted) + " of each");
  }
  for (size_t i = 0; i < scale.size(); ++i) {
    if (!(std::isnormal(scale[i]) && scale[i] > 0)) {
      violations.push_back("scale " + std::to_string(i) + " is " + std::to_string(scale[i]) +
                           ", must be positive, finite and not subnormal");
      break;
    }
  }
  for (size_t i = 0; i < zero_point.size(); ++i) {
    if (zero_point[i] < q_min || zero_point[i] > q_max) {
      violations.push_back("zero_point " + std::to_string(i) + " is " +
                           std::to_string(zero_point[i]) + ", outside the integer range");
      break;
    }
  }
  return violations;
}

QuantGrid MakeGrid(int bit_width, bool symmetric, Granularity granularity, int64_t group_size,
                   bool narrow_range) {
  ADAROUND_CHECK(bit_width >= kMinBitWidth && bit_width <= kMaxBitWidth);
  ADAROUND_CHECK(symmetric || !narrow_range);
  QuantGrid grid;
  grid.bit_width = bit_width;
  grid.q_min = symmetric ? -(1 << (bit_width - 1)) : 0;
  grid.q_max = grid.q_min + (1 << bit_width) - 1;
  if (narrow_range) ++grid.q_min;
  grid.granularity = granularity;
  grid.group_size = granularity == Granularity::kPerGroup ? group_size : 0;
  return grid;
}

}  // namespace adaround
