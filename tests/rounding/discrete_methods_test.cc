// Floor, ceil, stochastic, coordinate descent, the local quadratic problems and GPTQ, each against
// what its definition says.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "adaround/base/error.h"
#include "rounding/cross_entropy_search.h"
#include "rounding/damped_inverse.h"
#include "rounding/layer_gram.h"
#include "rounding/rounding_solver.h"
#include "support/error_testing.h"
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
using testing::ProblemShape;
using testing::RealWeight;

using Rows = std::vector<std::vector<double>>;

std::vector<int16_t> Solve(const std::string& method, const RoundingProblem& problem,
                           const RoundingOptions& options = {}, const SolveContext& context = {}) {
  return CreateRoundingSolver(method, options)->Solve(problem, context).integers;
}

// What methods find, by the loss alone.
RoundingOptions AsFound() {
  RoundingOptions options;
  options.keep_nearest_rows = false;
  options.adaround.ridge = 0.0;
  return options;
}

// x_hat of sample n and weight k, for a row.
double InputOf(const RoundingProblem& problem, int64_t row, int64_t n, int64_t k) {
  const SampledColumns& samples = *problem.samples;
  return static_cast<double>(
      samples.GroupColumns(row / samples.RowsPerGroup())[n * samples.row_length + k]);
}

double WeightOf(const RoundingProblem& problem, int64_t row, int64_t k) {
  return static_cast<double>(
      problem.weights[static_cast<size_t>(row * problem.samples->row_length + k)]);
}

// 2 / N X_hat^T X_hat, term by term.
Rows NaiveGram(const RoundingProblem& problem, int64_t row) {
  const SampledColumns& samples = *problem.samples;
  const int64_t length = samples.row_length;
  Rows gram(static_cast<size_t>(length), std::vector<double>(static_cast<size_t>(length)));
  for (int64_t i = 0; i < length; ++i) {
    for (int64_t j = 0; j < length; ++j) {
      for (int64_t n = 0; n < samples.num_samples; ++n) {
        gram[static_cast<size_t>(i)][static_cast<size_t>(j)] +=
            2.0 * InputOf(problem, row, n, i) * InputOf(problem, row, n, j) /
            static_cast<double>(samples.num_samples);
      }
    }
  }
  return gram;
}

// 2 / N (X_hat w + b - target)^T X_hat for a row's float weights, term by term.
std::vector<double> NaiveGradient(const RoundingProblem& problem, int64_t row) {
  const SampledColumns& samples = *problem.samples;
  const int64_t length = samples.row_length;
  std::vector<double> gradient(static_cast<size_t>(length));
  for (int64_t n = 0; n < samples.num_samples; ++n) {
    double residual = static_cast<double>(problem.bias[static_cast<size_t>(row)]) -
                      static_cast<double>(samples.RowTarget(row)[n]);
    for (int64_t k = 0; k < length; ++k) {
      residual += WeightOf(problem, row, k) * InputOf(problem, row, n, k);
    }
    for (int64_t k = 0; k < length; ++k) {
      gradient[static_cast<size_t>(k)] += 2.0 * residual * InputOf(problem, row, n, k) /
                                          static_cast<double>(samples.num_samples);
    }
  }
  return gradient;
}

// Solves a x = b by Gaussian elimination with pivots.
std::vector<double> SolveLinear(Rows a, std::vector<double> b) {
  const size_t size = b.size();
  for (size_t i = 0; i < size; ++i) {
    size_t pivot = i;
    for (size_t r = i; r < size; ++r) {
      if (std::abs(a[r][i]) > std::abs(a[pivot][i])) pivot = r;
    }
    std::swap(a[i], a[pivot]);
    std::swap(b[i], b[pivot]);
    for (size_t r = i + 1; r < size; ++r) {
      const double factor = a[r][i] / a[i][i];
      for (size_t c = i; c < size; ++c) a[r][c] -= factor * a[i][c];
      b[r] -= factor * b[i];
    }
  }
  for (size_t i = size; i-- > 0;) {
    for (size_t c = i + 1; c < size; ++c) b[i] -= a[i][c] * b[c];
    b[i] /= a[i][i];
  }
  return b;
}

