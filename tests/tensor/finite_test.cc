#include "tensor/finite.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace adaround {
namespace {

TEST(FirstNotFinite, FindsTheFirstAtAnyPlace) {
  using Limits = std::numeric_limits<float>;
  const std::vector<float> finite = {
      0.0F, -0.0F, Limits::max(), -Limits::max(), Limits::denorm_min(), 1.0F};
  std::vector<float> values;
  for (size_t i = 0; i < 3000; ++i) values.push_back(finite[i % finite.size()]);
  const auto count = static_cast<int64_t>(values.size());
  EXPECT_EQ(FirstNotFinite(values.data(), count), count);
  for (const float bad : {Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN()}) {
    for (const size_t at : {0U, 1U, 1023U, 1024U, 2999U}) {
      std::vector<float> broken = values;
      broken[at] = bad;
      broken.back() = bad;
      EXPECT_EQ(FirstNotFinite(broken.data(), count), static_cast<int64_t>(at));
    }
  }
}

TEST(FirstNotFinite, OfNothingIsNothing) {
  EXPECT_EQ(FirstNotFinite(nullptr, 0), 0);
}

}  // namespace
}  // namespace adaround
