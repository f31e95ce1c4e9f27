#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "adaround/base/error.h"
#include "adaround/rounding/rounding_method.h"
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

Activation OfKind(Activation::Kind kind) {
  Activation activation;
  activation.kind = kind;
  return activation;
}

std::vector<Activation> LossActivations() {
  return {Activation{}, MakeRelu(), MakeClip(0.0F, 6.0F), MakeLeakyRelu(0.1F),
          OfKind(Activation::Kind::kSilu)};
}

RoundingOptions QuickOptions() {
  RoundingOptions options;
  options.adaround.iterations = 150;
  options.adaround.learning_rate = 3e-2;
  options.adaround.batch_size = 32;
  options.cross_entropy.max_rounds = 20;
  options.tabu.flips_per_weight = 5;
  options.tabu.restarts = 1;
  return options;
}

// How far a method may end above the best of all roundings to floor or ceil, over 24 rows of 10
// weights together, by the loss that it minimizes.
double BruteForceGap(const std::string& method) {
  // Visits every decision of so small a row; losses compare in float32.
  if (method == "qubo-tabu" || method == "qubo-tabu-warm") return 1.0 + kFloatLossTolerance;
  // Coins are independent: two good roundings that differ in several weights can mislead them.
  if (method == "qubo-cross-entropy") return 1.05;
  // Ends where no single flip helps.
  if (method == "descent") return 1.3;
  // Never takes a decision back.
  if (method == "gptq") return 1.2;
  // With so few weights a single wrong flip costs several percent, and nothing repairs it.
  if (method != "adaround") return 1.3;
  return 1.15;
}

// Whether each row ends not above nearest by construction: it is where the search starts.
bool IsExact(const std::string& method) {
  return method == "descent" || method == "qubo-tabu-warm";
}

// What all rows together may come to without the guard, over nearest, on the search's own columns.
double RiseAboveNearest(const std::string& method) {
  // After a few quick iterations weights are undecided, which constant inputs show: 1.13 there.
  const bool relaxes =
      method == "rectified-sigmoid" || method == "sigmoid" || method == "sigmoid-annealing";
  return relaxes ? 1.2 : 1.0 + kFloatLossTolerance;
}

std::vector<int16_t> Nearest(const RoundingProblem& problem) {
  return RoundToNearest({problem.weights.data(), problem.samples->num_rows,
                         problem.samples->row_length},
                        problem.grid);
}

class SolverConformance : public ::testing::TestWithParam<std::tuple<std::string, int>> {
 protected:
  std::string method() const { return std::get<0>(GetParam()); }
  bool Searches() const { return FindRoundingMethod(method()).searches; }
  SolveContext Context() const {
    SolveContext context;
    context.layer = 3;
    context.num_threads = std::get<1>(GetParam());
    return context;
  }

  bool StaysAtFloorOrCeil() const {
    return CreateRoundingSolver(method(), QuickOptions())->StaysAtFloorOrCeil();
  }

  // Solves, and checks what holds for every method and problem; a method that searches, also
  // without the guard by nearest.  Returns each solution.
  std::vector<std::vector<int16_t>> SolveAndCheck(const RoundingProblem& problem) {
    const auto no_violations = std::vector<std::string>();
    EXPECT_EQ(problem.Validate(), no_violations);
    std::vector<std::vector<int16_t>> solutions;
    RoundingOptions options = QuickOptions();
    solutions.push_back(SolveAndCheck(problem, options));
    if (Searches()) {
      RoundingProblem judged = problem;
      if (!FindRoundingMethod(method()).Reads("activation_in_loss")) judged.activation = {};
      ExpectNotAboveNearest(judged, solutions.back());
      options.keep_nearest_rows = false;
      options.adaround.ridge = 0.0;  // what is judged has none
      solutions.push_back(SolveAndCheck(problem, options));
      if (IsExact(method())) ExpectNotAboveNearest(judged, solutions.back());
      ExpectRowsTogetherNotAboveNearest(judged, solutions.back());
    }
    return solutions;
  }

