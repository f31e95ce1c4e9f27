#include "quant/range_estimator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "support/error_testing.h"
#include "support/graph_testing.h"

namespace adaround {
namespace {

// Those that look at the weights alone.
constexpr RangeEstimator kByWeights[] = {RangeEstimator::kMinMax, RangeEstimator::kMse,
                                         RangeEstimator::kPercentile, RangeEstimator::kAciq};

// Rows of different sizes and tails; the last is positive throughout.
std::vector<float> ExampleWeights(int64_t rows, int64_t row_length, uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> weights;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t k = 0; k < row_length; ++k) {
      float value = normal(generator);
      if (row % 3 == 1) value = value * value * value;
      if (row == rows - 1) value = 0.5F + std::abs(value);
      weights.push_back(value * std::pow(10.0F, static_cast<float>(row % 5) - 2.0F));
    }
  }
  return weights;
}

double RowSquaredError(const float* weights, int64_t count, double scale, int q_min, int q_max) {
  double sum = 0.0;
  for (int64_t i = 0; i < count; ++i) {
    const double q = std::clamp(std::round(weights[i] / scale), double(q_min), double(q_max));
    sum += (weights[i] - scale * q) * (weights[i] - scale * q);
  }
  return sum;
}

// Squared error of each unit that has a scale of its own.
std::vector<double> UnitErrors(const WeightMatrix& weights, const QuantGrid& grid) {
  const std::vector<float> rounded = DequantizeMatrix(RoundToNearest(weights, grid), weights.rows,
                                                      weights.row_length, grid);
  std::vector<double> errors(grid.scale.size(), 0.0);
  for (int64_t row = 0; row < weights.rows; ++row) {
    for (int64_t k = 0; k < weights.row_length; ++k) {
      const auto at = static_cast<size_t>(row * weights.row_length + k);
      const double difference = static_cast<double>(weights.values[at]) - rounded[at];
      errors[static_cast<size_t>(grid.ScaleIndex(row, k, weights.row_length))] +=
          difference * difference;
    }
  }
  return errors;
}

QuantGrid Estimated(RangeEstimator estimator, const WeightMatrix& weights, QuantGrid grid,
                    const RowErrorFunction& output_error = {}) {
  EstimateRange({estimator}, weights, output_error, 1, grid);
  const auto no_violations = std::vector<std::string>();
  EXPECT_EQ(grid.Validate(weights.rows, weights.row_length), no_violations);
  return grid;
}

template <typename Visit>
void ForEveryGrid(Visit visit) {
  for (const int bit_width : {2, 4, 8}) {
    for (const bool symmetric : {true, false}) {
      for (const Granularity granularity :
           {Granularity::kPerTensor, Granularity::kPerChannel, Granularity::kPerGroup}) {
        SCOPED_TRACE("bits " + std::to_string(bit_width) + (symmetric ? " symmetric " : " ") +
                     std::to_string(static_cast<int>(granularity)));
        visit(MakeGrid(bit_width, symmetric, granularity, 24));
      }
    }
  }
}

TEST(RangeEstimator, MinMaxClipsNothing) {
  const std::vector<float> values = ExampleWeights(11, 100, 1);
  const WeightMatrix weights{values.data(), 11, 100};
  ForEveryGrid([&](const QuantGrid& empty) {
    const QuantGrid grid = Estimated(RangeEstimator::kMinMax, weights, empty);
    const std::vector<float> rounded =
        DequantizeMatrix(RoundToNearest(weights, grid), 11, 100, grid);
    for (int64_t i = 0; i < 1100; ++i) {
      const float scale = grid.scale[static_cast<size_t>(grid.ScaleIndex(i / 100, i % 100, 100))];
      // Clipping shows as an error of more than half a step.
      ASSERT_LE(std::abs(values[static_cast<size_t>(i)] - rounded[static_cast<size_t>(i)]),
                0.5001F * scale);
    }
  });
}

