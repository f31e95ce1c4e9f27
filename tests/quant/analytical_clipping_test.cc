#include "quant/analytical_clipping.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>

namespace adaround {
namespace {

constexpr ValueDensity kDensities[] = {ValueDensity::kGaussian, ValueDensity::kLaplacian};

// At unit standard deviation, and at unit mean absolute deviation.
double DensityAt(ValueDensity density, double x) {
  return density == ValueDensity::kGaussian
             ? std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi)
             : std::exp(-std::abs(x)) / 2;
}

// The definition: twice the integral over one tail, by Simpson's rule, and the cells' noise.
double IntegratedError(ValueDensity density, double alpha, int num_levels) {
  constexpr int kIntervals = 4'000;
  const double end = alpha + 60.0;  // what lies beyond is below exp(-60)
  const double width = (end - alpha) / kIntervals;
  double sum = 0.0;
  for (int i = 0; i <= kIntervals; ++i) {
    const double x = alpha + i * width;
    const double weight = i == 0 || i == kIntervals ? 1 : i % 2 == 1 ? 4 : 2;
    sum += weight * DensityAt(density, x) * (x - alpha) * (x - alpha);
  }
  return 2 * sum * width / 3 + alpha * alpha / (3.0 * num_levels * num_levels);
}

// Of either density at its unit.
std::vector<float> Draw(ValueDensity density, int count, uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal;
  std::exponential_distribution<double> exponential;
  std::bernoulli_distribution sign;
  std::vector<float> values;
  for (int i = 0; i < count; ++i) {
    const double laplacian = (sign(generator) ? 1 : -1) * exponential(generator);
    values.push_back(static_cast<float>(density == ValueDensity::kGaussian ? normal(generator)
                                                                            : laplacian));
  }
  return values;
}

// Mean squared error with num_levels levels in the middle of equal cells between -alpha and alpha.
double SampledError(const std::vector<float>& values, double alpha, int num_levels) {
  const double step = 2 * alpha / num_levels;
  double sum = 0.0;
  for (const float value : values) {
    const double cell =
        std::clamp(std::floor((value + alpha) / step), 0.0, static_cast<double>(num_levels - 1));
    const double rounded = -alpha + (cell + 0.5) * step;
    sum += (value - rounded) * (value - rounded);
  }
  return sum / static_cast<double>(values.size());
}

TEST(AnalyticalClipping, ClosedFormIsTheIntegral) {
  for (const ValueDensity density : kDensities) {
    for (const double alpha : {0.1, 0.7, 1.5, 3.0, 6.0}) {
      for (const int num_levels : {3, 4, 16, 256}) {
        const double wanted = IntegratedError(density, alpha, num_levels);
        // Simpson's rule at this width is good to about 1e-8 of it.
        EXPECT_NEAR(ExpectedClippingError(density, alpha, num_levels), wanted, 1e-7 * wanted);
      }
    }
  }
}

TEST(AnalyticalClipping, OptimumIsThatOfAScanOverTheIntegral) {
  for (const ValueDensity density : kDensities) {
    for (const int num_levels : {3, 4, 8, 15, 64, 256}) {
      const double found = OptimalClipping(density, num_levels);
      double best = 0.0;
      double best_error = 1e9;
      for (int i = 1; i <= 400; ++i) {
        const double alpha = 0.03 * i;
        const double error = IntegratedError(density, alpha, num_levels);
        if (error < best_error) {
          best_error = error;
          best = alpha;
        }
      }
      EXPECT_NEAR(found, best, 0.03);  // the scan's step
      EXPECT_LE(IntegratedError(density, found, num_levels), best_error * (1 + 1e-7));
    }
  }
}

TEST(AnalyticalClipping, OptimumIsThePapersTable) {
  const double gaussian[] = {1.71, 2.15, 2.55};
  const double laplacian[] = {2.83, 3.89, 5.03};
  for (int bits = 2; bits <= 4; ++bits) {
    EXPECT_NEAR(OptimalClipping(ValueDensity::kGaussian, 1 << bits), gaussian[bits - 2], 0.01);
    EXPECT_NEAR(OptimalClipping(ValueDensity::kLaplacian, 1 << bits), laplacian[bits - 2], 0.01);
  }
}

TEST(AnalyticalClipping, OptimumIsNearTheBestOfSampledWeights) {
  for (const ValueDensity density : kDensities) {
    const std::vector<float> values = Draw(density, 20'000, 3);
    for (const int bits : {3, 4, 6}) {
      double best = 1e9;
      for (int i = 1; i <= 300; ++i) {
        best = std::min(best, SampledError(values, 0.05 * i, 1 << bits));
      }
      const double found = SampledError(values, OptimalClipping(density, 1 << bits), 1 << bits);
      // The formula takes the density to be constant within a cell, of which there are few.
      EXPECT_LE(found, 1.1 * best) << bits;
    }
  }
}

TEST(AnalyticalClipping, TheDensityThatFitsIsFound) {
  for (const ValueDensity density : kDensities) {
    for (uint32_t seed = 0; seed < 5; ++seed) {
      double squares = 0.0;
      double magnitudes = 0.0;
      const std::vector<float> values = Draw(density, 2'000, seed);
      for (const double value : values) {
        squares += value * value;
        magnitudes += std::abs(value);
      }
      EXPECT_EQ(FittingDensity(std::sqrt(squares / 2'000), magnitudes / 2'000), density);
    }
  }
  // The two likelihoods, written out, agree at the threshold: log(sigma) + log(2 pi e) / 2 against
  // log(2 b) + 1 per weight.
  const double ratio = 2 * std::sqrt(std::numbers::e / (2 * std::numbers::pi));
  EXPECT_NEAR(std::log(ratio) + 0.5 * std::log(2 * std::numbers::pi * std::numbers::e),
              std::log(2.0) + 1, 1e-12);
}

TEST(AnalyticalClipping, SymmetricIntervalHasTheStepOfEqualCells) {
  for (const ValueDensity density : kDensities) {
    const std::vector<float> values = Draw(density, 5'000, 4);
    double squares = 0.0;
    double magnitudes = 0.0;
    for (const double value : values) {
      squares += value * value;
      magnitudes += std::abs(value);
    }
    const double unit = density == ValueDensity::kGaussian ? std::sqrt(squares / 5'000)
                                                            : magnitudes / 5'000;
    for (const bool narrow : {false, true}) {
      const QuantGrid grid = MakeGrid(4, true, Granularity::kPerTensor, 0, narrow);
      const Interval found = AnalyticalInterval({values.data(), 5'000, 0, 1}, grid);
      const int num_levels = narrow ? 15 : 16;
      const double step = 2 * OptimalClipping(density, num_levels) * unit / num_levels;
      EXPECT_NEAR(found.high, 7 * step, 1e-9);
      EXPECT_NEAR(found.low, (narrow ? -7 : -8) * step, 1e-9);
    }
  }
}

TEST(AnalyticalClipping, IntervalsAreNotWiderThanTheWeightsAndHoldZero) {
  for (const float shift : {-4.0F, -0.3F, 0.0F, 0.3F, 4.0F}) {
    for (const int count : {1, 2, 9, 1'000}) {
      std::vector<float> values = Draw(ValueDensity::kGaussian, count, 5);
      for (float& value : values) value += shift;
      const ScaledWeights weights{values.data(), count, 0, 1};
      const Interval range = RangeOf(values.data(), count);
      for (const int bits : {2, 4, 8}) {
        const Interval asymmetric =
            AnalyticalInterval(weights, MakeGrid(bits, false, Granularity::kPerTensor, 0));
        EXPECT_LE(asymmetric.low, 0.0);
        EXPECT_GE(asymmetric.high, 0.0);
        EXPECT_GE(asymmetric.low, range.low);
        EXPECT_LE(asymmetric.high, range.high);
        const QuantGrid grid = MakeGrid(bits, true, Granularity::kPerTensor, 0);
        const double widest = Cover(range, grid, false).scale;
        EXPECT_LE(Cover(AnalyticalInterval(weights, grid), grid, false).scale,
                  widest * (1 + 1e-6));
      }
    }
  }
}

}  // namespace
}  // namespace adaround