 private:
  std::vector<int16_t> SolveAndCheck(const RoundingProblem& problem,
                                     const RoundingOptions& options) {
    const auto solver = CreateRoundingSolver(method(), options);
    const std::vector<int16_t> integers = solver->Solve(problem, Context()).integers;
    SolveContext one_thread = Context();
    one_thread.num_threads = 1;
    EXPECT_EQ(integers, solver->Solve(problem, one_thread).integers)
        << "depends on threads, or is not repeatable";
    ExpectLegal(problem, integers, solver->StaysAtFloorOrCeil());
    return integers;
  }

  static void ExpectLegal(const RoundingProblem& problem, const std::vector<int16_t>& integers,
                          bool stays_at_floor_or_ceil) {
    const int64_t length = problem.samples->row_length;
    ASSERT_EQ(static_cast<int64_t>(integers.size()), problem.samples->num_rows * length);
    for (int64_t i = 0; i < static_cast<int64_t>(integers.size()); ++i) {
      const int q = integers[static_cast<size_t>(i)];
      ASSERT_GE(q, problem.grid.q_min);
      ASSERT_LE(q, problem.grid.q_max);
      if (!stays_at_floor_or_ceil) continue;
      const IntegerPair pair = Neighbours(problem, i / length, i % length);
      ASSERT_TRUE(q == pair.lower || q == pair.upper)
          << "weight " << i << " became " << q << ", neighbours are " << pair.lower << " and "
          << pair.upper;
    }
  }

  void ExpectRowsTogetherNotAboveNearest(const RoundingProblem& problem,
                                         const std::vector<int16_t>& integers) const {
    const std::vector<int16_t> nearest = Nearest(problem);
    double found = 0.0;
    double limit = 0.0;
    for (int64_t row = 0; row < problem.samples->num_rows; ++row) {
      found += NaiveRowError(problem, row, integers);
      limit += NaiveRowError(problem, row, nearest);
    }
    EXPECT_LE(found, RiseAboveNearest(method()) * limit + 1e-9);
  }

  static void ExpectNotAboveNearest(const RoundingProblem& problem,
                                    const std::vector<int16_t>& integers) {
    const std::vector<int16_t> nearest = Nearest(problem);
    for (int64_t row = 0; row < problem.samples->num_rows; ++row) {
      const double limit = NaiveRowError(problem, row, nearest);
      EXPECT_LE(NaiveRowError(problem, row, integers),
                limit * (1 + kFloatLossTolerance) + 1e-12)
          << "row " << row;
    }
  }
};

TEST_P(SolverConformance, KeepsItsPromisesForEveryActivation) {
  uint32_t seed = 1;
  for (const Activation& activation : LossActivations()) {
    SCOPED_TRACE(activation.Name());
    SolveAndCheck(MakeExample({.num_rows = 20, .row_length = 24, .activation = activation,
                               .seed = seed++})
                      ->problem);
  }
}

TEST_P(SolverConformance, KeepsItsPromisesForEveryGrid) {
  for (const bool symmetric : {true, false}) {
    for (const Granularity granularity :
         {Granularity::kPerTensor, Granularity::kPerChannel, Granularity::kPerGroup}) {
      for (const int bit_width : {2, 3, 8}) {
        SCOPED_TRACE("bits " + std::to_string(bit_width) + " granularity " +
                     std::to_string(static_cast<int>(granularity)));
        // 40 = 16 + 16 + 8: the last group of a row is short.
        SolveAndCheck(MakeExample({.num_rows = 5, .row_length = 40, .bit_width = bit_width,
                                   .symmetric = symmetric, .granularity = granularity,
                                   .group_size = 16, .activation = MakeRelu()})
                          ->problem);
      }
    }
  }
}

TEST_P(SolverConformance, SolvesGroupsOfChannels) {
  // Depthwise rows, rows that share a group, and more rows than one block holds.
  for (const auto& [groups, rows, length] :
       {std::tuple{6, 6, 9}, std::tuple{3, 12, 18}, std::tuple{2, 140, 12}}) {
    for (const Activation& activation : {Activation{}, MakeRelu()}) {
      SolveAndCheck(MakeExample({.num_groups = groups, .num_rows = rows, .row_length = length,
                                 .num_samples = 64, .activation = activation})
                        ->problem);
    }
  }
}

