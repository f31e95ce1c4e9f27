// AdaRound's start from GPTQ's rounding, and the moves that it leaves to the search.
#include <gtest/gtest.h>

#include <cmath>

#include "adaround/base/error.h"
#include "rounding/discrete_search.h"
#include "rounding/row_block.h"
#include "rounding/rounding_solver.h"
#include "support/rounding_testing.h"

namespace adaround {
namespace {

using testing::MakeExample;
using testing::NaiveRowError;

// float32 sums over a hundred samples, against double.
constexpr double kTolerance = 1e-4;

std::vector<int16_t> Solve(const char* method, const RoundingOptions& options,
                           const RoundingProblem& problem) {
  return CreateRoundingSolver(method, options)->Solve(problem, {}).integers;
}

// Without ridge and without the guard by nearest: what the search itself found.
RoundingOptions SearchAlone() {
  RoundingOptions options;
  options.adaround.ridge = 0.0;
  options.adaround.iterations = 300;
  options.adaround.enumerate_row_length = 0;
  options.keep_nearest_rows = false;
  return options;
}

TEST(CentreOn, CandidatesAreTheIntegerAndItsNeighbourTowardsTheWeight) {
  for (const bool symmetric : {true, false}) {
    const auto example = MakeExample({.num_rows = 6, .row_length = 20, .bit_width = 3,
                                      .symmetric = symmetric,
                                      .granularity = Granularity::kPerGroup, .group_size = 8});
    const RoundingProblem& problem = example->problem;
    // Every integer of the grid, far from the weight and near.
    std::vector<int16_t> integers(problem.weights.size());
    const int num_levels = problem.grid.q_max - problem.grid.q_min + 1;
    for (size_t i = 0; i < integers.size(); ++i) {
      integers[i] = static_cast<int16_t>(problem.grid.q_min + static_cast<int>(i) % num_levels);
    }
    RowBlock block = MakeRowBlock(problem, 0, 0, 6);
    CentreOn(problem, integers, block);
    std::vector<int16_t> stored(integers.size());
    StoreIntegers(block, stored);
    EXPECT_EQ(stored, integers);
    for (int64_t r = 0; r < 6; ++r) {
      for (int64_t k = 0; k < 20; ++k) {
        const auto at = static_cast<size_t>(r * 20 + k);
        const auto s = static_cast<size_t>(problem.grid.ScaleIndex(r, k, 20));
        const double scale = problem.grid.scale[s];
        const double weight = problem.weights[at];
        const double position = weight / scale + problem.grid.zero_point[s];
        EXPECT_NEAR(block.base(r, k) + block.step(r, k) * block.fraction(r, k), weight, 1e-5);
        EXPECT_NEAR(block.base(r, k), scale * (block.lower[at] - problem.grid.zero_point[s]), 1e-5);
        const int other = block.up[at] != 0 ? block.lower[at] : block.lower[at] + 1;
        EXPECT_GE(other, problem.grid.q_min);
        EXPECT_LE(other, problem.grid.q_max);
        const bool at_end =
            integers[at] == problem.grid.q_min || integers[at] == problem.grid.q_max;
        if (!at_end) {
          // From the integer, the other candidate lies where the weight does.
          EXPECT_EQ(other > integers[at], position >= integers[at]) << position;
        }
      }
    }
  }
}

TEST(RowObjectives, AreSquaredErrorAndRidge) {
  for (const Activation& activation : {Activation{}, MakeRelu(), MakeClip(-0.5F, 0.5F)}) {
    const auto example =
        MakeExample({.num_rows = 5, .row_length = 12, .activation = activation});
    RowBlock block = MakeRowBlock(example->problem, 0, 0, 5);
    for (size_t k = 0; k < block.ridge.size(); ++k) block.ridge[k] = 0.01F * static_cast<float>(k);
    std::vector<int16_t> integers(example->problem.weights.size());
    StoreIntegers(block, integers);
    const std::vector<double> objectives = RowObjectives(example->problem, block);
    for (int64_t r = 0; r < 5; ++r) {
      double wanted = NaiveRowError(example->problem, r, integers);
      for (int64_t k = 0; k < 12; ++k) {
        const auto at = static_cast<size_t>(r * 12 + k);
        const double scale = example->problem.grid.scale[static_cast<size_t>(r)];
        const double off = scale * integers[at] - static_cast<double>(example->problem.weights[at]);
        wanted += 0.01 * static_cast<double>(k) * off * off;
      }
      EXPECT_NEAR(objectives[static_cast<size_t>(r)],
                  wanted * static_cast<double>(example->samples.num_samples),
                  kTolerance * objectives[static_cast<size_t>(r)]);
    }
  }
}

TEST(SecondOrderStart, EndsNoHigherThanGptqInAnyRow) {
  for (const Activation& activation : {Activation{}, MakeRelu(), MakeClip(0.0F, 1.0F)}) {
    for (const int64_t iterations : {int64_t{0}, int64_t{300}}) {
      SCOPED_TRACE(activation.Name());
      const auto example = MakeExample({.num_rows = 20, .row_length = 40, .bit_width = 3,
                                        .activation = activation});
      RoundingOptions options = SearchAlone();
      options.adaround.iterations = iterations;
      const std::vector<int16_t> start = Solve("gptq", options, example->problem);
      const std::vector<int16_t> found = Solve("adaround", options, example->problem);
      double before = 0.0;
      double after = 0.0;
      for (int64_t row = 0; row < 20; ++row) {
        const double of_start = NaiveRowError(example->problem, row, start);
        const double of_found = NaiveRowError(example->problem, row, found);
        EXPECT_LE(of_found, of_start * (1 + kTolerance)) << row;
        before += of_start;
        after += of_found;
      }
      EXPECT_LT(after, before);
    }
  }
}

TEST(SecondOrderStart, RelaxingBehindItMakesNoRowWorse) {
  const auto example =
      MakeExample({.num_rows = 40, .row_length = 30, .bit_width = 2, .activation = MakeRelu()});
  RoundingOptions options = SearchAlone();
  const std::vector<int16_t> relaxed = Solve("adaround", options, example->problem);
  options.adaround.iterations = 0;
  const std::vector<int16_t> descended = Solve("adaround", options, example->problem);
  int num_better = 0;
  for (int64_t row = 0; row < 40; ++row) {
    const double before = NaiveRowError(example->problem, row, descended);
    const double after = NaiveRowError(example->problem, row, relaxed);
    EXPECT_LE(after, before * (1 + kTolerance)) << row;
    num_better += after < before * (1 - kTolerance) ? 1 : 0;
  }
  EXPECT_GT(num_better, 0);
}

TEST(SecondOrderStart, RelaxesShortRowsWithAnActivationAlone) {
  RoundingOptions options = SearchAlone();
  options.adaround.max_relaxed_row_length = 30;
  const auto strategy = [&](int64_t row_length, const Activation& activation) {
    const auto example = MakeExample({.row_length = row_length, .activation = activation});
    return CreateRoundingSolver("adaround", options)
        ->Solve(example->problem, {})
        .summary.strategy;
  };
  EXPECT_EQ(strategy(30, MakeRelu()), "second order, relaxation");
  EXPECT_EQ(strategy(31, MakeRelu()), "second order, descent");
  EXPECT_EQ(strategy(30, Activation{}), "second order, descent");
  options.adaround.descent_sweeps = 0;
  EXPECT_EQ(strategy(31, MakeRelu()), "second order");
  options.adaround.second_order_start = false;
  EXPECT_EQ(strategy(31, MakeRelu()), "relaxation");
}

TEST(SecondOrderStart, IsNotClaimedWhereGptqFails) {
  // Squares of these inputs are beyond float32: there is no second order to start from.
  const auto example = MakeExample({.row_length = 20, .activation = MakeRelu()});
  for (float& value : example->samples.x_hat) value *= 1e25F;
  for (float& value : example->samples.target) value *= 1e25F;
  const RoundingOptions options = SearchAlone();
  EXPECT_THROW(Solve("gptq", options, example->problem), Error);
  EXPECT_EQ(
      CreateRoundingSolver("adaround", options)->Solve(example->problem, {}).summary.strategy,
      "relaxation");
}

}  // namespace
}  // namespace adaround