TEST(RangeEstimator, MinMaxReachesTheEndOfTheGrid) {
  const std::vector<float> values = ExampleWeights(11, 100, 2);
  for (const int bit_width : {2, 4, 8}) {
    const QuantGrid grid = Estimated(RangeEstimator::kMinMax, {values.data(), 11, 100},
                                     MakeGrid(bit_width, true, Granularity::kPerChannel, 0));
    for (int64_t row = 0; row < 11; ++row) {
      const auto begin = values.begin() + row * 100;
      const auto [low, high] = std::minmax_element(begin, begin + 100);
      const float scale = grid.scale[static_cast<size_t>(row)];
      EXPECT_FLOAT_EQ(std::max(*high / scale / static_cast<float>(grid.q_max),
                               *low / scale / static_cast<float>(grid.q_min)),
                      1.0F);
    }
  }
}

TEST(RangeEstimator, MseIsNotWorseThanMinMax) {
  const std::vector<float> values = ExampleWeights(11, 100, 3);
  const WeightMatrix weights{values.data(), 11, 100};
  ForEveryGrid([&](const QuantGrid& empty) {
    const std::vector<double> mse =
        UnitErrors(weights, Estimated(RangeEstimator::kMse, weights, empty));
    const std::vector<double> min_max =
        UnitErrors(weights, Estimated(RangeEstimator::kMinMax, weights, empty));
    for (size_t i = 0; i < mse.size(); ++i) EXPECT_LE(mse[i], min_max[i] * (1 + 1e-5));
  });
}

// A grid clips at most what its estimator says, and is never wider than the weights.
TEST(RangeEstimator, ClippingEstimatorsStayWithinMinMax) {
  const std::vector<float> values = ExampleWeights(11, 100, 13);
  const WeightMatrix weights{values.data(), 11, 100};
  ForEveryGrid([&](const QuantGrid& empty) {
    const QuantGrid widest = Estimated(RangeEstimator::kMinMax, weights, empty);
    for (const RangeEstimator estimator : {RangeEstimator::kPercentile, RangeEstimator::kAciq}) {
      const QuantGrid grid = Estimated(estimator, weights, empty);
      for (size_t i = 0; i < grid.scale.size(); ++i) {
        EXPECT_LE(grid.scale[i], widest.scale[i] * (1 + 1e-6F));
      }
    }
  });
}

