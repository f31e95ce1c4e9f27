#include "quant/activation_range.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "support/error_testing.h"
#include "support/graph_testing.h"

namespace adaround {
namespace {

using testing::Floats;

struct Distribution {
  const char* name;
  std::vector<float> values;
};

std::vector<Distribution> Distributions() {
  std::mt19937 generator(1);
  std::normal_distribution<float> normal;
  std::vector<Distribution> all = {{"normal", {}},      {"after ReLU", {}}, {"shifted", {}},
                                   {"negative", {}},    {"long tails", {}}, {"two clusters", {}},
                                   {"one outlier", {}}, {"tiny", {}}};
  for (int i = 0; i < 4000; ++i) {
    const float z = normal(generator);
    all[0].values.push_back(z);
    all[1].values.push_back(std::max(0.0F, z));
    all[2].values.push_back(5.0F + z);
    all[3].values.push_back(-0.1F - std::abs(z));
    all[4].values.push_back(z * z * z);
    all[5].values.push_back((i % 7 == 0 ? -3.0F : 1.0F) + 0.1F * z);
    all[6].values.push_back(i == 17 ? 60.0F : z);
    all[7].values.push_back(1e-30F * z);
  }
  return all;
}

Tensor AsTensor(const std::vector<float>& values) {
  return Floats({static_cast<int64_t>(values.size())}, values);
}

ActivationBounds BoundsOf(const std::vector<float>& values) {
  ActivationBounds bounds;
  bounds.Include(AsTensor(values));
  return bounds;
}

ActivationHistogram HistogramOf(const std::vector<float>& values) {
  ActivationHistogram histogram(BoundsOf(values));
  histogram.Add(AsTensor(values));
  return histogram;
}

ActivationGrid Estimated(ActivationEstimator estimator, int bit_width,
                         const std::vector<float>& values, bool power_of_two_scales = false,
                         double percentile = 99.99) {
  const ActivationHistogram histogram = HistogramOf(values);
  const ActivationGrid grid = EstimateActivationGrid(
      {estimator, bit_width, percentile, power_of_two_scales}, histogram.bounds(), &histogram);
  const auto no_violations = std::vector<std::string>();
  EXPECT_EQ(grid.Validate(), no_violations);
  EXPECT_EQ(grid.bit_width, bit_width);
  return grid;
}

double QuantizedValue(const ActivationGrid& grid, double x) {
  const double scale = grid.scale;
  return scale * std::clamp(std::round(x / scale), static_cast<double>(-grid.zero_point),
                            static_cast<double>(grid.q_max() - grid.zero_point));
}

// Of the middles of the bins: what the estimator is given to minimise.
double SquaredError(const ActivationGrid& grid, const ActivationHistogram& histogram) {
  double sum = 0.0;
  for (int64_t bin = 0; bin < ActivationHistogram::kNumBins; ++bin) {
    const auto count = static_cast<double>(histogram.counts()[static_cast<size_t>(bin)]);
    if (count == 0.0) continue;
    const double error = histogram.Value(bin) - QuantizedValue(grid, histogram.Value(bin));
    sum += count * error * error;
  }
  return sum;
}

bool IsPowerOfTwo(float scale) {
  int exponent = 0;
  return std::frexp(scale, &exponent) == 0.5F;
}

TEST(ActivationBounds, HoldZeroAndBothEnds) {
  ActivationBounds bounds;
  bounds.Include(Floats({3}, {2.0F, 5.0F, 3.0F}));
  EXPECT_EQ(bounds.low, 0.0F);
  EXPECT_EQ(bounds.high, 5.0F);
  ActivationBounds other;
  other.Include(Floats({2}, {-4.0F, -1.0F}));
  EXPECT_EQ(other.low, -4.0F);
  EXPECT_EQ(other.high, 0.0F);
  bounds.Include(other);
  EXPECT_EQ(bounds.low, -4.0F);
  EXPECT_EQ(bounds.high, 5.0F);
  bounds.Include(Floats({0}, {}));
  EXPECT_EQ(bounds.high, 5.0F);
}

TEST(ActivationBounds, NumbersThatAreNotFiniteStayVisible) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const std::vector<float>& values :
       {std::vector<float>{kNan, 1.0F, -1.0F}, std::vector<float>{1.0F, kNan, 2.0F},
        std::vector<float>{1.0F, 2.0F, kNan}, std::vector<float>{-kInfinity, 1.0F},
        std::vector<float>{1.0F, kInfinity}}) {
    const ActivationBounds bad = BoundsOf(values);
    EXPECT_FALSE(std::isfinite(bad.low) && std::isfinite(bad.high));
    // Whatever comes before and after, in one sample or in others.
    ActivationBounds bounds = BoundsOf({-3.0F, 3.0F});
    bounds.Include(bad);
    bounds.Include(BoundsOf({-7.0F, 7.0F}));
    bounds.Include(Floats({2}, {-8.0F, 8.0F}));
    EXPECT_FALSE(std::isfinite(bounds.low) && std::isfinite(bounds.high));
  }
}

