#include "rounding/row_parts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "base/checked_math.h"

namespace adaround {
namespace {

TEST(PartRows, CoversEveryRowOnceInMultiplesOfABlock) {
  for (const int64_t num_rows : {1, 383, 384, 385, 768, 1000, 11'008}) {
    for (const int64_t num_parts : {1, 2, 3, 7, 1000}) {
      const std::vector<RowSpan> parts = PartRows(num_rows, num_parts);
      const int64_t most = std::min(num_parts, CeilDivide(num_rows, kRowsPerPart));
      if (most < 2) {
        EXPECT_TRUE(parts.empty());
        continue;
      }
      ASSERT_EQ(static_cast<int64_t>(parts.size()), most) << num_rows << " " << num_parts;
      int64_t next = 0;
      for (const RowSpan& part : parts) {
        EXPECT_EQ(part.begin, next);
        EXPECT_EQ(part.begin % kRowsPerPart, 0);
        EXPECT_GT(part.size(), 0);
        next = part.end;
      }
      EXPECT_EQ(next, num_rows);
    }
  }
}

QuantGrid Numbered(Granularity granularity, int64_t num_rows, int64_t row_length) {
  QuantGrid grid = MakeGrid(4, false, granularity, 4);
  grid.scale.resize(static_cast<size_t>(grid.NumScales(num_rows, row_length)));
  std::iota(grid.scale.begin(), grid.scale.end(), 1.0F);
  for (size_t i = 0; i < grid.scale.size(); ++i) {
    grid.zero_point.push_back(static_cast<int32_t>(i % 16));
  }
  return grid;
}

TEST(GridOfRows, GovernsThemAsTheWholeDoes) {
  constexpr int64_t kRows = 9;
  constexpr int64_t kLength = 10;
  constexpr RowSpan kSpan = {3, 7};
  for (const Granularity granularity :
       {Granularity::kPerTensor, Granularity::kPerChannel, Granularity::kPerGroup}) {
    const QuantGrid whole = Numbered(granularity, kRows, kLength);
    const QuantGrid part = GridOfRows(whole, kSpan, kRows, kLength);
    EXPECT_TRUE(part.Validate(kSpan.size(), kLength).empty());
    for (int64_t row = kSpan.begin; row < kSpan.end; ++row) {
      for (int64_t k = 0; k < kLength; ++k) {
        const auto in_whole = static_cast<size_t>(whole.ScaleIndex(row, k, kLength));
        const auto in_part = static_cast<size_t>(part.ScaleIndex(row - kSpan.begin, k, kLength));
        EXPECT_EQ(part.scale[in_part], whole.scale[in_whole]);
        EXPECT_EQ(part.zero_point[in_part], whole.zero_point[in_whole]);
      }
    }
  }
}

RowPart Part(int64_t begin, int64_t end) {
  RowPart part;
  part.rows = {begin, end};
  part.summary.strategy = "gptq";
  part.summary.block_traces.assign(static_cast<size_t>(CeilDivide(end - begin, 64)),
                                   {{"nearest", 0, 1.0, {}, 0}});
  return part;
}

TEST(MakeOneLayer, WantsAllRowsOfOneSearch) {
  const std::vector<RowPart> parts = {Part(0, 384), Part(384, 500)};
  EXPECT_TRUE(MakeOneLayer(parts, 500));
  EXPECT_FALSE(MakeOneLayer(parts, 501));
  EXPECT_FALSE(MakeOneLayer(parts, 499));
  EXPECT_FALSE(MakeOneLayer({}, 0));
  EXPECT_FALSE(MakeOneLayer({parts[1]}, 500));
  EXPECT_FALSE(MakeOneLayer({parts[0], parts[0]}, 768));
  EXPECT_FALSE(MakeOneLayer({parts[1], parts[0]}, 500));
  std::vector<RowPart> other = parts;
  other[1].summary.strategy = "gptq, damping raised to 0.1";
  EXPECT_FALSE(MakeOneLayer(other, 500));
  other = parts;
  other[0].summary.ridge = 0.2;
  EXPECT_FALSE(MakeOneLayer(other, 500));
  other = parts;
  other[1].summary.block_traces[0][0].stage = "rounded";
  EXPECT_FALSE(MakeOneLayer(other, 500));
  other = parts;
  other[0].summary.block_traces.clear();
  EXPECT_FALSE(MakeOneLayer(other, 500));
  other = parts;
  other[0].summary.block_traces.pop_back();
  EXPECT_FALSE(MakeOneLayer(other, 500));
}

}  // namespace
}  // namespace adaround
