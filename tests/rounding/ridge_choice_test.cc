// The ridge that a layer gets by images held back.
#include "rounding/ridge_choice.h"

#include <gtest/gtest.h>

#include "quant/range_estimator.h"
#include "rounding/gptq_solver.h"
#include "rounding/layer_gram.h"
#include "support/error_testing.h"
#include "support/rounding_testing.h"

namespace adaround {
namespace {

using testing::MakeExample;

double Choose(const RoundingProblem& problem, int num_threads = 1) {
  SolveContext context;
  context.num_threads = num_threads;
  const SampledColumns& samples = *problem.samples;
  const Eigen::MatrixXd gram =
      samples.num_groups == 1 ? GroupGram(samples, 0, 1) : Eigen::MatrixXd();
  return ChooseRidge(problem, GptqOptions(), gram, context);
}

// Error on images held back, by solving the other four fifths as a problem of their own.
double ErrorOnFifth(const RoundingProblem& problem, double ridge) {
  const SampledColumns& all = *problem.samples;
  SampledColumns fit = all;
  SampledColumns held_back = all;
  for (SampledColumns* part : {&fit, &held_back}) {
    part->x_hat.clear();
    part->target.clear();
    part->num_images = 0;
  }
  fit.num_samples = held_back.num_samples = 0;
  for (int64_t i = 0; i < all.num_samples; ++i) {
    SampledColumns& part = i % 5 == 4 ? held_back : fit;
    part.x_hat.insert(part.x_hat.end(), all.GroupColumns(0) + i * all.row_length,
                      all.GroupColumns(0) + (i + 1) * all.row_length);
    ++part.num_samples;
  }
  for (int64_t row = 0; row < all.num_rows; ++row) {
    for (int64_t i = 0; i < all.num_samples; ++i) {
      (i % 5 == 4 ? held_back : fit).target.push_back(all.RowTarget(row)[i]);
    }
  }
  RoundingProblem part = problem;
  part.samples = &fit;
  const std::vector<int16_t> integers =
      MakeGptqSolver(GptqOptions(), ridge)->Solve(part, {}).integers;
  return MeanError(RowErrors(
      problem, held_back, DequantizeMatrix(integers, all.num_rows, all.row_length, problem.grid),
      1));
}

TEST(ChooseRidge, IsTheBestOnImagesHeldBack) {
  // Many samples for few weights, and few for many.
  for (const int64_t num_samples : {20, 40, 400, 2000}) {
    const auto example = MakeExample(
        {.num_rows = 128, .row_length = 30, .num_samples = num_samples, .bit_width = 3});
    const double chosen = Choose(example->problem);
    const double error = ErrorOnFifth(example->problem, chosen);
    // It goes on from the better of the two in the middle, so it beats both: but for integers that
    // turn over with E[x^2], which it takes from all images.
    for (const double other : {0.2, 0.04}) {
      EXPECT_LE(error, ErrorOnFifth(example->problem, other) * 1.01)
          << num_samples << " samples: " << chosen << " against " << other;
    }
  }
}

TEST(ChooseRidge, DoesNotDependOnThreads) {
  const auto example = MakeExample({.num_groups = 3, .num_rows = 24, .row_length = 20,
                                    .num_samples = 60});
  EXPECT_EQ(Choose(example->problem, 1), Choose(example->problem, 3));
}

TEST(ChooseRidge, FewImagesLeaveTheDefault) {
  const auto example = MakeExample({.num_samples = 9});
  EXPECT_EQ(Choose(example->problem), kDefaultRidge);
}

TEST(ChooseRidge, OneGivenIsTaken) {
  const auto example = MakeExample({.num_rows = 8, .row_length = 30, .num_samples = 40});
  const GptqSolution given = SolveByGptq(example->problem, GptqOptions(), 0.123, KeepGram::kNo, {});
  EXPECT_EQ(given.ridge, 0.123);
  const GptqSolution chosen =
      SolveByGptq(example->problem, GptqOptions(), std::nullopt, KeepGram::kNo, {});
  EXPECT_EQ(chosen.ridge, Choose(example->problem));
  EXPECT_EQ(chosen.result.summary.ridge, chosen.ridge);
}

TEST(ChooseRidge, StopsOnRequest) {
  const auto example = MakeExample({.num_samples = 40});
  SolveContext context;
  context.should_stop = [] { return true; };
  testing::ExpectErrorWith(ErrorCode::kCancelled, {"stopped"}, [&] {
    ChooseRidge(example->problem, GptqOptions(), GroupGram(example->samples, 0, 1), context);
  });
}

}  // namespace
}  // namespace adaround
