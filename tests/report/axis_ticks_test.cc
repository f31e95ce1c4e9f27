#include "report/axis_ticks.h"

#include <gtest/gtest.h>

#include <cmath>

namespace adaround {
namespace {

TEST(AxisTicks, SpanTheRangeInRoundSteps) {
  for (const double low : {-1234.5, -1.0, -1e-7, 0.0, 0.3, 52.06, 1e6, 1e-12}) {
    for (const double span : {1e-13, 1e-6, 0.37, 1.0, 49.9, 1e5}) {
      const double high = low + span;
      if (high - low <= 1e-9 * std::max(std::abs(low), std::abs(high))) continue;
      const std::vector<double> ticks = AxisTicks(low, high);
      ASSERT_GE(ticks.size(), 3u);
      ASSERT_LE(ticks.size(), 12u);
      const double spacing = ticks[1] - ticks[0];
      EXPECT_LE(ticks.front(), low + 1e-9 * spacing);
      EXPECT_GE(ticks.back(), high - 1e-9 * spacing);
      const double rounding = 1e-15 * std::max(std::abs(low), std::abs(high));
      for (size_t i = 1; i < ticks.size(); ++i) {
        EXPECT_NEAR(ticks[i] - ticks[i - 1], spacing, 1e-6 * spacing + rounding);
      }
      const double mantissa = spacing / std::pow(10.0, std::floor(std::log10(spacing) + 1e-6));
      const bool is_round = std::abs(mantissa - 1.0) < 1e-3 || std::abs(mantissa - 2.0) < 1e-3 ||
                            std::abs(mantissa - 5.0) < 1e-3;
      EXPECT_TRUE(is_round) << low << " " << span << ": " << spacing;
    }
  }
}

TEST(AxisTicks, OneValueGetsARangeAroundIt) {
  for (const double value : {0.0, 5.0, -3e8, 1e-300}) {
    const std::vector<double> ticks = AxisTicks(value, value);
    ASSERT_GE(ticks.size(), 3u);
    EXPECT_LT(ticks.front(), value);
    EXPECT_GT(ticks.back(), value);
  }
}

}  // namespace
}  // namespace adaround
