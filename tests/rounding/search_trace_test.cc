#include <gtest/gtest.h>

#include <numeric>

#include "adaround/rounding/rounding_method.h"
#include "rounding/relaxation.h"
#include "rounding/rounding_solver.h"
#include "rounding/search_recorder.h"
#include "support/rounding_testing.h"

namespace adaround {
namespace {

using testing::ExampleProblem;
using testing::MakeExample;
using testing::NaiveRowError;

RoundingOptions Options() {
  RoundingOptions options;
  options.adaround.iterations = 200;
  options.adaround.batch_size = 32;
  options.adaround.ridge = 0.0;
  options.cross_entropy.max_rounds = 20;
  options.tabu.flips_per_weight = 5;
  options.keep_nearest_rows = false;
  return options;
}

RoundingResult Solve(const ExampleProblem& example, const std::string& method,
                     const RoundingOptions& options, int num_threads = 1) {
  SolveContext context;
  context.num_threads = num_threads;
  return CreateRoundingSolver(method, options)->Solve(example.problem, context);
}

double NaiveMeanError(const RoundingProblem& problem, const std::vector<int16_t>& integers) {
  double sum = 0.0;
  for (int64_t row = 0; row < problem.samples->num_rows; ++row) {
    sum += NaiveRowError(problem, row, integers);
  }
  return sum / static_cast<double>(problem.samples->num_rows);
}

std::vector<int16_t> Nearest(const RoundingProblem& problem) {
  return RoundToNearest({problem.weights.data(), problem.samples->num_rows,
                         problem.samples->row_length},
                        problem.grid);
}

// Layers of every kind of search of adaround: enumerated, relaxed, and without an activation; of
// several blocks of rows, the last one shorter.
std::vector<std::unique_ptr<ExampleProblem>> Examples() {
  std::vector<std::unique_ptr<ExampleProblem>> examples;
  examples.push_back(MakeExample({.num_groups = 4, .num_rows = 8, .row_length = 9,
                                  .activation = MakeRelu()}));
  examples.push_back(MakeExample({.num_rows = 70, .row_length = 24, .activation = MakeRelu()}));
  examples.push_back(MakeExample({.num_rows = 70, .row_length = 24}));
  return examples;
}

const char* const kTracedMethods[] = {"adaround", "rectified-sigmoid", "sigmoid",
                                      "sigmoid-annealing", "ste", "descent"};

TEST(TracedIterations, RiseFromNoneToAll) {
  for (const int64_t iterations : {1, 2, 7, 100, 2000}) {
    for (const double warm : {0.0, 0.2, 1.0}) {
      AdaRoundOptions options;
      options.iterations = iterations;
      options.warm_start_fraction = warm;
      const std::vector<int64_t> traced = TracedIterations(options);
      EXPECT_EQ(traced.front(), 0);
      EXPECT_EQ(traced.back(), iterations);
      for (size_t i = 1; i < traced.size(); ++i) EXPECT_LT(traced[i - 1], traced[i]);
      EXPECT_LE(traced.size(), 8u);
    }
  }
  AdaRoundOptions options;
  const std::vector<int64_t> traced = TracedIterations(options);
  EXPECT_EQ(traced.size(), 8u);
  EXPECT_EQ(traced[2], 400);  // the end of the warm start
}

// With few columns all of them are looked at: losses are the layer's own.
TEST(SearchTrace, BeginsAtNearestAndEndsAtTheResult) {
  for (const std::string method : kTracedMethods) {
    for (const auto& example : Examples()) {
      const RoundingResult result = Solve(*example, method, Options());
      const SearchTrace& trace = result.summary.trace;
      ASSERT_GE(trace.size(), 2u) << method;
      EXPECT_EQ(trace.front().stage, "nearest");
      const double nearest = NaiveMeanError(example->problem, Nearest(example->problem));
      EXPECT_NEAR(trace.front().loss, nearest, 1e-4 * nearest) << method;
      const double found = NaiveMeanError(example->problem, result.integers);
      EXPECT_NEAR(trace.back().loss, found, 1e-4 * found) << method;
    }
  }
}

TEST(SearchTrace, CountsEveryWeightAtEachLook) {
  for (const std::string method : {"adaround", "rectified-sigmoid", "sigmoid-annealing"}) {
    const auto example = MakeExample({.num_rows = 70, .row_length = 24, .activation = MakeRelu()});
    const RoundingResult result = Solve(*example, method, Options());
    std::vector<int64_t> iterations;
    int64_t last_undecided = -1;
    for (const SearchPoint& point : result.summary.trace) {
      if (point.stage != "relaxation") {
        EXPECT_TRUE(point.soft_roundings.empty());
        continue;
      }
      iterations.push_back(point.iteration);
      ASSERT_EQ(point.soft_roundings.size(), static_cast<size_t>(kSoftRoundingBins));
      EXPECT_EQ(std::accumulate(point.soft_roundings.begin(), point.soft_roundings.end(),
                                int64_t{0}),
                70 * 24);
      // What is decided lies in the first part or in the last.
      EXPECT_GE(point.soft_roundings.front() + point.soft_roundings.back(),
                70 * 24 - point.num_undecided);
      last_undecided = point.num_undecided;
    }
    EXPECT_EQ(iterations, TracedIterations(Options().adaround));
    EXPECT_EQ(last_undecided, result.summary.num_undecided);
  }
}

// Whose weights start as the float ones: h is the fraction, all parts are about as frequent.
TEST(SearchTrace, RelaxationStartsAtTheFractionsAndEndsDecided) {
  const auto example = MakeExample({.num_rows = 64, .row_length = 48});
  RoundingOptions options = Options();
  options.adaround.lambda = 10.0;
  options.adaround.iterations = 2000;
  const SearchTrace trace = Solve(*example, "rectified-sigmoid", options).summary.trace;
  const SearchPoint& start = trace.at(1);
  ASSERT_EQ(start.stage, "relaxation");
  const double expected = 64.0 * 48.0 / static_cast<double>(kSoftRoundingBins);
  for (const int64_t count : start.soft_roundings) {
    // Five standard deviations of a binomial count; the ends hold weights without a choice, too.
    EXPECT_NEAR(static_cast<double>(count), expected, 5.0 * std::sqrt(expected) + 64.0);
  }
  // The soft weights are the float weights, whose loss is what x_hat differs from x by.
  EXPECT_LT(start.loss, trace.front().loss);
  const SearchPoint& end = trace.at(trace.size() - 2);
  ASSERT_EQ(end.stage, "relaxation");
  EXPECT_EQ(end.num_undecided, 0);
  EXPECT_EQ(end.soft_roundings.front() + end.soft_roundings.back(), 64 * 48);
  EXPECT_NEAR(end.loss, trace.back().loss, 1e-3 * end.loss);  // rounding changes nothing any more
}

TEST(SearchTrace, IsTheSameAtAnyNumberOfThreads) {
  for (const std::string method : kTracedMethods) {
    for (const auto& example : Examples()) {
      const RoundingResult one = Solve(*example, method, Options(), 1);
      const RoundingResult two = Solve(*example, method, Options(), 2);
      EXPECT_EQ(one.integers, two.integers);
      ASSERT_EQ(one.summary.trace.size(), two.summary.trace.size());
      for (size_t i = 0; i < one.summary.trace.size(); ++i) {
        const SearchPoint& a = one.summary.trace[i];
        const SearchPoint& b = two.summary.trace[i];
        EXPECT_EQ(a.stage, b.stage);
        EXPECT_EQ(a.iteration, b.iteration);
        EXPECT_EQ(a.loss, b.loss) << method << " " << a.stage;  // to the last bit
        EXPECT_EQ(a.soft_roundings, b.soft_roundings);
        EXPECT_EQ(a.num_undecided, b.num_undecided);
      }
    }
  }
}

TEST(SearchTrace, LookingChangesNothing) {
  for (const Activation& activation : {Activation{}, MakeRelu()}) {
    const auto example = MakeExample(
        {.num_rows = 8, .row_length = 24, .num_samples = 1000, .activation = activation});
    AdaRoundOptions options;
    options.iterations = 300;
    DataTerm term;
    term.row_weight.assign(8, 1.0F);
    RowBlock unseen = MakeRowBlock(example->problem, 0, 0, 8);
    RowBlock seen = unseen;
    SearchTrace trace;
    const int64_t undecided =
        RelaxAndRound(example->problem, RelaxationForm{}, options, {}, term, unseen);
    SearchRecorder recorder(example->problem, seen, trace);
    EXPECT_EQ(RelaxAndRound(example->problem, RelaxationForm{}, options, {}, term, seen, &recorder),
              undecided);
    EXPECT_EQ(unseen.up, seen.up);
    EXPECT_EQ(trace.size(), TracedIterations(options).size());
  }
}

// Of many columns only some are looked at, spread over all of them.
TEST(SearchTrace, LooksAtColumnsSpreadEvenly) {
  const auto example = MakeExample({.num_groups = 2, .num_rows = 6, .row_length = 12,
                                    .num_samples = 1000, .activation = MakeRelu()});
  constexpr int64_t kStride = 7;  // 1000 / 128
  std::vector<int64_t> positions;
  for (int64_t i = 0; i < SearchRecorder::kTracedColumns; ++i) positions.push_back(i * kStride);
  const SampledColumns some = SelectColumns(example->samples, positions);
  RoundingProblem problem = example->problem;
  problem.samples = &some;
  const SearchTrace trace = Solve(*example, "descent", Options()).summary.trace;
  const double nearest = NaiveMeanError(problem, Nearest(problem));
  EXPECT_NEAR(trace.front().loss, nearest, 1e-4 * nearest);
}

TEST(SearchTrace, MethodsWithoutACourseShowBothEnds) {
  const auto example = MakeExample({.num_rows = 6, .row_length = 20});
  for (const RoundingMethod& method : RoundingMethods()) {
    if (!method.searches || !method.row_wise) continue;
    RoundingOptions options = Options();
    options.keep_nearest_rows = true;
    const SearchTrace trace = Solve(*example, method.name, options).summary.trace;
    ASSERT_GE(trace.size(), 2u) << method.name;
    EXPECT_EQ(trace.front().stage, "nearest") << method.name;
    const double nearest = NaiveMeanError(example->problem, Nearest(example->problem));
    EXPECT_NEAR(trace.front().loss, nearest, 1e-4 * nearest) << method.name;
  }
}

}  // namespace
}  // namespace adaround