TEST_P(SolverConformance, GridPointsStayWhereTheyAre) {
  for (const Activation& activation : LossActivations()) {
    for (const int64_t length : {8, 30}) {
      const ProblemShape shape{.row_length = length, .activation = activation};
      ExampleProblem example;
      example.Draw(shape);
      const float scale = 0.125F;
      std::vector<int16_t> wanted;
      for (float& weight : example.problem.weights) {
        wanted.push_back(static_cast<int16_t>(
            std::clamp(std::round(weight / scale), -8.0F, 7.0F)));
        weight = scale * wanted.back();
      }
      // Methods with a wider choice may answer other inputs by other weights.
      example.Finish(shape, StaysAtFloorOrCeil() ? 0.1F : 0.0F);
      std::fill(example.problem.grid.scale.begin(), example.problem.grid.scale.end(), scale);
      for (const std::vector<int16_t>& integers : SolveAndCheck(example.problem)) {
        if (StaysAtFloorOrCeil()) {
          EXPECT_EQ(integers, wanted);
        }
      }
    }
  }
}

TEST_P(SolverConformance, SaturatedWeightsClip) {
  for (const int64_t length : {8, 30}) {
    const ProblemShape shape{.row_length = length};
    const auto example = MakeExample(shape);
    // Every weight lies beyond the last grid point, on its own side.
    std::vector<int16_t> wanted;
    for (float& weight : example->problem.weights) {
      weight = weight < 0 ? weight - 1.0F : weight + 1.0F;
      wanted.push_back(weight < 0 ? -8 : 7);
    }
    std::fill(example->problem.grid.scale.begin(), example->problem.grid.scale.end(), 0.01F);
    for (const std::vector<int16_t>& integers : SolveAndCheck(example->problem)) {
      if (StaysAtFloorOrCeil()) {
        EXPECT_EQ(integers, wanted);
      }
    }
  }
}

TEST_P(SolverConformance, ComesNearBruteForce) {
  if (!Searches()) GTEST_SKIP() << method() << " does not search";
  RoundingOptions options;
  options.adaround.iterations = 1000;
  options.adaround.enumerate_row_length = 0;
  options.adaround.ridge = 0.0;  // the brute force has none
  options.keep_nearest_rows = false;
  for (const int bit_width : {3, 4}) {
    // Without activation: every method's loss is the same then.
    const auto example =
        MakeExample({.num_rows = 24, .row_length = 10, .bit_width = bit_width, .seed = 11});
    const auto solver = CreateRoundingSolver(method(), options);
    const std::vector<int16_t> integers = solver->Solve(example->problem, Context()).integers;
    double best = 0.0;
    double found = 0.0;
    for (int64_t row = 0; row < 24; ++row) {
      best += BruteForceRowError(example->problem, row);
      found += NaiveRowError(example->problem, row, integers);
    }
    RecordProperty("gap_at_" + std::to_string(bit_width) + "_bits", std::to_string(found / best));
    EXPECT_LE(found, BruteForceGap(method()) * best) << bit_width << " bits";
    if (solver->StaysAtFloorOrCeil()) {
      EXPECT_GE(found, best * (1 - kFloatLossTolerance));
    }
  }
}

TEST_P(SolverConformance, ZeroRowStaysZero) {
  for (const int64_t length : {8, 30}) {
    const ProblemShape shape{.row_length = length, .activation = MakeRelu()};
    ExampleProblem example;
    example.Draw(shape);
    std::fill_n(example.problem.weights.begin() + 2 * length, length, 0.0F);
    example.Finish(shape, 0.1F);
    for (const std::vector<int16_t>& integers : SolveAndCheck(example.problem)) {
      if (!StaysAtFloorOrCeil()) continue;
      for (int64_t k = 0; k < length; ++k) {
        EXPECT_EQ(integers[static_cast<size_t>(2 * length + k)], 0);
      }
    }
  }
}

