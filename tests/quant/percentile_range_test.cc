#include "quant/percentile_range.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "support/graph_testing.h"

namespace adaround {
namespace {

double NaivePercentile(std::vector<float> values, double percentile) {
  std::sort(values.begin(), values.end());
  const double place = percentile / 100 * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(std::floor(place));
  const auto above = static_cast<size_t>(std::ceil(place));
  const double low = values[below];
  const double high = values[above];
  return low + (high - low) * (place - static_cast<double>(below));
}

const QuantGrid kSymmetric = MakeGrid(4, true, Granularity::kPerTensor, 0);
const QuantGrid kAsymmetric = MakeGrid(4, false, Granularity::kPerTensor, 0);

Interval Found(const std::vector<float>& values, const QuantGrid& grid, double percentile) {
  return PercentileInterval({values.data(), static_cast<int64_t>(values.size()), 0, 1}, grid,
                            percentile);
}

TEST(PercentileRange, IsThatOfASortedList) {
  for (const int64_t count : {1, 2, 3, 9, 100, 1'001}) {
    const std::vector<float> values =
        testing::RandomFloats(count, static_cast<uint32_t>(count), -1.0F, 2.0F);
    std::vector<float> magnitudes;
    for (const float value : values) magnitudes.push_back(std::abs(value));
    for (const double percentile : {50.0, 90.0, 99.0, 99.99, 100.0}) {
      const Interval symmetric = Found(values, kSymmetric, percentile);
      const double end = NaivePercentile(magnitudes, percentile);
      const Interval range = RangeOf(values.data(), count);
      EXPECT_NEAR(symmetric.high, std::min(end, range.high), 1e-12);
      EXPECT_NEAR(symmetric.low, std::max(-end, range.low), 1e-12);
      const Interval both = Found(values, kAsymmetric, percentile);
      const double clipped = (100 - percentile) / 2;
      EXPECT_NEAR(both.low, std::min(0.0, NaivePercentile(values, clipped)), 1e-12);
      EXPECT_NEAR(both.high, std::max(0.0, NaivePercentile(values, 100 - clipped)), 1e-12);
    }
  }
}

TEST(PercentileRange, HundredClipsNothing) {
  const std::vector<float> values = testing::RandomFloats(77, 1, -3.0F, 1.0F);
  const Interval range = RangeOf(values.data(), 77);
  EXPECT_EQ(Found(values, kAsymmetric, 100).low, range.low);
  EXPECT_EQ(Found(values, kAsymmetric, 100).high, range.high);
  EXPECT_EQ(Found(values, kSymmetric, 100).low, range.low);
  EXPECT_EQ(Found(values, kSymmetric, 100).high, range.high);
}

TEST(PercentileRange, GrowsWithThePercentile) {
  const std::vector<float> values = testing::RandomFloats(500, 2, -3.0F, 1.0F);
  double last = 0.0;
  for (int percentile = 50; percentile <= 100; ++percentile) {
    const double high = Found(values, kSymmetric, percentile).high;
    EXPECT_GE(high, last);
    last = high;
  }
}

TEST(PercentileRange, NearlyAllZerosClipNothing) {
  std::vector<float> values(1'000, 0.0F);
  values[3] = -2.0F;
  values[500] = 5.0F;
  EXPECT_EQ(Found(values, kSymmetric, 99).high, 5.0);
  EXPECT_EQ(Found(values, kAsymmetric, 99).low, -2.0);
  EXPECT_EQ(Found(values, kAsymmetric, 99).high, 5.0);
}

}  // namespace
}  // namespace adaround