int NearestInteger(const RoundingProblem& problem, int64_t row, int64_t k, double weight) {
  const auto s =
      static_cast<size_t>(problem.grid.ScaleIndex(row, k, problem.samples->row_length));
  const double position = std::round(weight / static_cast<double>(problem.grid.scale[s])) +
                          problem.grid.zero_point[s];
  return static_cast<int>(std::clamp(position, static_cast<double>(problem.grid.q_min),
                                     static_cast<double>(problem.grid.q_max)));
}

// Fixes one weight after another and, after each, finds anew the least-squares optimum of all that
// are left: what GPTQ's factor does in one go.
std::vector<int16_t> NaiveGptqRow(const RoundingProblem& problem, int64_t row,
                                  const GptqOptions& options) {
  const int64_t length = problem.samples->row_length;
  Rows hessian = NaiveGram(problem, row);
  std::vector<int64_t> order(static_cast<size_t>(length));
  std::iota(order.begin(), order.end(), 0);
  const auto diagonal = [&](int64_t k) {
    return hessian[static_cast<size_t>(k)][static_cast<size_t>(k)];
  };
  if (options.activation_order) {
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return diagonal(a) > diagonal(b); });
  }
  double mean = 0.0;
  for (int64_t k = 0; k < length; ++k) mean += diagonal(k) / static_cast<double>(length);
  for (size_t k = 0; k < hessian.size(); ++k) hessian[k][k] += options.damping * mean;
  // The optimum over real weights.
  std::vector<double> optimum = SolveLinear(hessian, NaiveGradient(problem, row));
  for (int64_t k = 0; k < length; ++k) {
    optimum[static_cast<size_t>(k)] =
        WeightOf(problem, row, k) - optimum[static_cast<size_t>(k)];
  }
  std::vector<double> weights = optimum;
  std::vector<int16_t> integers(static_cast<size_t>(length));
  for (size_t i = 0; i < order.size(); ++i) {
    const auto k = static_cast<size_t>(order[i]);
    integers[k] = static_cast<int16_t>(NearestInteger(problem, row, order[i], weights[k]));
    weights[k] = RealWeight(problem, row, order[i], integers[k]);
    // H_rr (w_r - w*_r) = -H_rf (w_f - w*_f) over the rest r and the fixed f.
    Rows rest;
    std::vector<double> pull;
    for (size_t a = i + 1; a < order.size(); ++a) {
      const std::vector<double>& from = hessian[static_cast<size_t>(order[a])];
      std::vector<double> equation;
      for (size_t b = i + 1; b < order.size(); ++b) {
        equation.push_back(from[static_cast<size_t>(order[b])]);
      }
      double side = 0.0;
      for (size_t f = 0; f <= i; ++f) {
        const auto fixed = static_cast<size_t>(order[f]);
        side -= from[fixed] * (weights[fixed] - optimum[fixed]);
      }
      rest.push_back(equation);
      pull.push_back(side);
    }
    const std::vector<double> moved = SolveLinear(rest, pull);
    for (size_t a = i + 1; a < order.size(); ++a) {
      const auto left = static_cast<size_t>(order[a]);
      weights[left] = optimum[left] + moved[a - i - 1];
    }
  }
  return integers;
}

void ExpectNaiveGptq(const RoundingProblem& problem, const GptqOptions& gptq) {
  RoundingOptions options = AsFound();
  options.gptq = gptq;
  const std::vector<int16_t> integers = Solve("gptq", problem, options);
  const int64_t length = problem.samples->row_length;
  for (int64_t row = 0; row < problem.samples->num_rows; ++row) {
    const auto begin = integers.begin() + row * length;
    EXPECT_EQ(std::vector<int16_t>(begin, begin + length), NaiveGptqRow(problem, row, gptq))
        << "row " << row;
  }
}

