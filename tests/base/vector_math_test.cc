#include "base/vector_math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace adaround {
namespace {

TEST(VectorMath, Exp2IsExactToFloatPrecision) {
  for (double x = -126.0; x <= 126.0; x += 0.0137) {
    const auto at = static_cast<float>(x);
    const double wanted = std::exp2(static_cast<double>(at));
    EXPECT_NEAR(static_cast<double>(Exp2(at)) / wanted, 1.0, 3e-7) << at;
  }
}

TEST(VectorMath, Exp2StaysFiniteBeyondItsRange) {
  EXPECT_NEAR(static_cast<double>(Exp2(1e30F)) / std::exp2(126.0), 1.0, 3e-7);
  EXPECT_NEAR(static_cast<double>(Exp2(-1e30F)) / std::exp2(-126.0), 1.0, 3e-7);
}

TEST(VectorMath, Log2IsNearTheLogarithm) {
  for (double exponent = -125.9; exponent < 127.0; exponent += 0.0171) {
    const auto x = static_cast<float>(std::exp2(exponent));
    const double wanted = std::log2(static_cast<double>(x));
    EXPECT_NEAR(static_cast<double>(Log2(x)), wanted, 1e-6 + 1e-7 * std::abs(wanted)) << x;
  }
}

TEST(VectorMath, Log2IsRelativelyExactNearOne) {
  EXPECT_EQ(Log2(1.0F), 0.0F);
  for (const float x : {1.0F + 1e-6F, 1.0F - 1e-6F, 1.001F, 0.999F}) {
    const double wanted = std::log2(static_cast<double>(x));
    EXPECT_NEAR(static_cast<double>(Log2(x)) / wanted, 1.0, 2e-6) << x;
  }
}

TEST(ExpOfNegative, IsTheExponential) {
  EXPECT_EQ(ExpOfNegative(0.0), 1.0);
  for (double x = -708.0; x <= 0.0; x += 0.00731) {
    ASSERT_NEAR(ExpOfNegative(x) / std::exp(x), 1.0, 4e-16) << x;
  }
}

TEST(ExpOfNegative, IsNextToNothingFarBelow) {
  for (const double x : {-709.0, -1e5, -1e38, -std::numeric_limits<double>::infinity()}) {
    EXPECT_EQ(ExpOfNegative(x), ExpOfNegative(-708.0));
  }
}

}  // namespace
}  // namespace adaround
