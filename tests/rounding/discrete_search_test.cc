#include "rounding/discrete_search.h"

#include <gtest/gtest.h>

#include "support/rounding_testing.h"

namespace adaround {
namespace {

using testing::BruteForceRowError;
using testing::ExampleProblem;
using testing::IntegerPair;
using testing::kFloatLossTolerance;
using testing::MakeExample;
using testing::NaiveRowError;
using testing::Neighbours;

constexpr int64_t kManySweeps = 200;

Matrix Features(const SampledColumns& samples) {
  return ConstMatrixView(samples.x_hat.data(), samples.num_samples, samples.row_length).transpose();
}

std::vector<int16_t> Integers(const RoundingProblem& problem, const RowBlock& block) {
  std::vector<int16_t> integers(problem.weights.size());
  StoreIntegers(block, integers);
  return integers;
}

// No single change between floor and ceiling lowers the true loss.
void ExpectNoFlipHelps(const RoundingProblem& problem, const std::vector<int16_t>& integers) {
  const int64_t length = problem.samples->row_length;
  for (int64_t row = 0; row < problem.samples->num_rows; ++row) {
    const double error = NaiveRowError(problem, row, integers);
    for (int64_t k = 0; k < length; ++k) {
      const IntegerPair pair = Neighbours(problem, row, k);
      if (pair.lower == pair.upper) continue;
      std::vector<int16_t> flipped = integers;
      int16_t& q = flipped[static_cast<size_t>(row * length + k)];
      q = static_cast<int16_t>(pair.lower + pair.upper - q);
      EXPECT_GE(NaiveRowError(problem, row, flipped), error * (1 - kFloatLossTolerance))
          << "row " << row << " weight " << k;
    }
  }
}

void ExpectNotAbove(const RoundingProblem& problem, const std::vector<int16_t>& after,
                    const std::vector<int16_t>& before) {
  for (int64_t row = 0; row < problem.samples->num_rows; ++row) {
    EXPECT_LE(NaiveRowError(problem, row, after),
              NaiveRowError(problem, row, before) * (1 + kFloatLossTolerance));
  }
}

// Nearest, and an arbitrary start.
void StartAt(bool nearest, RowBlock& block) {
  if (nearest) return;
  for (size_t i = 0; i < block.up.size(); ++i) {
    block.up[i] = block.step.data()[i] != 0.0F && i % 3 == 0 ? 1 : 0;
  }
}

TEST(DescendOnColumns, EndsWhereNoFlipHelps) {
  Activation silu;
  silu.kind = Activation::Kind::kSilu;
  for (const Activation& activation :
       {Activation{}, MakeRelu(), MakeClip(0.0F, 6.0F), MakeLeakyRelu(0.2F), silu}) {
    for (const auto& [nearest, with_gram] :
         std::initializer_list<std::pair<bool, bool>>{
             {true, true}, {true, false}, {false, true}, {false, false}}) {
      SCOPED_TRACE(activation.Name());
      const auto example =
          MakeExample({.num_rows = 4, .row_length = 20, .num_samples = 100, .bit_width = 3,
                       .activation = activation});
      RowBlock block = MakeRowBlock(example->problem, 0, 0, 4);
      StartAt(nearest, block);
      const std::vector<int16_t> before = Integers(example->problem, block);
      const Matrix features = Features(example->samples);
      const Matrix gram = with_gram ? Matrix(features * features.transpose()) : Matrix();
      EXPECT_GT(DescendOnColumns(example->problem, features, gram, kManySweeps, block), 0);
      const std::vector<int16_t> after = Integers(example->problem, block);
      ExpectNotAbove(example->problem, after, before);
      ExpectNoFlipHelps(example->problem, after);
      EXPECT_EQ(DescendOnColumns(example->problem, features, gram, kManySweeps, block), 0);
    }
  }
}

TEST(DescendOnGram, EndsWhereNoFlipHelps) {
  for (const bool nearest : {true, false}) {
    const auto example =
        MakeExample({.num_rows = 4, .row_length = 20, .num_samples = 100, .bit_width = 3});
    const SampledColumns& samples = example->samples;
    RowBlock block = MakeRowBlock(example->problem, 0, 0, 4);
    StartAt(nearest, block);
    const std::vector<int16_t> before = Integers(example->problem, block);
    const ConstMatrixView columns(samples.x_hat.data(), samples.num_samples, samples.row_length);
    const float factor = 2.0F / static_cast<float>(samples.num_samples);
    const Matrix gram = factor * (columns.transpose() * columns);
    Matrix target = block.target;
    for (int64_t r = 0; r < 4; ++r) {
      target.row(r).array() -= example->problem.bias[static_cast<size_t>(r)];
    }
    const Matrix gram_target = factor * (target * columns);
    EXPECT_GT(DescendOnGram(gram, gram_target, kManySweeps, block), 0);
    const std::vector<int16_t> after = Integers(example->problem, block);
    ExpectNotAbove(example->problem, after, before);
    ExpectNoFlipHelps(example->problem, after);
    EXPECT_EQ(DescendOnGram(gram, gram_target, kManySweeps, block), 0);
  }
}

TEST(DescendOnColumns, RidgeHoldsWeightsAtNearest) {
  // A ridge far above the data's curvature leaves only each weight's own error to minimize.
  const auto example = MakeExample({.num_rows = 4, .row_length = 20, .activation = MakeRelu()});
  RowBlock block = MakeRowBlock(example->problem, 0, 0, 4);
  const std::vector<uint8_t> nearest = block.up;
  StartAt(false, block);
  ASSERT_NE(block.up, nearest);
  std::fill(block.ridge.begin(), block.ridge.end(), 1e6F);
  DescendOnColumns(example->problem, Features(example->samples), Matrix(), kManySweeps, block);
  EXPECT_EQ(block.up, nearest);
}

TEST(EnumerateRow, EqualsBruteForce) {
  for (const Activation& activation : {Activation{}, MakeRelu(), MakeClip(-0.5F, 0.5F)}) {
    for (const bool symmetric : {true, false}) {
      const auto example =
          MakeExample({.num_rows = 5, .row_length = 9, .bit_width = 2, .symmetric = symmetric,
                       .granularity = Granularity::kPerGroup, .group_size = 4,
                       .activation = activation});
      RowBlock block = MakeRowBlock(example->problem, 0, 0, 5);
      const Matrix features = Features(example->samples);
      for (int64_t row = 0; row < 5; ++row) EnumerateRow(example->problem, features, row, block);
      const std::vector<int16_t> found = Integers(example->problem, block);
      for (int64_t row = 0; row < 5; ++row) {
        const double best = BruteForceRowError(example->problem, row);
        EXPECT_LE(NaiveRowError(example->problem, row, found), best * (1 + kFloatLossTolerance));
      }
    }
  }
}

TEST(EnumerateRow, NearestWinsTies) {
  // Inputs of zero: all combinations are equally good.
  ExampleProblem example;
  const testing::ProblemShape shape{.row_length = 8};
  example.Draw(shape);
  std::fill(example.samples.x_hat.begin(), example.samples.x_hat.end(), 0.0F);
  example.Finish(shape, 0.0F);
  RowBlock block = MakeRowBlock(example.problem, 0, 0, 8);
  const std::vector<uint8_t> nearest = block.up;
  const Matrix features = Features(example.samples);
  for (int64_t row = 0; row < 8; ++row) EnumerateRow(example.problem, features, row, block);
  EXPECT_EQ(block.up, nearest);
}

}  // namespace
}  // namespace adaround