TEST(WeightwiseMethods, FloorAndCeilAreTheClippedNeighbours) {
  for (const bool symmetric : {true, false}) {
    for (const Granularity granularity : {Granularity::kPerTensor, Granularity::kPerGroup}) {
      const auto example =
          MakeExample({.num_groups = 2, .row_length = 40, .bit_width = 3, .symmetric = symmetric,
                       .granularity = granularity});
      // Some weights beyond the ends of the grid, one on it.
      for (float& scale : example->problem.grid.scale) scale *= 0.5F;
      example->problem.weights[3] = 0.0F;
      const std::vector<int16_t> down = Solve("floor", example->problem);
      const std::vector<int16_t> up = Solve("ceil", example->problem);
      int64_t num_equal = 0;
      for (int64_t i = 0; i < 8 * 40; ++i) {
        const IntegerPair pair = Neighbours(example->problem, i / 40, i % 40);
        EXPECT_EQ(down[static_cast<size_t>(i)], pair.lower);
        EXPECT_EQ(up[static_cast<size_t>(i)], pair.upper);
        if (pair.lower == pair.upper) ++num_equal;
      }
      EXPECT_EQ(down[3], up[3]);
      EXPECT_GT(num_equal, 1);
    }
  }
}

TEST(WeightwiseMethods, WeightsOnTheGridStayWhateverTheScale) {
  // w / scale in double strays from the integer by the rounding of scale * q to float32: every
  // integer of many scales that are no powers of two.
  for (const bool symmetric : {true, false}) {
    const ProblemShape shape{.num_rows = 200, .row_length = 16, .symmetric = symmetric};
    ExampleProblem example;
    example.Draw(shape);
    example.Finish(shape, 0.0F);
    RoundingProblem& problem = example.problem;
    std::vector<int16_t> wanted;
    int64_t num_astray = 0;
    for (int64_t row = 0; row < 200; ++row) {
      const float scale = 0.01F * (1.0F + 0.37F * static_cast<float>(row));
      problem.grid.scale[static_cast<size_t>(row)] = scale;
      const int zero_point = problem.grid.zero_point[static_cast<size_t>(row)];
      for (int64_t k = 0; k < 16; ++k) {
        const int q = problem.grid.q_min + static_cast<int>(k);
        const float weight = scale * static_cast<float>(q - zero_point);
        const double position = static_cast<double>(weight) / static_cast<double>(scale);
        if (position != std::round(position)) ++num_astray;
        problem.weights[static_cast<size_t>(row * 16 + k)] = weight;
        wanted.push_back(static_cast<int16_t>(q));
      }
    }
    EXPECT_GT(num_astray, 1000);
    for (const char* method : {"nearest", "floor", "ceil", "stochastic", "descent"}) {
      EXPECT_EQ(Solve(method, problem), wanted) << method;
    }
  }
}

TEST(WeightwiseMethods, StochasticGoesUpAsOftenAsTheFractionSays) {
  const auto example = MakeExample({.num_rows = 2, .row_length = 30, .bit_width = 3});
  constexpr int kDraws = 4000;
  std::vector<int> num_up(60);
  int num_both = 0;  // of weights 0 and 1
  for (int draw = 0; draw < kDraws; ++draw) {
    SolveContext context;
    context.seed = static_cast<uint64_t>(draw);
    const std::vector<int16_t> integers = Solve("stochastic", example->problem, {}, context);
    bool both = true;
    for (int64_t i = 0; i < 60; ++i) {
      const IntegerPair pair = Neighbours(example->problem, i / 30, i % 30);
      const bool up = integers[static_cast<size_t>(i)] > pair.lower;
      if (up) ++num_up[static_cast<size_t>(i)];
      if (i < 2) both = both && up;
    }
    if (both) ++num_both;
  }
  // Five standard errors of a frequency of 4000 draws.
  const double allowed = 5.0 * std::sqrt(0.25 / kDraws);
  const auto frequency = [](int count) { return static_cast<double>(count) / kDraws; };
  for (int64_t i = 0; i < 60; ++i) {
    const int64_t row = i / 30;
    const int64_t k = i % 30;
    const IntegerPair pair = Neighbours(example->problem, row, k);
    if (pair.lower == pair.upper) continue;
    const double lower = RealWeight(example->problem, row, k, pair.lower);
    const double upper = RealWeight(example->problem, row, k, pair.upper);
    const double fraction = (WeightOf(example->problem, row, k) - lower) / (upper - lower);
    EXPECT_NEAR(frequency(num_up[static_cast<size_t>(i)]), fraction, allowed) << i;
  }
  EXPECT_NEAR(frequency(num_both), frequency(num_up[0]) * frequency(num_up[1]), allowed);
}