TEST(ActivationHistogram, CountsEveryValueInItsBin) {
  for (const Distribution& example : Distributions()) {
    SCOPED_TRACE(example.name);
    const ActivationHistogram histogram = HistogramOf(example.values);
    int64_t total = 0;
    for (const int64_t count : histogram.counts()) total += count;
    EXPECT_EQ(total, static_cast<int64_t>(example.values.size()));
    const double width = histogram.Value(1) - histogram.Value(0);
    EXPECT_NEAR(width * ActivationHistogram::kNumBins,
                static_cast<double>(histogram.bounds().high) - histogram.bounds().low,
                1e-6 * width * ActivationHistogram::kNumBins);
    // No value is farther from the middle of some bin that counts it than half a bin.
    for (const float value : example.values) {
      const double bin = std::floor((value - static_cast<double>(histogram.bounds().low)) / width);
      bool counted = false;
      for (int64_t b = static_cast<int64_t>(bin) - 1; b <= static_cast<int64_t>(bin) + 1; ++b) {
        if (b < 0 || b >= ActivationHistogram::kNumBins) continue;
        counted = counted || (histogram.counts()[static_cast<size_t>(b)] > 0 &&
                              std::abs(value - histogram.Value(b)) <= 0.5001 * width);
      }
      ASSERT_TRUE(counted) << value;
    }
  }
}

TEST(ActivationHistogram, OrderAndPartsDoNotMatter) {
  const std::vector<float> values = Distributions()[0].values;
  const ActivationHistogram whole = HistogramOf(values);
  ActivationHistogram back(whole.bounds());
  ActivationHistogram front(whole.bounds());
  back.Add(AsTensor({values.begin() + 1000, values.end()}));
  front.Add(AsTensor({values.begin(), values.begin() + 1000}));
  back.Add(front);
  EXPECT_EQ(back.counts(), whole.counts());
}

TEST(ActivationRange, MinMaxClipsNothingAndWastesNothing) {
  for (const Distribution& example : Distributions()) {
    for (int bit_width = 2; bit_width <= 8; ++bit_width) {
      SCOPED_TRACE(std::string(example.name) + ", bits " + std::to_string(bit_width));
      const ActivationBounds bounds = BoundsOf(example.values);
      const ActivationGrid grid = EstimateActivationGrid(
          {ActivationEstimator::kMinMax, bit_width, 99.99, false}, bounds, nullptr);
      const Tensor x = AsTensor(example.values);
      const Tensor found = grid.QuantizeDequantize(x);
      for (int64_t i = 0; i < x.num_elements(); ++i) {
        // Clipping shows as an error of more than half a step.
        ASSERT_LE(std::abs(found.data<float>()[i] - x.data<float>()[i]), 0.5001F * grid.scale);
      }
      const double width = static_cast<double>(bounds.high) - static_cast<double>(bounds.low);
      EXPECT_NEAR(grid.scale, width / (std::pow(2.0, bit_width) - 1), 1e-6 * grid.scale);
      if (bounds.low == 0.0F) {
        EXPECT_EQ(grid.zero_point, 0);
      }
      if (bounds.high == 0.0F) {
        EXPECT_EQ(grid.zero_point, grid.q_max());
      }
    }
  }
}

TEST(ActivationRange, MseIsNotWorseThanTheOthers) {
  for (const Distribution& example : Distributions()) {
    const ActivationHistogram histogram = HistogramOf(example.values);
    for (int bit_width = 2; bit_width <= 8; ++bit_width) {
      SCOPED_TRACE(std::string(example.name) + ", bits " + std::to_string(bit_width));
      const double mse =
          SquaredError(Estimated(ActivationEstimator::kMse, bit_width, example.values), histogram);
      EXPECT_LE(mse, (1 + 1e-9) * SquaredError(Estimated(ActivationEstimator::kMinMax, bit_width,
                                                         example.values),
                                               histogram));
    }
  }
}