TEST_P(SolverConformance, SolvesDegenerateSamples) {
  for (const Activation& activation : LossActivations()) {
    for (const int64_t length : {1, 8, 30}) {
      SCOPED_TRACE(activation.Name() + " K " + std::to_string(length));
      SolveAndCheck(
          MakeExample({.row_length = length, .num_samples = 1, .activation = activation})->problem);
      SolveAndCheck(MakeExample({.row_length = length, .activation = activation})->problem);
      const ProblemShape shape{.row_length = length, .activation = activation};
      for (const float constant : {0.0F, 1.5F}) {
        ExampleProblem example;
        example.Draw(shape);
        std::fill(example.samples.x_hat.begin(), example.samples.x_hat.end(), constant);
        example.Finish(shape, 0.0F);
        SolveAndCheck(example.problem);
      }
    }
  }
}

TEST_P(SolverConformance, NoActivationLetsAnythingThrough) {
  // Every target and every candidate lies in the flat part: nothing to choose by, nothing to break.
  const ProblemShape shape{.row_length = 20, .activation = MakeRelu()};
  ExampleProblem example;
  example.Draw(shape);
  std::fill(example.problem.bias.begin(), example.problem.bias.end(), -1e4F);
  example.Finish(shape, 0.1F);
  SolveAndCheck(example.problem);
}

std::string ParameterName(const ::testing::TestParamInfo<SolverConformance::ParamType>& info) {
  std::string name = std::get<0>(info.param);
  std::replace(name.begin(), name.end(), '-', '_');
  return name + "_" + std::to_string(std::get<1>(info.param)) + "_threads";
}