TEST(WeightwiseMethods, SeedLayerAndRowNameTheStream) {
  const auto example = MakeExample({.num_rows = 2, .row_length = 60});
  std::copy_n(example->problem.weights.begin(), 60, example->problem.weights.begin() + 60);
  example->problem.grid.scale[1] = example->problem.grid.scale[0];
  SolveContext context;
  const std::vector<int16_t> integers = Solve("stochastic", example->problem, {}, context);
  EXPECT_FALSE(std::equal(integers.begin(), integers.begin() + 60, integers.begin() + 60));
  context.layer = 1;
  EXPECT_NE(integers, Solve("stochastic", example->problem, {}, context));
  context.layer = 0;
  context.seed = 43;
  EXPECT_NE(integers, Solve("stochastic", example->problem, {}, context));
}

TEST(LayerGram, EqualsTheNaiveSums) {
  const auto example =
      MakeExample({.num_groups = 2, .num_rows = 4, .row_length = 7, .num_samples = 1100});
  for (int64_t row = 0; row < 4; ++row) {
    const Rows wanted = NaiveGram(example->problem, row);
    const Eigen::MatrixXd gram = GroupGram(example->samples, row / 2, 1);
    for (int64_t i = 0; i < 7; ++i) {
      for (int64_t j = 0; j < 7; ++j) {
        const double value = wanted[static_cast<size_t>(i)][static_cast<size_t>(j)];
        EXPECT_NEAR(gram(i, j), value, 2e-6);  // float32 sums of 512 terms
      }
    }
    const ConstMatrixView weights(example->problem.weights.data() + row * 7, 1, 7);
    const Matrix gradient = LossGradient(example->problem, example->samples, row / 2, row, weights);
    const std::vector<double> slope = NaiveGradient(example->problem, row);
    for (int64_t k = 0; k < 7; ++k) {
      EXPECT_NEAR(static_cast<double>(gradient(0, k)), slope[static_cast<size_t>(k)], 1e-5);
    }
  }
}

TEST(CoordinateDescent, EndsWhereNoSingleFlipHelps) {
  for (const Activation& activation : {Activation{}, MakeRelu(), MakeClip(0.0F, 6.0F)}) {
    const auto example = MakeExample(
        {.num_rows = 4, .row_length = 30, .bit_width = 3, .activation = activation, .seed = 5});
    const RoundingResult result =
        CreateRoundingSolver("descent", AsFound())->Solve(example->problem, {});
    EXPECT_EQ(result.summary.strategy, "descent");
    EXPECT_GT(result.summary.num_descent_flips, 0);
    for (int64_t row = 0; row < 4; ++row) {
      const double error = NaiveRowError(example->problem, row, result.integers);
      for (int64_t k = 0; k < 30; ++k) {
        const IntegerPair pair = Neighbours(example->problem, row, k);
        std::vector<int16_t> flipped = result.integers;
        int16_t& q = flipped[static_cast<size_t>(row * 30 + k)];
        q = static_cast<int16_t>(pair.lower + pair.upper - q);
        EXPECT_GE(NaiveRowError(example->problem, row, flipped),
                  error * (1 - kFloatLossTolerance));
      }
    }
  }
}

TEST(CoordinateDescent, NamesWhatAdaRoundDoesWithoutIterations) {
  RoundingOptions options;
  options.adaround.iterations = 0;
  options.adaround.second_order_start = false;
  const auto example = MakeExample({.row_length = 30});
  const auto strategy = [&] {
    return CreateRoundingSolver("adaround", options)->Solve(example->problem, {}).summary.strategy;
  };
  EXPECT_EQ(strategy(), "descent");
  options.adaround.descent_sweeps = 0;
  EXPECT_EQ(strategy(), "nearest");
}