TEST(ActivationRange, MseIsNearTheBestPairOfEnds) {
  for (const Distribution& example : Distributions()) {
    const ActivationHistogram histogram = HistogramOf(example.values);
    const ActivationBounds& bounds = histogram.bounds();
    for (const int bit_width : {2, 3, 4, 6}) {
      double best = std::numeric_limits<double>::infinity();
      constexpr int kSteps = 48;
      for (int l = 0; l <= kSteps; ++l) {
        if (bounds.low == 0.0F && l > 0) break;
        for (int h = 0; h <= kSteps; ++h) {
          if (bounds.high == 0.0F && h > 0) break;
          const double low = bounds.low * (1.0 - static_cast<double>(l) / kSteps);
          const double high = bounds.high * (1.0 - static_cast<double>(h) / kSteps);
          if (high <= low) continue;
          ActivationGrid grid;
          grid.bit_width = bit_width;
          grid.scale = static_cast<float>((high - low) / grid.q_max());
          grid.zero_point = static_cast<int32_t>(std::round(-low / grid.scale));
          if (!grid.Validate().empty()) continue;
          best = std::min(best, SquaredError(grid, histogram));
        }
      }
      const double found =
          SquaredError(Estimated(ActivationEstimator::kMse, bit_width, example.values), histogram);
      // Up to 4 bits every zero point is tried; beyond, the error has more local minima than the
      // search visits, each of them shallow.
      EXPECT_LE(found, (bit_width <= 4 ? 1.05 : 1.1) * best)
          << example.name << ", bits " << bit_width;
    }
  }
}

// On what it assumes, whole or cut off at zero, it is near the scan.
TEST(ActivationRange, AciqIsNearMseOnItsDensities) {
  std::mt19937 generator(2);
  std::normal_distribution<float> normal;
  std::exponential_distribution<float> exponential;
  std::vector<std::vector<float>> cases(6);
  for (int i = 0; i < 20'000; ++i) {
    const float z = normal(generator);
    const float e = (i % 2 == 0 ? 1.0F : -1.0F) * exponential(generator);
    cases[0].push_back(z);
    cases[1].push_back(std::max(0.0F, z));
    cases[2].push_back(std::min(0.0F, 3.0F * z));
    cases[3].push_back(e);
    cases[4].push_back(std::max(0.0F, e));
    cases[5].push_back(0.7F + z);
  }
  for (size_t i = 0; i < cases.size(); ++i) {
    const ActivationHistogram histogram = HistogramOf(cases[i]);
    for (const int bit_width : {3, 4, 6}) {
      const double aciq =
          SquaredError(Estimated(ActivationEstimator::kAciq, bit_width, cases[i]), histogram);
      const double mse =
          SquaredError(Estimated(ActivationEstimator::kMse, bit_width, cases[i]), histogram);
      EXPECT_LE(aciq, 1.15 * mse) << "case " << i << ", bits " << bit_width;
    }
  }
}

TEST(ActivationRange, PercentileKeepsItsShare) {
  for (const Distribution& example : Distributions()) {
    const ActivationHistogram histogram = HistogramOf(example.values);
    const double bin = histogram.Value(1) - histogram.Value(0);
    const auto total = static_cast<double>(example.values.size());
    for (const double percentile : {50.0, 90.0, 99.0, 99.9, 100.0}) {
      SCOPED_TRACE(std::string(example.name) + ", percentile " + std::to_string(percentile));
      const ActivationGrid grid =
          Estimated(ActivationEstimator::kPercentile, 8, example.values, false, percentile);
      // A bin is not cut and zero points are whole: ends are known to a bin and half a step.
      const double slack = bin + 0.5001 * static_cast<double>(grid.scale);
      const double low = -static_cast<double>(grid.scale) * grid.zero_point;
      const double high = static_cast<double>(grid.scale) * (grid.q_max() - grid.zero_point);
      double below = 0.0;
      double above = 0.0;
      double well_below = 0.0;
      double well_above = 0.0;
      for (const float value : example.values) {
        below += value < low - slack ? 1 : 0;
        above += value > high + slack ? 1 : 0;
        well_below += value < low + slack ? 1 : 0;
        well_above += value > high - slack ? 1 : 0;
      }
      const double share = total * (100.0 - percentile) / 200.0;
      EXPECT_LE(below, share);
      EXPECT_LE(above, share);
      // Nor does it keep more than it must, but where the range must reach to 0.
      if (low < -slack) {
        EXPECT_GE(well_below + 1, share);
      }
      if (high > slack) {
        EXPECT_GE(well_above + 1, share);
      }
    }
  }
}

TEST(ActivationRange, AllPercentAreMinMax) {
  for (const Distribution& example : Distributions()) {
    SCOPED_TRACE(example.name);
    const ActivationHistogram histogram = HistogramOf(example.values);
    const double bin = histogram.Value(1) - histogram.Value(0);
    const ActivationGrid all = Estimated(ActivationEstimator::kMinMax, 8, example.values);
    const ActivationGrid found =
        Estimated(ActivationEstimator::kPercentile, 8, example.values, false, 100.0);
    EXPECT_EQ(found.zero_point, all.zero_point);
    EXPECT_NEAR(found.scale * static_cast<float>(found.q_max()),
                all.scale * static_cast<float>(all.q_max()), bin);
    // No value lies beyond the ends.
    for (const float value : example.values) {
      EXPECT_LE(std::abs(QuantizedValue(found, value) - static_cast<double>(value)),
                0.5001 * static_cast<double>(found.scale));
    }
  }
}

