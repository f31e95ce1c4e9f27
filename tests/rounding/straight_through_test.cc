#include "rounding/straight_through.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "rounding/reconstruction_gradient.h"
#include "rounding/rounding_solver.h"
#include "support/rounding_testing.h"

namespace adaround {
namespace {

using testing::MakeExample;
using testing::ProblemShape;
using testing::NaiveActivation;
using testing::RealWeight;

// The estimator in double, written out: one weight, one sample, one loop at a time.
class NaiveStraightThrough {
 public:
  explicit NaiveStraightThrough(const RoundingProblem& problem) : problem_(problem) {
    const int64_t length = problem.samples->row_length;
    for (int64_t i = 0; i < problem.samples->num_rows * length; ++i) {
      const auto s = static_cast<size_t>(problem.grid.ScaleIndex(i / length, i % length, length));
      u.push_back(static_cast<double>(problem.weights[static_cast<size_t>(i)]) /
                      static_cast<double>(problem.grid.scale[s]) +
                  problem.grid.zero_point[s]);
    }
    momentum_.resize(u.size());
    square_.resize(u.size());
  }

  std::vector<int16_t> Integers() const {
    std::vector<int16_t> integers;
    for (const double position : u) {
      integers.push_back(static_cast<int16_t>(std::clamp<double>(
          std::floor(position + 0.5), problem_.grid.q_min, problem_.grid.q_max)));
    }
    return integers;
  }

  // d loss / du over all columns.
  std::vector<double> Gradient() const {
    const SampledColumns& samples = *problem_.samples;
    const int64_t length = samples.row_length;
    const std::vector<int16_t> integers = Integers();
    std::vector<double> gradient(u.size());
    for (int64_t row = 0; row < samples.num_rows; ++row) {
      const Activation f = problem_.activation.Of(row);
      std::vector<double> z(static_cast<size_t>(samples.num_samples),
                            problem_.bias[static_cast<size_t>(row)]);
      for (int64_t k = 0; k < length; ++k) {
        testing::AddFeature(problem_, row, k,
                            RealWeight(problem_, row, k,
                                       integers[static_cast<size_t>(row * length + k)]),
                            z);
      }
      for (int64_t k = 0; k < length; ++k) {
        const auto at = static_cast<size_t>(row * length + k);
        const double rounded = std::floor(u[at] + 0.5);
        if (rounded < problem_.grid.q_min || rounded > problem_.grid.q_max) continue;
        double sum = 0.0;
        for (int64_t n = 0; n < samples.num_samples; ++n) {
          constexpr double kStep = 1e-6;
          const double value = z[static_cast<size_t>(n)];
          const double slope =
              (NaiveActivation(f, value + kStep) - NaiveActivation(f, value - kStep)) / (2 * kStep);
          const double error =
              NaiveActivation(f, value) -
              NaiveActivation(f, static_cast<double>(samples.RowTarget(row)[n]));
          const float* column =
              samples.GroupColumns(row / samples.RowsPerGroup()) + n * length;
          sum += 2 * error * slope * static_cast<double>(column[k]);
        }
        const auto s = static_cast<size_t>(problem_.grid.ScaleIndex(row, k, length));
        gradient[at] = static_cast<double>(problem_.grid.scale[s]) * sum /
                       static_cast<double>(samples.num_samples);
      }
    }
    return gradient;
  }

  void Step(double rate) {
    const std::vector<double> gradient = Gradient();
    ++num_steps_;
    for (size_t i = 0; i < u.size(); ++i) {
      momentum_[i] = 0.9 * momentum_[i] + 0.1 * gradient[i];
      square_[i] = 0.999 * square_[i] + 0.001 * gradient[i] * gradient[i];
      u[i] -= rate * (momentum_[i] / (1 - std::pow(0.9, num_steps_))) /
              (std::sqrt(square_[i] / (1 - std::pow(0.999, num_steps_))) + 1e-8);
    }
  }

  std::vector<double> u;