TEST(CoordinateDescent, MoreSweepsFindMore) {
  const auto example = MakeExample({.num_rows = 30, .row_length = 60, .bit_width = 2});
  RoundingOptions options = AsFound();
  options.descent.max_sweeps = 1;
  const auto flips = [&] {
    return CreateRoundingSolver("descent", options)
        ->Solve(example->problem, {})
        .summary.num_descent_flips;
  };
  const int64_t after_one = flips();
  options.descent.max_sweeps = 50;
  EXPECT_GT(flips(), after_one);
}

TEST(LocalQuadratic, TabuFindsTheBruteForceOptimumWithoutTheActivation) {
  for (const char* method : {"qubo-tabu", "qubo-tabu-warm"}) {
    for (const int64_t length : {1, 5, 12}) {
      const auto example =
          MakeExample({.num_groups = 2, .num_rows = 4, .row_length = length, .bit_width = 3,
                       .activation = MakeRelu(), .seed = static_cast<uint32_t>(length)});
      const std::vector<int16_t> integers = Solve(method, example->problem, AsFound());
      RoundingProblem linear = example->problem;
      linear.activation = ChannelActivation{};
      for (int64_t row = 0; row < 4; ++row) {
        EXPECT_LE(NaiveRowError(linear, row, integers),
                  BruteForceRowError(linear, row) * (1 + kFloatLossTolerance))
            << method << " K " << length;
      }
    }
  }
}

TEST(LocalQuadratic, BiasCancels) {
  // Gradients come from residuals: a bias that dwarfs them must not change what is found.
  for (const char* method : {"qubo-cross-entropy", "qubo-tabu", "gptq"}) {
    const auto example = MakeExample({.num_rows = 6, .row_length = 12, .bit_width = 3});
    const std::vector<int16_t> integers = Solve(method, example->problem, AsFound());
    for (float& bias : example->problem.bias) bias += 64.0F;
    for (float& target : example->samples.target) target += 64.0F;
    const std::vector<int16_t> shifted = Solve(method, example->problem, AsFound());
    for (int64_t row = 0; row < 6; ++row) {
      // The targets have lost six of their bits.
      EXPECT_NEAR(NaiveRowError(example->problem, row, shifted),
                  NaiveRowError(example->problem, row, integers),
                  0.02 * NaiveRowError(example->problem, row, integers));
    }
  }
}

TEST(LocalQuadratic, RidgeKeepsWeightsWithoutDataNearTheirValues) {
  // One sample says next to nothing about 12 weights; a strong ridge leaves nearest.
  const auto example = MakeExample({.row_length = 12, .num_samples = 1, .bit_width = 3});
  RoundingOptions options = AsFound();
  const std::vector<int16_t> nearest = Solve("nearest", example->problem);
  for (const char* method :
       {"qubo-cross-entropy", "qubo-tabu", "qubo-tabu-warm", "descent", "gptq"}) {
    options.adaround.ridge = 0.0;
    EXPECT_NE(Solve(method, example->problem, options), nearest) << method;
    options.adaround.ridge = 1e4;
    EXPECT_EQ(Solve(method, example->problem, options), nearest) << method;
  }
}

TEST(LocalQuadratic, StreamsAreNamedBySeedLayerAndRow) {
  RoundingOptions options = AsFound();
  options.tabu.flips_per_weight = 1;
  options.tabu.restarts = 0;
  options.cross_entropy.max_rounds = 2;
  const auto example = MakeExample({.num_rows = 10, .row_length = 60, .bit_width = 2});
  for (const char* method : {"qubo-cross-entropy", "qubo-tabu"}) {
    SolveContext context;
    const std::vector<int16_t> integers = Solve(method, example->problem, options, context);
    context.layer = 1;
    EXPECT_NE(integers, Solve(method, example->problem, options, context)) << method;
    context.layer = 0;
    context.seed = 43;
    EXPECT_NE(integers, Solve(method, example->problem, options, context)) << method;
  }
}