TEST(RangeEstimator, PercentileClipsItsShare) {
  const std::vector<float> values = testing::RandomFloats(10'000, 14, -1.0F, 1.0F);
  RangeOptions options;
  options.estimator = RangeEstimator::kPercentile;
  options.percentile = 90.0;
  // The narrow range ends at the percentile on both sides.
  QuantGrid grid = MakeGrid(4, true, Granularity::kPerTensor, 0, true);
  EstimateRange(options, {values.data(), 100, 100}, {}, 1, grid);
  const float end = grid.scale[0] * static_cast<float>(grid.q_max);
  const auto clipped = std::count_if(values.begin(), values.end(),
                                     [&](float w) { return std::abs(w) > end * 1.00001F; });
  EXPECT_EQ(clipped, 1'000);
}

// On weights that are what it assumes, per grid, it is near the scan.
TEST(RangeEstimator, AciqIsNearMseOnAGaussian) {
  std::mt19937 generator(15);
  std::normal_distribution<float> normal;
  std::vector<float> values(20'000);
  for (float& value : values) value = normal(generator);
  const WeightMatrix weights{values.data(), 100, 200};
  for (const int bit_width : {3, 4, 6}) {
    for (const bool symmetric : {true, false}) {
      const QuantGrid empty = MakeGrid(bit_width, symmetric, Granularity::kPerTensor, 0);
      const double aciq = UnitErrors(weights, Estimated(RangeEstimator::kAciq, weights, empty))[0];
      const double mse = UnitErrors(weights, Estimated(RangeEstimator::kMse, weights, empty))[0];
      EXPECT_LE(aciq, 1.1 * mse) << bit_width;
    }
  }
}

TEST(RangeEstimator, MseIsNearAFineScan) {
  const std::vector<float> values = ExampleWeights(11, 400, 4);
  const WeightMatrix weights{values.data(), 11, 400};
  for (const int bit_width : {2, 3, 4, 6}) {
    const QuantGrid grid = Estimated(RangeEstimator::kMse, weights,
                                     MakeGrid(bit_width, true, Granularity::kPerChannel, 0));
    const std::vector<double> errors = UnitErrors(weights, grid);
    for (int64_t row = 0; row < 11; ++row) {
      const float* begin = values.data() + row * 400;
      float largest = 0.0F;
      for (int64_t k = 0; k < 400; ++k) largest = std::max(largest, std::abs(begin[k]));
      double best = std::numeric_limits<double>::infinity();
      for (int step = 1; step <= 2000; ++step) {
        const double scale = 1.1 * step / 2000 * static_cast<double>(largest) / grid.q_max;
        best = std::min(best, RowSquaredError(begin, 400, scale, grid.q_min, grid.q_max));
      }
      // With more bits the error has more local minima, each shallower: the scan may miss the best.
      EXPECT_LE(errors[static_cast<size_t>(row)], (bit_width <= 4 ? 1.01 : 1.03) * best)
          << "row " << row << " bits " << bit_width;
    }
  }
}

TEST(RangeEstimator, OutputMseIsNotWorseThanMinMaxOnItsObjective) {
  const int64_t rows = 24, length = 30, samples = 60;
  const std::vector<float> values = ExampleWeights(rows, length, 5);
  const std::vector<float> x = testing::RandomFloats(samples * length, 6, -0.5F, 1.5F);
  const RowErrorFunction output_error = [&](const std::vector<float>& rounded,
                                            std::vector<double>& errors) {
    errors.assign(static_cast<size_t>(rows), 0.0);
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t n = 0; n < samples; ++n) {
        double z = 0.0;
        for (int64_t k = 0; k < length; ++k) {
          const auto at = static_cast<size_t>(row * length + k);
          z += (static_cast<double>(values[at]) - rounded[at]) *
               static_cast<double>(x[static_cast<size_t>(n * length + k)]);
        }
        errors[static_cast<size_t>(row)] += z * z;
      }
    }
  };
  const WeightMatrix weights{values.data(), rows, length};
  ForEveryGrid([&](const QuantGrid& empty) {
    const auto errors_of = [&](const QuantGrid& grid) {
      std::vector<double> errors;
      output_error(DequantizeMatrix(RoundToNearest(weights, grid), rows, length, grid), errors);
      if (grid.granularity != Granularity::kPerTensor) return errors;
      double sum = 0.0;
      for (const double error : errors) sum += error;
      return std::vector<double>{sum};
    };
    const std::vector<double> found =
        errors_of(Estimated(RangeEstimator::kOutputMse, weights, empty, output_error));
    const std::vector<double> min_max =
        errors_of(Estimated(RangeEstimator::kMinMax, weights, empty));
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_LE(found[i], min_max[i] * (1 + 1e-9)) << "row " << i;
    }
  });
}

TEST(RangeEstimator, AllZeroChannelGetsUnitScale) {
  std::vector<float> values = ExampleWeights(3, 20, 7);
  std::fill_n(values.begin() + 20, 20, 0.0F);
  for (const RangeEstimator estimator : kByWeights) {
    for (const bool symmetric : {true, false}) {
      const QuantGrid grid = Estimated(estimator, {values.data(), 3, 20},
                                       MakeGrid(4, symmetric, Granularity::kPerChannel, 0));
      EXPECT_EQ(grid.scale[1], 1.0F);
      EXPECT_EQ(grid.zero_point[1], 0);
    }
  }
}

TEST(RangeEstimator, ExtremeWeightsGiveNormalScales) {
  constexpr float kTiny = std::numeric_limits<float>::denorm_min();
  constexpr float kHuge = std::numeric_limits<float>::max();
  for (const RangeEstimator estimator : kByWeights) {
    for (const bool symmetric : {true, false}) {
      const QuantGrid grid = MakeGrid(4, symmetric, Granularity::kPerChannel, 0);
      for (const std::vector<float>& values :
           {std::vector<float>{kTiny, -kTiny, 0.0F, 3 * kTiny},
            std::vector<float>{kHuge, -kHuge, 0.0F, kHuge / 2}}) {
        Estimated(estimator, {values.data(), 1, 4}, grid);  // validates the grid
      }
    }
  }
}