 private:
  const RoundingProblem& problem_;
  std::vector<double> momentum_;
  std::vector<double> square_;
  int num_steps_ = 0;
};

TEST(StraightThroughWeights, StepsAreThoseOfTheNaiveEstimator) {
  for (const bool symmetric : {true, false}) {
    for (const Activation& activation : {Activation{}, MakeLeakyRelu(0.1F)}) {
      const auto example = MakeExample({.num_groups = 2, .num_rows = 6, .row_length = 20,
                                        .num_samples = 40, .bit_width = 3, .symmetric = symmetric,
                                        .granularity = Granularity::kPerGroup,
                                        .group_size = 8, .activation = activation});
      // A tight grid: some weights lie beyond it, some reach its ends on the way.
      for (float& scale : example->problem.grid.scale) scale *= 0.6F;
      example->samples.columns_per_draw = 40;  // one draw is all columns
      const RoundingProblem& problem = example->problem;
      NaiveStraightThrough naive(problem);
      std::vector<RowBlock> blocks = {MakeRowBlock(problem, 0, 0, 3),
                                      MakeRowBlock(problem, 1, 3, 3)};
      DataTerm term;
      term.row_weight.assign(3, 1.0F);
      constexpr double kRate = 0.07;
      constexpr int kSteps = 8;
      std::vector<int16_t> integers(problem.weights.size());
      std::vector<double> positions(integers.size());
      for (const RowBlock& block : blocks) {
        StraightThroughWeights weights(problem, block);
        const SolveContext context;
        ReconstructionGradient loss(problem, 1, context, term, block);
        AdamSchedule adam(kRate);
        for (int step = 0; step < kSteps; ++step) {
          loss.At(weights.weights(), step, weights.weight_gradient());
          weights.Advance(adam.Next());
        }
        weights.StoreIntegers(problem, integers);
        for (int64_t r = 0; r < 3; ++r) {
          for (int64_t k = 0; k < 20; ++k) {
            positions[static_cast<size_t>((block.first_row + r) * 20 + k)] = weights.Position(r, k);
          }
        }
      }
      const std::vector<int16_t> nearest = naive.Integers();
      for (int step = 0; step < kSteps; ++step) naive.Step(kRate);
      EXPECT_EQ(integers, naive.Integers());
      int64_t num_beyond = 0;
      for (size_t i = 0; i < integers.size(); ++i) {
        const bool beyond =
            naive.u[i] < problem.grid.q_min - 0.5 || naive.u[i] > problem.grid.q_max + 0.5;
        num_beyond += beyond ? 1 : 0;
        EXPECT_NEAR(positions[i], naive.u[i], 1e-3) << i;
      }
      EXPECT_GT(num_beyond, 0);
      EXPECT_NE(integers, nearest);
    }
  }
}

TEST(StraightThroughWeights, DampeningIsTheGradientOfTheDistanceToTheGridPoint) {
  for (const bool symmetric : {true, false}) {
    const auto example = MakeExample({.num_rows = 3, .row_length = 20, .symmetric = symmetric,
                                      .granularity = Granularity::kPerGroup, .group_size = 8});
    const RoundingProblem& problem = example->problem;
    StraightThroughWeights weights(problem, MakeRowBlock(problem, 0, 0, 3));
    Matrix pull(3, 20);
    for (int64_t i = 0; i < 60; ++i) pull.data()[i] = 0.1F * static_cast<float>(i + 1);
    weights.weight_gradient().setConstant(0.25F);
    weights.AddDampening(pull);
    for (int64_t r = 0; r < 3; ++r) {
      for (int64_t k = 0; k < 20; ++k) {
        const auto at = static_cast<size_t>(r * 20 + k);
        const double w = static_cast<double>(problem.weights[at]);
        const double wanted = static_cast<double>(pull(r, k)) *
                              (w - static_cast<double>(weights.weights()(r, k)));
        EXPECT_NEAR(static_cast<double>(weights.weight_gradient()(r, k)), 0.25 + wanted, 1e-5);
      }
    }
  }
}

// Mean error over the rows, over that of nearest; reach and dampening as given.
double RatioToNearest(const RoundingProblem& problem, const StraightThroughOptions& ste,
                      int64_t iterations) {
  RoundingOptions options;
  options.keep_nearest_rows = false;
  options.adaround.ridge = 0.0;
  options.adaround.iterations = iterations;
  options.straight_through = ste;
  const auto error = [&](const char* method) {
    const std::vector<int16_t> integers =
        CreateRoundingSolver(method, options)->Solve(problem, {}).integers;
    return MeanError(RowErrors(
        problem, *problem.samples,
        DequantizeMatrix(integers, problem.samples->num_rows, problem.samples->row_length,
                         problem.grid),
        1));
  };
  return error("ste") / error("nearest");
}

TEST(StraightThroughSolver, LowersTheLossWhetherInputsAreCorrelatedOrNot) {
  for (const Activation& activation : {Activation{}, MakeRelu()}) {
    for (const int bit_width : {2, 4}) {
      const ProblemShape shape{.num_rows = 16, .row_length = 40, .num_samples = 512,
                                        .bit_width = bit_width, .activation = activation};
      const auto correlated = MakeExample(shape);
      testing::ExampleProblem independent;
      independent.Draw(shape);
      std::mt19937 generator(3);
      std::normal_distribution<float> normal;
      for (float& x : independent.samples.x_hat) x = normal(generator);
      independent.Finish(shape, 0.1F);
      for (const int64_t iterations : {300, 1500}) {
        SCOPED_TRACE(activation.Name() + " bits " + std::to_string(bit_width) + " iterations " +
                     std::to_string(iterations));
        EXPECT_LT(RatioToNearest(correlated->problem, {}, iterations), 0.8);
        const double ratio = RatioToNearest(independent.problem, {}, iterations);
        EXPECT_LT(ratio, 0.995);
        // Why it is dampened: with little to gain from other weights, the plain estimator loses.
        const double plain = RatioToNearest(independent.problem, {.dampening = 0.0}, iterations);
        EXPECT_GT(plain, ratio);
        if (activation.IsIdentity()) {
          EXPECT_GT(plain, 1.0);
        }
      }
    }
  }
}

TEST(StraightThroughSolver, ReachDoesNotDependOnTheIterations) {
  // A constant push: 2 reach / n a step, decaying to 0, adds up to the reach.
  const ProblemShape shape{.num_rows = 1, .row_length = 20};
  testing::ExampleProblem example;
  example.Draw(shape);
  example.Finish(shape, 0.0F);
  // Inputs that are alike, and a target beyond what the grid holds.
  std::fill(example.samples.x_hat.begin(), example.samples.x_hat.end(), 1.0F);
  std::fill(example.problem.grid.scale.begin(), example.problem.grid.scale.end(), 1.0F);
  std::fill(example.problem.weights.begin(), example.problem.weights.end(), 0.0F);
  std::fill(example.problem.bias.begin(), example.problem.bias.end(), 0.0F);
  std::fill(example.samples.target.begin(), example.samples.target.end(), 1000.0F);
  for (const int64_t iterations : {100, 1000}) {
    for (const double reach : {0.45, 0.55, 1.45, 1.55}) {
      RoundingOptions options;
      options.keep_nearest_rows = false;
      options.adaround.ridge = 0.0;
      options.adaround.iterations = iterations;
      options.straight_through.reach = reach;
      options.straight_through.dampening = 0.0;
      const std::vector<int16_t> integers =
          CreateRoundingSolver("ste", options)->Solve(example.problem, {}).integers;
      const auto wanted = static_cast<int16_t>(std::lround(reach));
      EXPECT_EQ(integers, std::vector<int16_t>(20, wanted)) << iterations << " " << reach;
    }
  }
}

TEST(StraightThroughWeights, BeyondTheGridThereIsNoGradient) {
  const auto example = MakeExample({.num_rows = 2, .row_length = 6});
  RoundingProblem& problem = example->problem;
  std::fill(problem.grid.scale.begin(), problem.grid.scale.end(), 0.1F);
  // u = -1e30, -9.5 (rounds beyond), -8.4 (rounds onto the end), 0.2, 7.4, 7.6 (beyond).
  for (const int64_t row : {0, 1}) {
    const float weights[] = {-1e29F, -0.95F, -0.84F, 0.02F, 0.74F, 0.76F};
    std::copy_n(weights, 6, problem.weights.begin() + row * 6);
  }
  StraightThroughWeights weights(problem, MakeRowBlock(problem, 0, 0, 2));
  const float start[] = {-0.8F, -0.8F, -0.8F, 0.0F, 0.7F, 0.7F};
  for (int64_t k = 0; k < 6; ++k) EXPECT_FLOAT_EQ(weights.weights()(1, k), start[k]);
  const double before[] = {weights.Position(0, 0), weights.Position(0, 1), weights.Position(0, 5)};
  weights.weight_gradient().setConstant(-1.0F);
  AdamSchedule adam(0.5);
  weights.Advance(adam.Next());
  EXPECT_EQ(weights.Position(0, 0), before[0]);
  EXPECT_EQ(weights.Position(0, 1), before[1]);
  EXPECT_EQ(weights.Position(0, 5), before[2]);
  EXPECT_NEAR(weights.Position(0, 2), -7.9, 1e-5);
  EXPECT_NEAR(weights.Position(0, 3), 0.7, 1e-5);
  // What crosses the end stops there: its weight stays the last grid point's.
  EXPECT_NEAR(weights.Position(0, 4), 7.9, 1e-5);
  EXPECT_FLOAT_EQ(weights.weights()(0, 4), 0.7F);
}

}  // namespace
}  // namespace adaround