TEST(LocalQuadratic, RowsBeyondTheBudgetAreKnownBeforehand) {
  RoundingOptions options;
  options.cross_entropy.max_operations = 1e7;
  const SizeLimit limit = CreateRoundingSolver("qubo-cross-entropy", options)->Limit();
  EXPECT_NE(limit.remedy.find("--cem-budget"), std::string::npos);
  EXPECT_EQ(limit.max_row_length, CrossEntropyMaxVariables(options.cross_entropy));
  EXPECT_GT(CrossEntropyPopulation(options.cross_entropy, limit.max_row_length), 0);
  testing::ExpectErrorWith(ErrorCode::kInvalidArgument, {"--cem-budget"}, [&] {
    CrossEntropyPopulation(options.cross_entropy, limit.max_row_length + 1);
  });
  // A weight or two of a row, the ends of its range, lie on the grid and are not searched.
  const auto example = MakeExample({.row_length = limit.max_row_length + 3});
  testing::ExpectErrorWith(ErrorCode::kInvalidArgument, {"--cem-budget"}, [&] {
    Solve("qubo-cross-entropy", example->problem, options);
  });
  // A budget that suffices for nothing.
  options.cross_entropy.max_operations = 1.0;
  EXPECT_EQ(CrossEntropyMaxVariables(options.cross_entropy), 0);
  for (const char* method : {"qubo-tabu", "qubo-tabu-warm", "gptq"}) {
    EXPECT_EQ(CreateRoundingSolver(method, {})->Limit().max_row_length, kMaxGramLength);
    EXPECT_EQ(CreateRoundingSolver(method, {})->Limit().max_weights,
              std::numeric_limits<int64_t>::max());
  }
}

TEST(LocalQuadratic, InputsThatOverflowAreRefused) {
  const auto example = MakeExample({.row_length = 12});
  for (float& x : example->samples.x_hat) x *= 1e20F;
  for (const char* method : {"qubo-cross-entropy", "qubo-tabu", "qubo-tabu-warm"}) {
    testing::ExpectErrorWith(ErrorCode::kNumerical, {"not finite"}, [&] {
      Solve(method, example->problem, AsFound());
    });
  }
}

TEST(DiscreteMethods, StopOnRequest) {
  const auto example = MakeExample({.row_length = 20});
  SolveContext context;
  context.should_stop = [] { return true; };
  for (const char* method : {"descent", "qubo-cross-entropy", "qubo-tabu", "gptq"}) {
    testing::ExpectErrorWith(ErrorCode::kCancelled, {},
                             [&] { Solve(method, example->problem, {}, context); });
  }
}

TEST(Gptq, EqualsLeastSquaresSolvedAnewAfterEachWeight) {
  for (const bool activation_order : {false, true}) {
    for (const bool symmetric : {true, false}) {
      for (const Granularity granularity :
           {Granularity::kPerTensor, Granularity::kPerChannel, Granularity::kPerGroup}) {
        const auto example =
            MakeExample({.row_length = 40, .bit_width = 3, .symmetric = symmetric,
                         .granularity = granularity, .activation = MakeRelu()});
        ExpectNaiveGptq(example->problem, {0.01, activation_order});
      }
    }
    // Depthwise; more rows than a block holds; more weights than samples, where the Gram matrix is
    // singular; hardly any damping.
    ExpectNaiveGptq(MakeExample({.num_groups = 6, .num_rows = 6, .row_length = 9})->problem,
                    {0.01, activation_order});
    ExpectNaiveGptq(MakeExample({.num_rows = 70, .row_length = 5})->problem,
                    {0.01, activation_order});
    ExpectNaiveGptq(MakeExample({.row_length = 40, .num_samples = 16})->problem,
                    {0.01, activation_order});
    ExpectNaiveGptq(MakeExample({.row_length = 12, .bit_width = 2})->problem,
                    {1e-6, activation_order});
  }
}

TEST(Gptq, DeadInputsRoundToNearestAndDisturbNoOthers) {
  for (const bool activation_order : {false, true}) {
    RoundingOptions options = AsFound();
    options.gptq.activation_order = activation_order;
    const ProblemShape shape{.row_length = 12, .bit_width = 3};
    ExampleProblem example;
    example.Draw(shape);
    for (size_t i = 4; i < example.samples.x_hat.size(); i += 12) example.samples.x_hat[i] = 0.0F;
    example.Finish(shape, 0.0F);
    const std::vector<int16_t> integers = Solve("gptq", example.problem, options);
    const std::vector<int16_t> nearest = Solve("nearest", example.problem);
    for (size_t row = 0; row < 8; ++row) EXPECT_EQ(integers[row * 12 + 4], nearest[row * 12 + 4]);
    ExpectNaiveGptq(example.problem, options.gptq);

    std::fill(example.samples.x_hat.begin(), example.samples.x_hat.end(), 0.0F);
    EXPECT_EQ(Solve("gptq", example.problem, options), nearest);
  }
}

