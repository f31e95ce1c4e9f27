#include <gtest/gtest.h>

#include <cmath>

#include "adaround/base/error.h"
#include "rounding/cross_entropy_search.h"
#include "rounding/tabu_search.h"
#include "support/error_testing.h"
#include "support/quadratic_testing.h"

namespace adaround {
namespace {

using testing::BruteForceEnergy;
using testing::ExampleQuadratic;
using testing::kEnergyTolerance;
using testing::NaiveEnergy;
using testing::ReferenceError;

std::vector<uint8_t> RandomDecisions(const QuadraticProblem& problem, uint32_t seed) {
  std::mt19937 generator(seed);
  std::vector<uint8_t> up = problem.reference;
  for (size_t i = 0; i < up.size(); ++i) {
    if (problem.step[i] != 0.0F) up[i] = static_cast<uint8_t>(generator() & 1U);
  }
  return up;
}

void ExpectKeepsWhatHasNoChoice(const QuadraticProblem& problem, const std::vector<uint8_t>& up) {
  ASSERT_EQ(up.size(), problem.step.size());
  for (size_t i = 0; i < up.size(); ++i) {
    if (problem.step[i] != 0.0F) continue;
    EXPECT_EQ(up[i], problem.reference[i]) << i;
  }
}

TEST(QuadraticProblem, EnergyIsTheSumOfItsTerms) {
  const ExampleQuadratic example(30, 1);
  EXPECT_EQ(example.problem.Validate(), std::vector<std::string>());
  EXPECT_EQ(Energy(example.problem, example.problem.reference), 0.0);
  for (uint32_t seed = 0; seed < 10; ++seed) {
    const std::vector<uint8_t> up = RandomDecisions(example.problem, seed);
    const double wanted = NaiveEnergy(example.problem, up);
    EXPECT_NEAR(Energy(example.problem, up), wanted, 1e-9 * std::abs(wanted) + 1e-12);
  }
}

TEST(QuadraticProblem, GradientIsTheEnergysSlope) {
  // The energy is quadratic: central differences of any width are exact. A variable's real-unit
  // slope is seen by letting its step vary.
  const ExampleQuadratic example(12, 2);
  const std::vector<uint8_t> up = RandomDecisions(example.problem, 5);
  const std::vector<double> gradient = GradientAt(example.problem, up);
  for (size_t i = 0; i < 12; ++i) {
    if (up[i] == example.problem.reference[i]) continue;
    QuadraticProblem wider = example.problem;
    QuadraticProblem narrower = example.problem;
    wider.step[i] = example.problem.step[i] + 0.0625F;
    narrower.step[i] = example.problem.step[i] - 0.0625F;
    const double direction = up[i] != 0 ? 1.0 : -1.0;
    const double width = static_cast<double>(wider.step[i]) - static_cast<double>(narrower.step[i]);
    const double slope = (NaiveEnergy(wider, up) - NaiveEnergy(narrower, up)) / width;
    EXPECT_NEAR(direction * gradient[i], slope, 1e-6 * (1.0 + std::abs(slope)));
  }
}

TEST(QuadraticProblem, NamesWhatIsWrong) {
  ExampleQuadratic example(8, 3);
  example.problem.fraction[2] = 1.5F;
  example.problem.reference[1] = 2;
  example.problem.gradient.pop_back();
  example.curvature[5] = std::nanf("");
  EXPECT_EQ(example.problem.Validate().size(), 4U);
}

TEST(TabuSearch, FindsTheBruteForceOptimum) {
  for (const TabuStart start : {TabuStart::kRandom, TabuStart::kReference}) {
    for (const int64_t size : {1, 2, 5, 9, 14}) {
      for (uint32_t seed = 1; seed <= 5; ++seed) {
        const ExampleQuadratic example(size, seed);
        const TabuResult result = SearchByTabu(example.problem, {}, start, seed);
        ExpectKeepsWhatHasNoChoice(example.problem, result.up);
        EXPECT_NEAR(result.energy, NaiveEnergy(example.problem, result.up),
                    kEnergyTolerance * std::abs(result.energy));
        const double best = BruteForceEnergy(example.problem);
        EXPECT_NEAR(result.energy, best, kEnergyTolerance * std::abs(best))
            << "P " << size << " seed " << seed;
      }
    }
  }
}

TEST(TabuSearch, NoSingleFlipImprovesALargeResult) {
  const ExampleQuadratic example(200, 4);
  for (const TabuStart start : {TabuStart::kRandom, TabuStart::kReference}) {
    const TabuResult result = SearchByTabu(example.problem, {}, start, 7);
    EXPECT_LT(result.energy, 0.0);
    EXPECT_GT(result.num_flips, 1000);
    for (size_t i = 0; i < 200; ++i) {
      if (example.problem.step[i] == 0.0F) continue;
      std::vector<uint8_t> flipped = result.up;
      flipped[i] = flipped[i] != 0 ? 0 : 1;
      EXPECT_GE(Energy(example.problem, flipped), result.energy * (1 + kEnergyTolerance)) << i;
    }
  }
}

TEST(TabuSearch, WarmStartNeverEndsAboveTheReference) {
  TabuOptions one_flip;
  one_flip.flips_per_weight = 1;
  one_flip.restarts = 0;
  one_flip.tenure = 0;
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    const ExampleQuadratic example(10, seed);
    EXPECT_LE(SearchByTabu(example.problem, one_flip, TabuStart::kReference, seed).energy, 0.0);
  }
}

TEST(TabuSearch, ClimbsOutOfALocalMinimum) {
  // E over two variables: (1, 1) at -3, its neighbours at +1, the reference (0, 0) at 0.
  const std::vector<float> curvature = {0.0F, -5.0F, -5.0F, 0.0F};
  QuadraticProblem problem;
  problem.curvature = curvature.data();
  problem.gradient = {1.0F, 1.0F};
  problem.step = {1.0F, 1.0F};
  problem.reference = {0, 0};
  problem.fraction = {0.4F, 0.4F};
  const TabuResult result = SearchByTabu(problem, {}, TabuStart::kReference, 1);
  EXPECT_EQ(result.up, (std::vector<uint8_t>{1, 1}));
  EXPECT_NEAR(result.energy, -3.0, 1e-12);
}

TEST(CrossEntropySearch, FindsTheBruteForceOptimumOfMostSmallProblems) {
  int64_t num_optimal = 0;
  int64_t num_problems = 0;
  for (const int64_t size : {1, 2, 5, 9, 14}) {
    for (uint32_t seed = 1; seed <= 5; ++seed) {
      const ExampleQuadratic example(size, seed);
      const CrossEntropyResult result = SearchByCrossEntropy(example.problem, {}, seed);
      ExpectKeepsWhatHasNoChoice(example.problem, result.up);
      EXPECT_NEAR(result.energy, NaiveEnergy(example.problem, result.up),
                  kEnergyTolerance * std::abs(result.energy) + 1e-12);
      const double best = BruteForceEnergy(example.problem);
      // Coins are independent: two optima that differ in several decisions can mislead them, by a
      // little of the error that is left.
      const double left = ReferenceError(example.problem);
      EXPECT_LE(left + result.energy, 1.15 * (left + best) + 1e-9)
          << "P " << size << " seed " << seed;
      ++num_problems;
      if (result.energy <= best + kEnergyTolerance * std::abs(best)) ++num_optimal;
    }
  }
  EXPECT_GE(num_optimal, num_problems * 4 / 5);
}

TEST(CrossEntropySearch, ComesNearTabuOnALargeProblem) {
  const ExampleQuadratic example(200, 4);
  const CrossEntropyResult result = SearchByCrossEntropy(example.problem, {}, 1);
  const TabuResult tabu = SearchByTabu(example.problem, {}, TabuStart::kReference, 1);
  EXPECT_LT(result.energy, 0.9 * tabu.energy);
  const double wanted = CrossEntropyOptions{}.population * std::sqrt(175.0);
  EXPECT_EQ(result.population, static_cast<int64_t>(std::ceil(wanted)));
}

TEST(CrossEntropySearch, DoesNotDependOnThreads) {
  const ExampleQuadratic example(90, 6);
  const CrossEntropyResult one = SearchByCrossEntropy(example.problem, {}, 3, 1);
  const CrossEntropyResult two = SearchByCrossEntropy(example.problem, {}, 3, 2);
  EXPECT_EQ(one.up, two.up);
  EXPECT_EQ(one.energy, two.energy);
  EXPECT_EQ(one.num_rounds, two.num_rounds);
}

TEST(CrossEntropySearch, DecidedFractionsStay) {
  // Coins that start decided stay so, whatever the energy would like.
  const std::vector<float> curvature(4, 0.0F);
  QuadraticProblem problem;
  problem.curvature = curvature.data();
  problem.gradient = {-1.0F, 1.0F};  // would like the other side
  problem.step = {1.0F, 1.0F};
  problem.reference = {0, 1};
  problem.fraction = {0.0F, 1.0F};
  EXPECT_EQ(SearchByCrossEntropy(problem, {}, 1).up, problem.reference);
}

TEST(CrossEntropySearch, PopulationFitsTheBudgetOrIsRefused) {
  CrossEntropyOptions options;
  options.population = 100;
  options.max_operations = 1e18;
  EXPECT_EQ(CrossEntropyPopulation(options, 400), 2000);
  EXPECT_EQ(CrossEntropyPopulation(options, 0), 200);
  // 20 rounds x 400^2 = 3.2e6 multiply-adds for each draw of a round.
  options.max_operations = 3.2e9;
  EXPECT_EQ(CrossEntropyPopulation(options, 400), 1000);
  options.max_operations = 3.2e8;
  testing::ExpectErrorWith(ErrorCode::kInvalidArgument,
                           {"400 weights", "160 draws", "1.6 times", "--cem-budget"},
                           [&] { CrossEntropyPopulation(options, 400); });
}

TEST(QuadraticSearches, NothingToChooseIsTheReference) {
  ExampleQuadratic example(6, 1);
  std::fill(example.problem.step.begin(), example.problem.step.end(), 0.0F);
  EXPECT_EQ(SearchByCrossEntropy(example.problem, {}, 1).up, example.problem.reference);
  EXPECT_EQ(SearchByTabu(example.problem, {}, TabuStart::kRandom, 1).up,
            example.problem.reference);
  const QuadraticProblem empty;
  EXPECT_TRUE(SearchByTabu(empty, {}, TabuStart::kRandom, 1).up.empty());
  EXPECT_TRUE(SearchByCrossEntropy(empty, {}, 1).up.empty());
}

TEST(QuadraticSearches, StreamsRepeatAndDiffer) {
  const ExampleQuadratic example(120, 8);
  TabuOptions short_search;
  short_search.flips_per_weight = 1;
  short_search.restarts = 0;
  const auto tabu = [&](uint64_t stream) {
    return SearchByTabu(example.problem, short_search, TabuStart::kRandom, stream).up;
  };
  CrossEntropyOptions few;
  few.max_rounds = 2;
  const auto cross_entropy = [&](uint64_t stream) {
    return SearchByCrossEntropy(example.problem, few, stream).up;
  };
  EXPECT_EQ(tabu(1), tabu(1));
  EXPECT_NE(tabu(1), tabu(2));
  EXPECT_EQ(cross_entropy(1), cross_entropy(1));
  EXPECT_NE(cross_entropy(1), cross_entropy(2));
}

TEST(QuadraticSearches, StopOnRequest) {
  const ExampleQuadratic example(20, 1);
  const auto stop = [] { return true; };
  testing::ExpectErrorWith(ErrorCode::kCancelled, {}, [&] {
    SearchByTabu(example.problem, {}, TabuStart::kRandom, 1, stop);
  });
  testing::ExpectErrorWith(ErrorCode::kCancelled, {}, [&] {
    SearchByCrossEntropy(example.problem, {}, 1, 1, stop);
  });
}

}  // namespace
}  // namespace adaround
