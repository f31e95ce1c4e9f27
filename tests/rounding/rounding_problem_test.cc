#include "rounding/rounding_problem.h"

#include <gtest/gtest.h>

#include <limits>

#include "adaround/rounding/rounding_options.h"
#include "rounding/row_block.h"
#include "support/rounding_testing.h"

namespace adaround {
namespace {

using testing::MakeExample;
using testing::NaiveRowError;

TEST(RowErrors, MatchNaiveLoops) {
  Activation gelu;
  gelu.kind = Activation::Kind::kGelu;
  for (const Activation& activation : {Activation{}, MakeRelu(), gelu}) {
    // More rows than one task takes, more samples than one product, neither a multiple.
    const auto example = MakeExample({.num_groups = 2, .num_rows = 70, .row_length = 7,
                                      .num_samples = 1100, .bit_width = 2,
                                      .activation = activation});
    const RoundingProblem& problem = example->problem;
    const std::vector<int16_t> nearest = RoundToNearest({problem.weights.data(), 70, 7},
                                                        problem.grid);
    const std::vector<float> rounded = DequantizeMatrix(nearest, 70, 7, problem.grid);
    const std::vector<double> errors = RowErrors(problem, example->samples, rounded, 1);
    ASSERT_EQ(errors.size(), 70u);
    double sum = 0.0;
    for (int64_t row = 0; row < 70; ++row) {
      const double wanted = NaiveRowError(problem, row, nearest);
      EXPECT_NEAR(errors[static_cast<size_t>(row)], wanted, 1e-5 * wanted + 1e-9);
      sum += wanted;
    }
    EXPECT_NEAR(MeanError(errors), sum / 70, 1e-5 * sum);
    EXPECT_EQ(errors, RowErrors(problem, example->samples, rounded, 2));
  }
}

TEST(RowErrors, FloatWeightsOnTheFloatPathAreExact) {
  testing::ExampleProblem example;
  const testing::ProblemShape shape{.num_rows = 5, .row_length = 30, .activation = MakeRelu()};
  example.Draw(shape);
  example.Finish(shape, 0.0F);
  const std::vector<double> errors =
      RowErrors(example.problem, example.samples, example.problem.weights, 1);
  for (const double error : errors) EXPECT_LT(error, 1e-10);
}

TEST(RoundingProblem, ValidateNamesEveryViolation) {
  const auto violations = [](auto break_it) {
    const auto example = MakeExample({.num_rows = 4, .row_length = 6});
    break_it(*example);
    return example->problem.Validate().size();
  };
  using testing::ExampleProblem;
  EXPECT_EQ(violations([](ExampleProblem&) {}), 0u);
  EXPECT_EQ(violations([](ExampleProblem& e) { e.problem.samples = nullptr; }), 1u);
  EXPECT_EQ(violations([](ExampleProblem& e) { e.problem.weights.pop_back(); }), 1u);
  EXPECT_EQ(violations([](ExampleProblem& e) { e.problem.bias.pop_back(); }), 1u);
  EXPECT_EQ(violations([](ExampleProblem& e) { e.samples.x_hat.pop_back(); }), 1u);
  EXPECT_EQ(violations([](ExampleProblem& e) { e.samples.target.push_back(0); }), 1u);
  EXPECT_EQ(violations([](ExampleProblem& e) { e.problem.grid.scale[1] = 0; }), 1u);
  EXPECT_EQ(violations([](ExampleProblem& e) {
              e.problem.bias[0] = std::numeric_limits<float>::quiet_NaN();
              e.samples.target[3] = std::numeric_limits<float>::infinity();
            }),
            2u);
}

TEST(RowBlock, CandidatesSurroundEachWeight) {
  const auto example =
      MakeExample({.num_groups = 2, .num_rows = 6, .row_length = 11, .symmetric = false,
                   .granularity = Granularity::kPerGroup, .group_size = 4});
  const RoundingProblem& problem = example->problem;
  const RowBlock block = MakeRowBlock(problem, 1, 3, 3);
  for (int64_t r = 0; r < 3; ++r) {
    for (int64_t k = 0; k < 11; ++k) {
      const auto pair = testing::Neighbours(problem, r + 3, k);
      EXPECT_FLOAT_EQ(block.base(r, k),
                      static_cast<float>(testing::RealWeight(problem, r + 3, k, pair.lower)));
      EXPECT_NEAR(block.base(r, k) + block.step(r, k),
                  testing::RealWeight(problem, r + 3, k, pair.upper), 1e-5);
      if (pair.lower == pair.upper) continue;
      EXPECT_NEAR(block.base(r, k) + block.step(r, k) * block.fraction(r, k),
                  problem.weights[static_cast<size_t>((r + 3) * 11 + k)], 1e-6);
    }
  }
}

TEST(RowBlock, StartsAtNearestAndStoresItsRowsOnly) {
  const auto example = MakeExample({.num_groups = 2, .num_rows = 6, .row_length = 11});
  const RoundingProblem& problem = example->problem;
  const std::vector<int16_t> nearest = RoundToNearest({problem.weights.data(), 6, 11},
                                                      problem.grid);
  std::vector<int16_t> integers(66, 99);
  const RowBlock block = MakeRowBlock(problem, 1, 4, 2);
  StoreIntegers(block, integers);
  for (size_t i = 0; i < 44; ++i) EXPECT_EQ(integers[i], 99);
  for (size_t i = 44; i < 66; ++i) EXPECT_EQ(integers[i], nearest[i]);
  const std::vector<float> rounded = DequantizeMatrix(nearest, 6, 11, problem.grid);
  const Matrix hard = block.HardWeights();
  for (int64_t i = 0; i < 22; ++i) {
    EXPECT_NEAR(hard.data()[i], rounded[static_cast<size_t>(44 + i)], 1e-6);
  }
}

TEST(AdaRoundOptions, ValidateRefusesEachRange) {
  EXPECT_TRUE(AdaRoundOptions{}.Validate().empty());
  const auto refused = [](auto change) {
    AdaRoundOptions options;
    change(options);
    return options.Validate().size() == 1;
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(refused([](AdaRoundOptions& o) { o.iterations = -1; }));
  EXPECT_TRUE(refused([](AdaRoundOptions& o) { o.learning_rate = 0; }));
  EXPECT_TRUE(refused([&](AdaRoundOptions& o) { o.learning_rate = nan; }));
  EXPECT_TRUE(refused([](AdaRoundOptions& o) { o.lambda = -1; }));
  EXPECT_TRUE(refused([](AdaRoundOptions& o) { o.beta_end = 0.5; }));
  EXPECT_TRUE(refused([](AdaRoundOptions& o) { o.beta_start = 1; }));
  EXPECT_TRUE(refused([&](AdaRoundOptions& o) { o.warm_start_fraction = nan; }));
  EXPECT_TRUE(refused([](AdaRoundOptions& o) { o.warm_start_fraction = 1.5; }));
  EXPECT_TRUE(refused([](AdaRoundOptions& o) { o.batch_size = 0; }));
  EXPECT_TRUE(refused([](AdaRoundOptions& o) { o.ridge = -0.1; }));
  EXPECT_TRUE(refused([](AdaRoundOptions& o) { o.descent_sweeps = -1; }));
  EXPECT_TRUE(refused([](AdaRoundOptions& o) { o.enumerate_row_length = 17; }));
}

}  // namespace
}  // namespace adaround