// Methods that round a layer as a whole have a quadratic of their own, and tests of their own.
std::vector<std::string> RowWiseMethodNames() {
  std::vector<std::string> names;
  for (const RoundingMethod& method : RoundingMethods()) {
    if (method.row_wise) names.push_back(method.name);
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(AllMethods, SolverConformance,
                         ::testing::Combine(::testing::ValuesIn(RowWiseMethodNames()),
                                            ::testing::Values(1, 2)),
                         ParameterName);

TEST(RoundingSolver, UnknownMethodIsRefusedWithTheList) {
  std::vector<std::string> names = RoundingMethodNames();
  names.push_back("'nearset'");
  testing::ExpectErrorWith(ErrorCode::kInvalidArgument, names, [] {
    CreateRoundingSolver("nearset", RoundingOptions{});
  });
}

TEST(AdaRoundSolver, EnumerationEqualsBruteForce) {
  RoundingOptions options = QuickOptions();
  options.adaround.enumerate_row_length = 10;
  const auto solver = CreateRoundingSolver("adaround", options);
  for (const Activation& activation : LossActivations()) {
    for (const int64_t length : {1, 2, 9, 10}) {
      SCOPED_TRACE(activation.Name() + " K " + std::to_string(length));
      const auto example = MakeExample({.num_groups = 2, .num_rows = 6, .row_length = length,
                                        .bit_width = 3, .activation = activation,
                                        .seed = static_cast<uint32_t>(length)});
      const RoundingResult result = solver->Solve(example->problem, {});
      EXPECT_EQ(result.summary.strategy, "enumeration");
      for (int64_t row = 0; row < 6; ++row) {
        const double best = BruteForceRowError(example->problem, row);
        EXPECT_LE(NaiveRowError(example->problem, row, result.integers),
                  best * (1 + kFloatLossTolerance));
      }
    }
  }
}

TEST(AdaRoundSolver, RelaxationStaysNearBruteForce) {
  RoundingOptions options;
  options.adaround.iterations = 1000;
  options.adaround.enumerate_row_length = 0;
  options.adaround.ridge = 0.0;  // the brute force has none
  options.adaround.second_order_start = false;
  const auto solver = CreateRoundingSolver("adaround", options);
  for (const Activation& activation : LossActivations()) {
    for (const int bit_width : {3, 4}) {
      SCOPED_TRACE(activation.Name());
      const auto example = MakeExample({.num_rows = 24, .row_length = 10, .bit_width = bit_width,
                                        .activation = activation, .seed = 7});
      const RoundingResult result = solver->Solve(example->problem, {});
      EXPECT_EQ(result.summary.strategy, "relaxation");
      double best = 0.0;
      double found = 0.0;
      for (int64_t row = 0; row < 24; ++row) {
        best += BruteForceRowError(example->problem, row);
        found += NaiveRowError(example->problem, row, result.integers);
      }
      // With so few weights a single wrong flip costs several percent.
      EXPECT_LE(found, 1.15 * best);
      EXPECT_GE(found, best * (1 - kFloatLossTolerance));
    }
  }
}

TEST(RelaxationSolvers, StayNearBruteForce) {
  RoundingOptions options;
  options.adaround.iterations = 1000;
  options.adaround.ridge = 0.0;  // the brute force has none
  for (const char* method : {"rectified-sigmoid", "sigmoid", "sigmoid-annealing"}) {
    const auto solver = CreateRoundingSolver(method, options);
    for (const Activation& activation : LossActivations()) {
      SCOPED_TRACE(std::string(method) + " " + activation.Name());
      const auto example = MakeExample({.num_rows = 24, .row_length = 10, .bit_width = 3,
                                        .activation = activation, .seed = 7});
      const RoundingResult result = solver->Solve(example->problem, {});
      EXPECT_EQ(result.summary.strategy, "relaxation");
      EXPECT_EQ(result.summary.iterations, 1000);
      EXPECT_EQ(result.summary.num_descent_flips, 0);
      double best = 0.0;
      double found = 0.0;
      double nearest_error = 0.0;
      const std::vector<int16_t> nearest = Nearest(example->problem);
      for (int64_t row = 0; row < 24; ++row) {
        best += BruteForceRowError(example->problem, row);
        found += NaiveRowError(example->problem, row, result.integers);
        nearest_error += NaiveRowError(example->problem, row, nearest);
      }
      // With so few weights a single wrong flip costs several percent, and nothing repairs it.
      EXPECT_LE(found, 1.3 * best);
      EXPECT_LT(found, nearest_error);
      EXPECT_GE(found, best * (1 - kFloatLossTolerance));
    }
  }
}

TEST(RelaxationSolvers, ZeroIterationsAreNearest) {
  RoundingOptions options;
  options.adaround.iterations = 0;
  options.keep_nearest_rows = false;
  for (const char* method : {"rectified-sigmoid", "sigmoid", "sigmoid-annealing", "ste"}) {
    const auto example = MakeExample({.row_length = 40, .bit_width = 3});
    EXPECT_EQ(CreateRoundingSolver(method, options)->Solve(example->problem, {}).integers,
              Nearest(example->problem));
  }
}

TEST(RelaxationSolvers, PaperPresetsAdaRoundIsTheRectifiedSigmoid) {
  RoundingOptions options = QuickOptions();
  options.adaround.descent_sweeps = 0;
  options.adaround.second_order_start = false;
  options.adaround.enumerate_row_length = 0;
  for (const Activation& activation : LossActivations()) {
    const auto example =
        MakeExample({.num_rows = 20, .row_length = 9, .activation = activation});
    EXPECT_EQ(CreateRoundingSolver("adaround", options)->Solve(example->problem, {}).integers,
              CreateRoundingSolver("rectified-sigmoid", options)
                  ->Solve(example->problem, {})
                  .integers);
  }
}

TEST(RoundingOptions, TemperaturesAndRatesOutOfRangeAreNamed) {
  RoundingOptions options;
  EXPECT_TRUE(options.Validate().empty());
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::pair<double, double> bad[] = {
      {0.1, 1.0}, {1.0, 0.0}, {1e7, 1.0}, {nan, 0.1}, {1.0, nan}};
  for (const auto& [start, end] : bad) {
    options.annealing = {start, end};
    EXPECT_EQ(options.Validate().size(), 1u) << start << " " << end;
  }
  options.annealing = {0.5, 0.5};  // a constant temperature is one
  for (const double reach : {0.0, -1.0, nan, std::numeric_limits<double>::infinity()}) {
    options.straight_through = {};
    options.straight_through.reach = reach;
    EXPECT_EQ(options.Validate().size(), 1u) << reach;
    options.straight_through = {};
    options.straight_through.dampening = reach == 0.0 ? -0.1 : reach;
    EXPECT_EQ(options.Validate().size(), 1u) << reach;
  }
}

TEST(AdaRoundSolver, BiasCancelsWithoutActivation) {
  RoundingOptions options;
  options.adaround.iterations = 1000;
  options.adaround.enumerate_row_length = 0;
  options.adaround.ridge = 0.0;
  const auto example = MakeExample({.num_rows = 24, .row_length = 10, .bit_width = 3});
  for (float& bias : example->problem.bias) bias += 20.0F;
  for (float& target : example->samples.target) target += 20.0F;
  const RoundingResult result =
      CreateRoundingSolver("adaround", options)->Solve(example->problem, {});
  double best = 0.0;
  double found = 0.0;
  for (int64_t row = 0; row < 24; ++row) {
    best += BruteForceRowError(example->problem, row);
    found += NaiveRowError(example->problem, row, result.integers);
  }
  EXPECT_LE(found, 1.15 * best);  // as above
}

TEST(AdaRoundSolver, DescentFinishesWhatZeroIterationsLeave) {
  RoundingOptions options;
  options.adaround.iterations = 0;
  options.adaround.second_order_start = false;
  for (const Activation& activation : LossActivations()) {
    const auto example = MakeExample({.row_length = 40, .bit_width = 3, .activation = activation});
    options.adaround.descent_sweeps = 0;
    const std::vector<int16_t> nearest = Nearest(example->problem);
    EXPECT_EQ(CreateRoundingSolver("adaround", options)->Solve(example->problem, {}).integers,
              nearest);
    options.adaround.descent_sweeps = 6;
    const RoundingResult result =
        CreateRoundingSolver("adaround", options)->Solve(example->problem, {});
    EXPECT_GT(result.summary.num_descent_flips, 0);
    double before = 0.0;
    double after = 0.0;
    for (int64_t row = 0; row < 8; ++row) {
      before += NaiveRowError(example->problem, row, nearest);
      after += NaiveRowError(example->problem, row, result.integers);
    }
    EXPECT_LT(after, 0.9 * before);
  }
}

TEST(AdaRoundSolver, SeedAndLayerNameTheStream) {
  RoundingOptions options = QuickOptions();
  options.adaround.descent_sweeps = 0;
  const auto example =
      MakeExample({.num_rows = 30, .row_length = 60, .bit_width = 2, .activation = MakeRelu()});
  const auto solver = CreateRoundingSolver("adaround", options);
  SolveContext context;
  const std::vector<int16_t> integers = solver->Solve(example->problem, context).integers;
  context.layer = 1;
  EXPECT_NE(integers, solver->Solve(example->problem, context).integers);
  context.layer = 0;
  context.seed = 43;
  EXPECT_NE(integers, solver->Solve(example->problem, context).integers);
}

TEST(AdaRoundSolver, StopsOnRequest) {
  const auto example = MakeExample({.row_length = 20});
  for (const int num_threads : {1, 2}) {
    SolveContext context;
    context.num_threads = num_threads;
    context.should_stop = [] { return true; };
    testing::ExpectErrorWith(ErrorCode::kCancelled, {}, [&] {
      CreateRoundingSolver("adaround", QuickOptions())->Solve(example->problem, context);
    });
  }
}

TEST(AdaRoundSolver, ReportsProgressUpToTheTotal) {
  const auto example = MakeExample({.num_groups = 2, .num_rows = 200, .row_length = 12});
  SolveContext context;
  int64_t calls = 0;
  int64_t last_total = 0;
  context.on_progress = [&](int64_t done, int64_t total) {
    EXPECT_EQ(done, ++calls);
    last_total = total;
  };
  CreateRoundingSolver("adaround", QuickOptions())->Solve(example->problem, context);
  EXPECT_GT(last_total, 1);
  EXPECT_EQ(calls, last_total);
}

}  // namespace
}  // namespace adaround