TEST(RangeEstimator, ZeroStaysZeroOnAsymmetricGrids) {
  // Ranges on one side of zero too: padding and dead weights must stay exact.
  for (const RangeEstimator estimator : kByWeights) {
    for (const float shift : {-3.0F, 0.0F, 3.0F}) {
      std::vector<float> values = testing::RandomFloats(50, 8, shift - 1.0F, shift + 1.0F);
      values[7] = 0.0F;
      const WeightMatrix weights{values.data(), 1, 50};
      const QuantGrid grid =
          Estimated(estimator, weights, MakeGrid(3, false, Granularity::kPerChannel, 0));
      EXPECT_EQ(DequantizeMatrix(RoundToNearest(weights, grid), 1, 50, grid)[7], 0.0F);
    }
  }
}

TEST(RangeEstimator, ThreadsDoNotMatter) {
  const std::vector<float> values = ExampleWeights(70, 30, 9);
  for (const RangeEstimator estimator : kByWeights) {
    QuantGrid one = MakeGrid(4, false, Granularity::kPerGroup, 8);
    QuantGrid two = one;
    EstimateRange({estimator}, {values.data(), 70, 30}, {}, 1, one);
    EstimateRange({estimator}, {values.data(), 70, 30}, {}, 2, two);
    EXPECT_EQ(one.scale, two.scale);
    EXPECT_EQ(one.zero_point, two.zero_point);
  }
}

TEST(RangeEstimator, PowerOfTwoScalesArePowersOfTwo) {
  const std::vector<float> values = ExampleWeights(11, 100, 10);
  const WeightMatrix weights{values.data(), 11, 100};
  const RowErrorFunction output_error = [&](const std::vector<float>& rounded,
                                            std::vector<double>& errors) {
    errors.assign(11, 0.0);
    for (size_t i = 0; i < rounded.size(); ++i) {
      const double difference = static_cast<double>(values[i]) - rounded[i];
      errors[i / 100] += difference * difference;
    }
  };
  ForEveryGrid([&](const QuantGrid& empty) {
    for (const std::string& name : RangeEstimatorNames()) {
      const RangeEstimator estimator = ParseRangeEstimator(name);
      QuantGrid grid = empty;
      EstimateRange({estimator, true}, weights, output_error, 1, grid);
      const auto no_violations = std::vector<std::string>();
      EXPECT_EQ(grid.Validate(11, 100), no_violations);
      for (const float scale : grid.scale) {
        int exponent = 0;
        ASSERT_EQ(std::frexp(scale, &exponent), 0.5F) << scale;
      }
    }
  });
}

TEST(RangeEstimator, PowerOfTwoScalesAreNotWorseThanRoundingTheBestUp) {
  const std::vector<float> values = ExampleWeights(11, 100, 11);
  const WeightMatrix weights{values.data(), 11, 100};
  for (const int bit_width : {2, 4, 8}) {
    for (const bool narrow_range : {false, true}) {
      for (const RangeEstimator estimator : kByWeights) {
        const QuantGrid empty =
            MakeGrid(bit_width, true, Granularity::kPerChannel, 0, narrow_range);
        QuantGrid rounded = Estimated(estimator, weights, empty);
        for (float& scale : rounded.scale) scale = std::exp2(std::ceil(std::log2(scale)));
        QuantGrid found = empty;
        EstimateRange({estimator, true}, weights, {}, 1, found);
        const std::vector<double> wanted = UnitErrors(weights, rounded);
        const std::vector<double> errors = UnitErrors(weights, found);
        for (size_t i = 0; i < errors.size(); ++i) {
          EXPECT_LE(errors[i], wanted[i] * (1 + 1e-5)) << "row " << i << " bits " << bit_width;
        }
        if (estimator == RangeEstimator::kMinMax) {
          EXPECT_EQ(found.scale, rounded.scale);
        }
      }
    }
  }
}

TEST(RangeEstimator, PowerOfTwoScalesOfExtremeWeightsAreNormal) {
  constexpr float kTiny = std::numeric_limits<float>::denorm_min();
  constexpr float kHuge = std::numeric_limits<float>::max();
  for (const RangeEstimator estimator : kByWeights) {
    for (const bool symmetric : {true, false}) {
      for (const std::vector<float>& values : {std::vector<float>{kTiny, -kTiny, 0.0F, 3 * kTiny},
                                               std::vector<float>{kHuge, -kHuge, 0.0F, kHuge / 2},
                                               std::vector<float>{0.0F, 0.0F, 0.0F, 0.0F}}) {
        QuantGrid grid = MakeGrid(2, symmetric, Granularity::kPerChannel, 0);
        EstimateRange({estimator, true}, {values.data(), 1, 4}, {}, 1, grid);
        const auto no_violations = std::vector<std::string>();
        EXPECT_EQ(grid.Validate(1, 4), no_violations);
        int exponent = 0;
        EXPECT_EQ(std::frexp(grid.scale[0], &exponent), 0.5F);
      }
    }
  }
}

