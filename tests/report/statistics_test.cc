#include "report/statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace adaround {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<double> RandomValues(uint32_t seed, size_t count, int distinct) {
  std::mt19937 engine(seed);
  std::vector<double> values(count);
  for (double& value : values) {
    value = static_cast<double>(engine() % static_cast<uint32_t>(distinct)) * 0.37 - 3.0;
  }
  return values;
}

TEST(StandardDeviation, IsThatOfAllPairs) {
  // sum over pairs of (a - b)^2 = n sum of (a - mean)^2: another way to the same number.
  for (uint32_t seed = 1; seed <= 5; ++seed) {
    const std::vector<double> values = RandomValues(seed, 17, 1000);
    double pairs = 0.0;
    for (const double a : values) {
      for (const double b : values) pairs += 0.5 * (a - b) * (a - b);
    }
    const auto n = static_cast<double>(values.size());
    ASSERT_TRUE(StandardDeviation(values));
    EXPECT_NEAR(*StandardDeviation(values), std::sqrt(pairs / n / (n - 1.0)), 1e-12);
  }
}

TEST(StandardDeviation, OfKnownValues) {
  EXPECT_DOUBLE_EQ(Mean({2.0, 4.0, 9.0}), 5.0);
  EXPECT_DOUBLE_EQ(*StandardDeviation({2.0, 4.0, 9.0}), std::sqrt(13.0));
  EXPECT_DOUBLE_EQ(*StandardDeviation({7.0, 7.0}), 0.0);
}

TEST(StandardDeviation, NeedsTwoFiniteValues) {
  EXPECT_FALSE(StandardDeviation({}));
  EXPECT_FALSE(StandardDeviation({1.0}));
  EXPECT_FALSE(StandardDeviation({1.0, kInfinity}));
  EXPECT_EQ(Mean({1.0, kInfinity}), kInfinity);
}

TEST(StandardDeviation, SurvivesALargeOffset) {
  EXPECT_NEAR(*StandardDeviation({1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0}), 1.0, 1e-6);
}

TEST(PearsonCorrelation, IsTheCosineOfStandardScores) {
  const std::vector<double> a = RandomValues(3, 40, 500);
  std::vector<double> b = RandomValues(4, 40, 500);
  for (size_t i = 0; i < a.size(); ++i) b[i] += 0.7 * a[i];
  double expected = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    expected += (a[i] - Mean(a)) / *StandardDeviation(a) * (b[i] - Mean(b)) / *StandardDeviation(b);
  }
  EXPECT_NEAR(*PearsonCorrelation(a, b), expected / 39.0, 1e-12);
}

TEST(PearsonCorrelation, IsOneOfALineWhateverItsScale) {
  const std::vector<double> x = {1.0, 2.0, 5.0, 7.0};
  std::vector<double> up;
  std::vector<double> down;
  for (const double value : x) {
    up.push_back(1e200 * value + 1e199);
    down.push_back(3.0 - 1e-200 * value);
  }
  ASSERT_TRUE(PearsonCorrelation(x, up)) << "the squares leave the range of doubles";
  EXPECT_NEAR(*PearsonCorrelation(x, up), 1.0, 1e-12);
  const std::vector<double> y = {-1.0, -2.0, -5.0, -7.0};
  EXPECT_NEAR(*PearsonCorrelation(x, y), -1.0, 1e-12);
  // 3 - 1e-200 x is 3 everywhere: nothing varies.
  EXPECT_FALSE(PearsonCorrelation(x, down));
}

TEST(PearsonCorrelation, IsUndefinedOfTooLittle) {
  EXPECT_FALSE(PearsonCorrelation({1.0, 2.0}, {1.0, 2.0}));
  EXPECT_FALSE(PearsonCorrelation({1.0, 2.0, 3.0}, {4.0, 4.0, 4.0}));
  EXPECT_FALSE(PearsonCorrelation({1.0, 2.0, kInfinity}, {1.0, 2.0, 3.0}));
}

// 1 + values below + half of the other equal ones.
std::vector<double> NaiveRanks(const std::vector<double>& values) {
  std::vector<double> ranks;
  for (const double value : values) {
    double rank = 0.5;
    for (const double other : values) {
      rank += other < value ? 1.0 : other == value ? 0.5 : 0.0;
    }
    ranks.push_back(rank);
  }
  return ranks;
}

TEST(SpearmanCorrelation, IsPearsonOfNaiveRanksWithTies) {
  for (uint32_t seed = 1; seed <= 5; ++seed) {
    const std::vector<double> a = RandomValues(seed, 30, 7);
    const std::vector<double> b = RandomValues(seed + 50, 30, 9);
    EXPECT_NEAR(*SpearmanCorrelation(a, b), *PearsonCorrelation(NaiveRanks(a), NaiveRanks(b)),
                1e-12);
  }
}

TEST(SpearmanCorrelation, SeesOrderAlone) {
  const std::vector<double> x = {0.1, 0.5, 2.0, 9.0};
  EXPECT_NEAR(*SpearmanCorrelation(x, {1.0, 10.0, 1e6, kInfinity}), 1.0, 1e-12);
  EXPECT_NEAR(*SpearmanCorrelation(x, {4.0, 3.0, 2.0, 1.0}), -1.0, 1e-12);
}

}  // namespace
}  // namespace adaround
