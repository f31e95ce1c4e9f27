#include "report/chart_axis.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace adaround {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
const double kNan = std::nan("");

TEST(ChartAxis, LinearAxisKeepsDistances) {
  const ChartAxis axis(ChartAxis::Scale::kLinear, {0.0, 37.0}, 10.0, 110.0);
  EXPECT_NEAR(axis.At(20.0) - axis.At(10.0), axis.At(30.0) - axis.At(20.0), 1e-9);
  EXPECT_EQ(axis.At(axis.ticks().front()), 10.0);
  EXPECT_EQ(axis.At(axis.ticks().back()), 110.0);
}

TEST(ChartAxis, LogarithmicAxisKeepsRatios) {
  for (const auto& values : {std::vector<double>{1e-7, 3.0}, {0.02, 0.9}, {0.7, 1.0}, {5.0, 5.0},
                             {1e-320, 1e300}}) {
    const ChartAxis axis(ChartAxis::Scale::kLog, values, 0.0, 100.0);
    ASSERT_GE(axis.ticks().size(), 2u);
    ASSERT_LE(axis.ticks().size(), 12u);
    for (size_t i = 1; i < axis.ticks().size(); ++i) {
      EXPECT_LT(axis.ticks()[i - 1], axis.ticks()[i]);
    }
    const double low = axis.ticks().front();
    const double high = axis.ticks().back();
    EXPECT_LE(low, std::max(1e-300, values[0] * (1.0 + 1e-9)));
    EXPECT_GE(high, values[1] * (1.0 - 1e-9));
    EXPECT_NEAR(axis.At(std::sqrt(low) * std::sqrt(high)), 50.0, 1e-6);
    EXPECT_NEAR(axis.At(std::pow(low, 0.25) * std::pow(high, 0.75)), 75.0, 1e-6);
  }
}

// Downwards, as in pictures.
TEST(ChartAxis, RunsBackwards) {
  const ChartAxis axis(ChartAxis::Scale::kLog, {0.01, 1.0}, 96.0, 2.0);
  EXPECT_GT(axis.At(0.01), axis.At(0.1));
  EXPECT_GT(axis.At(0.1), axis.At(1.0));
}

TEST(ChartAxis, PassesOverWhatHasNoPlace) {
  const ChartAxis with(ChartAxis::Scale::kLog, {kNan, kInfinity, 0.0, -3.0, 0.5, 0.02}, 0.0, 1.0);
  const ChartAxis without(ChartAxis::Scale::kLog, {0.5, 0.02}, 0.0, 1.0);
  EXPECT_EQ(with.ticks(), without.ticks());
  EXPECT_EQ(with.At(0.0), 0.0);
  EXPECT_EQ(with.At(-kInfinity), 0.0);
  EXPECT_EQ(with.At(kNan), 0.0);
  EXPECT_EQ(with.At(kInfinity), 1.0);
  for (const auto scale : {ChartAxis::Scale::kLinear, ChartAxis::Scale::kLog}) {
    const ChartAxis none(scale, {kNan}, 0.0, 1.0);
    EXPECT_GE(none.ticks().size(), 2u);
    EXPECT_EQ(none.At(1e9), 1.0);
  }
}

}  // namespace
}  // namespace adaround