TEST(RangeEstimator, NarrowRangeNeverTakesTheLowestInteger) {
  // Each row's largest magnitude is negative: the lowest integer would be its own.
  std::vector<float> values = ExampleWeights(6, 50, 12);
  for (size_t row = 0; row < 6; ++row) {
    float largest = 0.0F;
    for (size_t k = 0; k < 50; ++k) largest = std::max(largest, std::abs(values[row * 50 + k]));
    values[row * 50] = -1.5F * largest;
  }
  const WeightMatrix weights{values.data(), 6, 50};
  for (int bit_width = kMinBitWidth; bit_width <= kMaxBitWidth; ++bit_width) {
    for (const RangeEstimator estimator : kByWeights) {
      for (const bool power_of_two_scales : {false, true}) {
        QuantGrid grid = MakeGrid(bit_width, true, Granularity::kPerChannel, 0, true);
        EstimateRange({estimator, power_of_two_scales}, weights, {}, 1, grid);
        const std::vector<int16_t> integers = RoundToNearest(weights, grid);
        const int lowest = *std::min_element(integers.begin(), integers.end());
        EXPECT_GE(lowest, -(1 << (bit_width - 1)) + 1);
        for (size_t row = 0; row < 6 && estimator == RangeEstimator::kMinMax; ++row) {
          // The range that clips nothing ends at 1.5 times the others' largest.
          const double reach = static_cast<double>(grid.scale[row]) * grid.q_max;
          const double wanted = std::abs(static_cast<double>(values[row * 50]));
          EXPECT_GE(reach, wanted * (1 - 1e-6));
          EXPECT_LE(reach, wanted * (power_of_two_scales ? 2.0 : 1 + 1e-6));
        }
      }
    }
  }
}

TEST(RoundToNearest, TiesGoAwayFromZeroAndEndsClip) {
  QuantGrid grid = MakeGrid(3, true, Granularity::kPerTensor, 0);
  grid.scale = {0.5F};
  grid.zero_point = {0};
  const std::vector<float> values = {0.25F, -0.25F, 0.24F, 0.75F, -0.75F, 100.0F, -100.0F, 1.5F};
  const std::vector<int16_t> integers = RoundToNearest({values.data(), 2, 4}, grid);
  EXPECT_EQ(integers, (std::vector<int16_t>{1, -1, 0, 2, -2, 3, -4, 3}));
  EXPECT_EQ(DequantizeMatrix(integers, 2, 4, grid),
            (std::vector<float>{0.5F, -0.5F, 0.0F, 1.0F, -1.0F, 1.5F, -2.0F, 1.5F}));
}

TEST(RoundToNearest, UsesZeroPointAndGroups) {
  QuantGrid grid = MakeGrid(4, false, Granularity::kPerGroup, 2);
  grid.scale = {1.0F, 0.1F};
  grid.zero_point = {3, 8};
  const std::vector<float> values = {-3.0F, 5.2F, 0.31F};
  const std::vector<int16_t> integers = RoundToNearest({values.data(), 1, 3}, grid);
  EXPECT_EQ(integers, (std::vector<int16_t>{0, 8, 11}));
  const std::vector<float> back = DequantizeMatrix(integers, 1, 3, grid);
  EXPECT_FLOAT_EQ(back[0], -3.0F);
  EXPECT_FLOAT_EQ(back[1], 5.0F);
  EXPECT_FLOAT_EQ(back[2], 0.3F);
}

TEST(RangeEstimator, NamesRoundTripAndUnknownOnesAreRefused) {
  for (const std::string& name : RangeEstimatorNames()) {
    EXPECT_EQ(RangeEstimatorName(ParseRangeEstimator(name)), name);
  }
  testing::ExpectErrorWith(ErrorCode::kInvalidArgument, RangeEstimatorNames(),
                           [] { ParseRangeEstimator("max"); });
}

}  // namespace
}  // namespace adaround