// U^T U (A + damping * mean diagonal) = 1.
void ExpectInverse(const Eigen::MatrixXd& a, const DampedInverse& inverse) {
  const Eigen::MatrixXd factor = inverse.factor;
  Eigen::MatrixXd damped = a;
  damped.diagonal().array() += inverse.damping * a.diagonal().mean();
  const Eigen::MatrixXd product = factor.transpose() * factor * damped;
  for (int64_t i = 0; i < a.rows(); ++i) {
    for (int64_t j = 0; j < a.cols(); ++j) {
      EXPECT_NEAR(product(i, j), i == j ? 1.0 : 0.0, 1e-9);
      if (i > j) {
        EXPECT_EQ(factor(i, j), 0.0);
      }
    }
  }
}

TEST(DampedInverse, IsOnePanelByPanel) {
  // Longer than a panel, and not a multiple of one.
  const auto example = MakeExample({.row_length = 300, .num_samples = 700});
  const Eigen::MatrixXd gram = GroupGram(example->samples, 0, 2);
  const DampedInverse one = FactorDampedInverse(gram, 0.01, 1);
  EXPECT_EQ(one.damping, 0.01);
  ExpectInverse(gram, one);
  EXPECT_EQ(one.factor, FactorDampedInverse(gram, 0.01, 3).factor);
}

TEST(DampedInverse, RaisesTheDampingWhereThereIsNoFactor) {
  const auto example = MakeExample({.row_length = 20});
  Eigen::MatrixXd gram = GroupGram(example->samples, 0, 1);
  const DampedInverse sound = FactorDampedInverse(gram, 0.01, 1);
  EXPECT_EQ(sound.damping, 0.01);
  ExpectInverse(gram, sound);
  // An eigenvalue of -0.05 times the mean diagonal: as rounding may leave, if far larger.
  const Eigen::VectorXd direction = Eigen::VectorXd::Unit(20, 3) - Eigen::VectorXd::Unit(20, 7);
  gram.setIdentity();
  gram -= 0.525 * direction * direction.transpose();
  const DampedInverse raised = FactorDampedInverse(gram, 0.001, 1);
  EXPECT_DOUBLE_EQ(raised.damping, 0.1);
  ExpectInverse(gram, raised);
  gram(0, 1) = gram(1, 0) = 1e6;
  testing::ExpectErrorWith(ErrorCode::kNumerical, {"0.01", "100", "--gptq-damping"},
                           [&] { FactorDampedInverse(gram, 0.01, 1); });
}

TEST(Gptq, DampingKeepsWeightsToThemselves) {
  const auto example = MakeExample({.num_rows = 40, .row_length = 20, .bit_width = 3});
  const std::vector<int16_t> nearest = Solve("nearest", example->problem);
  const auto num_changed = [&](double damping) {
    RoundingOptions options = AsFound();
    options.gptq.damping = damping;
    const std::vector<int16_t> integers = Solve("gptq", example->problem, options);
    int64_t count = 0;
    for (size_t i = 0; i < nearest.size(); ++i) count += integers[i] != nearest[i] ? 1 : 0;
    return count;
  };
  EXPECT_LT(2 * num_changed(100.0), num_changed(0.01));
}

TEST(Gptq, OverflowIsRefused) {
  // Beyond the squares that doubles hold there are no float32 inputs: what overflows are residuals.
  const auto example = MakeExample({.row_length = 12});
  for (float& x : example->samples.x_hat) x *= 1e37F;
  testing::ExpectErrorWith(ErrorCode::kNumerical, {"not finite"},
                           [&] { Solve("gptq", example->problem, AsFound()); });
}

}  // namespace
}  // namespace adaround
