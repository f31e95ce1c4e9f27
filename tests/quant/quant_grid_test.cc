#include "adaround/quant/quant_grid.h"

#include <gtest/gtest.h>

#include <limits>

namespace adaround {
namespace {

QuantGrid SoundGrid() {
  QuantGrid grid = MakeGrid(4, true, Granularity::kPerChannel, 0);
  grid.scale = {0.5F, 0.25F, 1.0F};
  grid.zero_point = {0, 0, 0};
  return grid;
}

template <typename Change>
size_t NumViolations(Change change) {
  QuantGrid grid = SoundGrid();
  change(grid);
  return grid.Validate(3, 10).size();
}

TEST(QuantGrid, ValidateRefusesEachViolation) {
  EXPECT_EQ(NumViolations([](QuantGrid&) {}), 0u);
  EXPECT_EQ(NumViolations([](QuantGrid& g) { g.bit_width = 1; }), 1u);
  EXPECT_EQ(NumViolations([](QuantGrid& g) { g.bit_width = 9; }), 1u);
  EXPECT_EQ(NumViolations([](QuantGrid& g) { g.q_max = 8; }), 1u);
  EXPECT_EQ(NumViolations([](QuantGrid& g) { g.q_min = -9; }), 1u);
  EXPECT_EQ(NumViolations([](QuantGrid& g) { g.q_max = g.q_min; }), 2u);  // 0 lies outside too
  EXPECT_EQ(NumViolations([](QuantGrid& g) { g.scale.pop_back(); }), 1u);
  EXPECT_EQ(NumViolations([](QuantGrid& g) { g.zero_point.push_back(0); }), 1u);
  for (const float scale : {0.0F, -1.0F, std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN(),
                            std::numeric_limits<float>::denorm_min()}) {
    EXPECT_EQ(NumViolations([&](QuantGrid& g) { g.scale[1] = scale; }), 1u) << scale;
  }
  EXPECT_EQ(NumViolations([](QuantGrid& g) { g.zero_point[2] = 8; }), 1u);
  EXPECT_EQ(NumViolations([](QuantGrid& g) { g.zero_point[2] = -9; }), 1u);
  EXPECT_EQ(NumViolations([](QuantGrid& g) {
              g.granularity = Granularity::kPerGroup;
              g.group_size = 0;
            }),
            1u);
  EXPECT_EQ(NumViolations([](QuantGrid& g) {
              g.scale[0] = 0.0F;
              g.zero_point[0] = 100;
            }),
            2u);
}

TEST(QuantGrid, MakeGridUsesAllIntegersOfItsWidth) {
  for (int bit_width = kMinBitWidth; bit_width <= kMaxBitWidth; ++bit_width) {
    const QuantGrid symmetric = MakeGrid(bit_width, true, Granularity::kPerTensor, 0);
    EXPECT_EQ(symmetric.q_min, -(1 << (bit_width - 1)));
    EXPECT_EQ(symmetric.q_max, (1 << (bit_width - 1)) - 1);
    const QuantGrid asymmetric = MakeGrid(bit_width, false, Granularity::kPerTensor, 0);
    EXPECT_EQ(asymmetric.q_min, 0);
    EXPECT_EQ(asymmetric.q_max, (1 << bit_width) - 1);
  }
  EXPECT_THROW(MakeGrid(1, true, Granularity::kPerTensor, 0), std::logic_error);
}

TEST(QuantGrid, NarrowRangeIsSymmetricAroundZero) {
  for (int bit_width = kMinBitWidth; bit_width <= kMaxBitWidth; ++bit_width) {
    const QuantGrid grid = MakeGrid(bit_width, true, Granularity::kPerTensor, 0, true);
    EXPECT_EQ(grid.q_max, (1 << (bit_width - 1)) - 1);
    EXPECT_EQ(grid.q_min, -grid.q_max);
  }
  EXPECT_THROW(MakeGrid(4, false, Granularity::kPerTensor, 0, true), std::logic_error);
}

TEST(QuantGrid, ScaleIndexFollowsTheGranularity) {
  QuantGrid grid = MakeGrid(4, true, Granularity::kPerTensor, 4);
  EXPECT_EQ(grid.NumScales(3, 10), 1);
  EXPECT_EQ(grid.ScaleIndex(2, 9, 10), 0);
  grid = MakeGrid(4, true, Granularity::kPerChannel, 4);
  EXPECT_EQ(grid.NumScales(3, 10), 3);
  EXPECT_EQ(grid.ScaleIndex(2, 9, 10), 2);
  // 10 = 4 + 4 + 2.
  grid = MakeGrid(4, true, Granularity::kPerGroup, 4);
  EXPECT_EQ(grid.GroupsPerRow(10), 3);
  EXPECT_EQ(grid.NumScales(3, 10), 9);
  const std::vector<int64_t> wanted = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2};
  for (int64_t k = 0; k < 10; ++k) {
    EXPECT_EQ(grid.ScaleIndex(0, k, 10), wanted[static_cast<size_t>(k)]);
    EXPECT_EQ(grid.ScaleIndex(2, k, 10), 6 + wanted[static_cast<size_t>(k)]);
  }
}

TEST(ChannelLayout, ConvRowsAreContiguous) {
  const Shape shape = {4, 3, 2, 2};
  const ChannelLayout layout{0, 1};
  EXPECT_EQ(layout.NumRows(shape), 4);
  EXPECT_EQ(layout.RowLength(shape), 12);
  const std::vector<int64_t> positions = layout.RowMajorPositions(shape);
  ASSERT_EQ(positions.size(), 48u);
  for (size_t i = 0; i < 48; ++i) EXPECT_EQ(positions[i], static_cast<int64_t>(i));
}

TEST(ChannelLayout, MatMulRowsAreColumns) {
  const Shape shape = {5, 3};  // [K, M]
  const ChannelLayout layout{1, 1};
  EXPECT_EQ(layout.NumRows(shape), 3);
  EXPECT_EQ(layout.RowLength(shape), 5);
  const std::vector<int64_t> positions = layout.RowMajorPositions(shape);
  ASSERT_EQ(positions.size(), 15u);
  for (int64_t row = 0; row < 3; ++row) {
    for (int64_t k = 0; k < 5; ++k) {
      EXPECT_EQ(positions[static_cast<size_t>(row * 5 + k)], k * 3 + row);
    }
  }
}

TEST(ChannelLayout, ConvTransposeRowsFollowTheirGroup) {
  // [I, O / G, kernel]: 6 input channels, 3 groups of 2 inputs and 4 outputs each.
  const int64_t inputs = 6, groups = 3, outputs_per_group = 4, taps = 5;
  const Shape shape = {inputs, outputs_per_group, taps};
  const ChannelLayout layout{1, groups};
  EXPECT_EQ(layout.NumRows(shape), 12);
  EXPECT_EQ(layout.RowLength(shape), 10);
  const std::vector<int64_t> positions = layout.RowMajorPositions(shape);
  ASSERT_EQ(positions.size(), 120u);
  size_t at = 0;
  for (int64_t row = 0; row < groups * outputs_per_group; ++row) {
    const int64_t group = row / outputs_per_group;
    for (int64_t input = 0; input < inputs / groups; ++input) {
      for (int64_t tap = 0; tap < taps; ++tap) {
        EXPECT_EQ(positions[at++],
                  ((group * inputs / groups + input) * outputs_per_group +
                   row % outputs_per_group) * taps + tap);
      }
    }
  }
}

}  // namespace
}  // namespace adaround
