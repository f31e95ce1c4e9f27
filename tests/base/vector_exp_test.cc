#include "base/vector_exp.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace adaround {
namespace {

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