TEST(ActivationRange, PercentileDropsAnOutlierThatMinMaxKeeps) {
  const std::vector<float> values = Distributions()[6].values;
  const ActivationGrid all = Estimated(ActivationEstimator::kMinMax, 8, values);
  const ActivationGrid most = Estimated(ActivationEstimator::kPercentile, 8, values, false, 99.9);
  EXPECT_GT(all.scale, 6 * most.scale);
}

TEST(ActivationRange, PowersOfTwoAreNotWorseThanRoundingTheBestUp) {
  for (const Distribution& example : Distributions()) {
    const ActivationHistogram histogram = HistogramOf(example.values);
    for (const int bit_width : {2, 4, 8}) {
      for (const ActivationEstimator estimator :
           {ActivationEstimator::kMinMax, ActivationEstimator::kPercentile,
            ActivationEstimator::kMse, ActivationEstimator::kAciq}) {
        SCOPED_TRACE(std::string(example.name) + ", bits " + std::to_string(bit_width) + ", " +
                     std::string(ActivationEstimatorName(estimator)));
        const ActivationGrid free = Estimated(estimator, bit_width, example.values);
        const ActivationGrid grid = Estimated(estimator, bit_width, example.values, true);
        ASSERT_TRUE(IsPowerOfTwo(grid.scale)) << grid.scale;
        ActivationGrid rounded = free;
        rounded.scale = std::exp2(std::ceil(std::log2(free.scale)));
        const double low = -static_cast<double>(free.scale) * free.zero_point;
        rounded.zero_point = static_cast<int32_t>(std::round(-low / rounded.scale));
        if (estimator != ActivationEstimator::kMse) {
          EXPECT_EQ(grid.scale, rounded.scale);
          continue;
        }
        // Zero points may differ by the rounding of the ends: a small part of the error.
        EXPECT_LE(SquaredError(grid, histogram), 1.01 * SquaredError(rounded, histogram));
      }
    }
  }
}

TEST(ActivationRange, PowersOfTwoStayAsTheyAre) {
  const ActivationGrid grid = EstimateActivationGrid({ActivationEstimator::kMinMax, 2, 99.99, true},
                                                     ActivationBounds{-0.25F, 0.5F}, nullptr);
  EXPECT_EQ(grid.scale, 0.25F);
  EXPECT_EQ(grid.zero_point, 1);
}

TEST(ActivationRange, AllZerosGiveScaleOne) {
  for (const ActivationEstimator estimator :
       {ActivationEstimator::kMinMax, ActivationEstimator::kPercentile,
        ActivationEstimator::kMse, ActivationEstimator::kAciq}) {
    for (const bool power_of_two_scales : {false, true}) {
      const ActivationGrid grid =
          Estimated(estimator, 4, std::vector<float>(10, 0.0F), power_of_two_scales);
      EXPECT_EQ(grid.scale, 1.0F);
      EXPECT_EQ(grid.zero_point, 0);
    }
  }
}

TEST(ActivationRange, ExtremesGiveSoundGridsAndFiniteValues) {
  constexpr float kTiny = std::numeric_limits<float>::denorm_min();
  constexpr float kHuge = std::numeric_limits<float>::max();
  for (const ActivationEstimator estimator :
       {ActivationEstimator::kMinMax, ActivationEstimator::kPercentile,
        ActivationEstimator::kMse, ActivationEstimator::kAciq}) {
    for (const bool power_of_two_scales : {false, true}) {
      for (const int bit_width : {2, 8}) {
        for (const std::vector<float>& values :
             {std::vector<float>{kTiny, -kTiny, 0.0F}, std::vector<float>{kTiny},
              std::vector<float>{kHuge / 4, -kHuge / 4, 1.0F}, std::vector<float>{kHuge, -kHuge},
              std::vector<float>{-kHuge / 4}}) {
          Estimated(estimator, bit_width, values, power_of_two_scales);  // validates the grid
        }
      }
    }
  }
}

TEST(ActivationEstimator, NamesRoundTripAndUnknownOnesAreRefused) {
  for (const std::string& name : ActivationEstimatorNames()) {
    EXPECT_EQ(ActivationEstimatorName(ParseActivationEstimator(name)), name);
  }
  testing::ExpectErrorWith(ErrorCode::kInvalidArgument, ActivationEstimatorNames(),
                           [] { ParseActivationEstimator("max"); });
}

}  // namespace
}  // namespace adaround
