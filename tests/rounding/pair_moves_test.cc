// Steps of one and two weights beyond floor and ceiling, against all of them by brute force.
#include "rounding/pair_moves.h"

#include <gtest/gtest.h>

#include <limits>

#include "rounding/discrete_search.h"
#include "support/rounding_testing.h"

namespace adaround {
namespace {

using testing::MakeExample;

struct Case {
  Activation activation;
  bool symmetric = true;
  float ridge = 0.0F;
};

// The loss of row 0 with other integers, ridge included; infinite off the grid.
double LossOf(const RoundingProblem& problem, const RowBlock& block,
              std::vector<int32_t> integers) {
  RowBlock moved = block;
  for (int64_t k = 0; k < block.row_length(); ++k) {
    const int32_t integer = integers[static_cast<size_t>(k)];
    if (integer < problem.grid.q_min || integer > problem.grid.q_max) {
      return std::numeric_limits<double>::infinity();
    }
    const auto s = static_cast<size_t>(problem.grid.ScaleIndex(0, k, block.row_length()));
    const float step = problem.grid.scale[s];
    moved.base(0, k) = step * static_cast<float>(integer - problem.grid.zero_point[s]);
    moved.step(0, k) = step;
    moved.fraction(0, k) = (problem.weights[static_cast<size_t>(k)] - moved.base(0, k)) / step;
    moved.UpAt(0, k) = 0;
  }
  return RowObjectives(problem, moved)[0];
}

class MoveInPairsTest : public ::testing::TestWithParam<Case> {};

TEST_P(MoveInPairsTest, LeavesNoMoveThatLowersTheLoss) {
  const Case& c = GetParam();
  const auto example = MakeExample({.num_rows = 1, .row_length = 6, .num_samples = 200,
                                    .bit_width = 3, .symmetric = c.symmetric,
                                    .activation = c.activation});
  const RoundingProblem& problem = example->problem;
  RowBlock block = MakeRowBlock(problem, 0, 0, 1);
  std::fill(block.ridge.begin(), block.ridge.end(), c.ridge);
  const RowBlock start = block;
  const Matrix features =
      ConstMatrixView(example->samples.GroupColumns(0), example->samples.num_samples, 6)
          .transpose();
  std::vector<int16_t> stored(6);
  MoveInPairs(problem, features, block, stored);
  const std::vector<int32_t> found(stored.begin(), stored.end());
  const double loss = LossOf(problem, start, found);
  EXPECT_LE(loss, RowObjectives(problem, start)[0] * (1 + 1e-5));
  for (size_t j = 0; j < 6; ++j) {
    for (const int change_j : {-1, 1}) {
      for (size_t k = 0; k < 6; ++k) {
        for (const int change_k : {-1, 0, 1}) {
          std::vector<int32_t> other = found;
          other[j] += change_j;
          if (k != j) other[k] += change_k;
          EXPECT_GE(LossOf(problem, start, other), loss * (1 - 1e-4))
              << j << " by " << change_j << ", " << k << " by " << change_k;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Losses, MoveInPairsTest,
                         ::testing::Values(Case{}, Case{Activation{}, false},
                                           Case{Activation{}, true, 0.05F}, Case{MakeRelu()},
                                           Case{MakeClip(-1.0F, 1.0F), false, 0.01F}));

TEST(MoveInPairs, GoesBeyondFloorAndCeilingWhereInputsAreAlike) {
  // Two inputs that differ by noise: only the sum of their weights matters. Both lie 0.4 steps
  // above an integer, so nearest is 0.8 steps off in sum, and rounding one of them up 0.2.
  auto example = MakeExample({.num_rows = 1, .row_length = 3, .num_samples = 300, .bit_width = 4});
  RoundingProblem& problem = example->problem;
  const float scale = problem.grid.scale[0];
  problem.weights = {2.4F * scale, 1.4F * scale, 0.0F};
  for (int64_t i = 0; i < 300; ++i) {
    float* x = example->samples.x_hat.data() + i * 3;
    x[1] = x[0] * 1.01F;
    x[2] = 0.0F;
    example->samples.target[static_cast<size_t>(i)] =
        problem.weights[0] * x[0] + problem.weights[1] * x[1] + problem.bias[0];
  }
  RowBlock block = MakeRowBlock(problem, 0, 0, 1);
  const double before = RowObjectives(problem, block)[0];
  const Matrix features = ConstMatrixView(example->samples.GroupColumns(0), 300, 3).transpose();
  std::vector<int16_t> integers(3);
  EXPECT_GT(MoveInPairs(problem, features, block, integers), 0);
  EXPECT_LT(LossOf(problem, block, {integers.begin(), integers.end()}), 0.1 * before);
}

}  // namespace
}  // namespace adaround
