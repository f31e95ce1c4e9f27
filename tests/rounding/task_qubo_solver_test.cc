#include "rounding/task_qubo_solver.h"

#include <gtest/gtest.h>

#include <limits>

#include "adaround/base/error.h"
#include "adaround/rounding/rounding_method.h"
#include "support/error_testing.h"
#include "support/quadratic_testing.h"
#include "support/rounding_testing.h"

namespace adaround {
namespace {

using testing::ExampleQuadratic;
using testing::MakeExample;
using testing::Neighbours;
using testing::ProblemShape;
using testing::RealWeight;

const char* const kMethods[] = {"task-cross-entropy", "task-tabu"};

// A small layer whose rows are coupled by a dense positive curvature.
struct CoupledProblem {
  std::unique_ptr<testing::ExampleProblem> example;
  ExampleQuadratic quadratic;

  explicit CoupledProblem(const ProblemShape& shape)
      : example(MakeExample(shape)), quadratic(shape.num_rows * shape.row_length, shape.seed) {
    example->problem.task_curvature = quadratic.curvature.data();
  }
  const RoundingProblem& problem() const { return example->problem; }

  // 1/2 v^T H v, v = W_hat - W.
  double Energy(const std::vector<int16_t>& integers) const {
    const int64_t length = problem().samples->row_length;
    std::vector<double> v;
    for (size_t i = 0; i < integers.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      v.push_back(RealWeight(problem(), at / length, at % length, integers[i]) -
                  static_cast<double>(problem().weights[i]));
    }
    double sum = 0.0;
    for (size_t i = 0; i < v.size(); ++i) {
      for (size_t j = 0; j < v.size(); ++j) {
        sum += 0.5 * v[i] * static_cast<double>(quadratic.curvature[i * v.size() + j]) * v[j];
      }
    }
    return sum;
  }

  double BruteForce() const {
    const int64_t length = problem().samples->row_length;
    const size_t size = problem().weights.size();
    double best = std::numeric_limits<double>::infinity();
    for (uint32_t code = 0; code < (1U << size); ++code) {
      std::vector<int16_t> integers;
      for (size_t i = 0; i < size; ++i) {
        const auto at = static_cast<int64_t>(i);
        const auto pair = Neighbours(problem(), at / length, at % length);
        integers.push_back(static_cast<int16_t>(((code >> i) & 1U) != 0 ? pair.upper : pair.lower));
      }
      best = std::min(best, Energy(integers));
    }
    return best;
  }

  std::vector<int16_t> Nearest() const {
    return RoundToNearest(
        {problem().weights.data(), problem().samples->num_rows, problem().samples->row_length},
        problem().grid);
  }
};

TEST(TaskQuboSolver, FindsTheOptimumOfCoupledRows) {
  for (const char* method : kMethods) {
    double found = 0.0;
    double nearest = 0.0;
    for (const uint32_t seed : {1U, 2U, 3U}) {
      for (const bool symmetric : {true, false}) {
        SCOPED_TRACE(std::string(method) + " seed " + std::to_string(seed));
        const CoupledProblem coupled({.num_rows = 3,
                                      .row_length = 4,
                                      .num_samples = 8,
                                      .bit_width = 3,
                                      .symmetric = symmetric,
                                      .granularity = Granularity::kPerTensor,
                                      .seed = seed});
        const auto solver = CreateRoundingSolver(method, {});
        const RoundingResult result = solver->Solve(coupled.problem(), {});
        EXPECT_TRUE(solver->StaysAtFloorOrCeil());
        // Twelve decisions: both searches visit most of what there is. 1 % for the method that
        // draws.
        EXPECT_LE(coupled.Energy(result.integers), 1.01 * coupled.BruteForce() + 1e-12);
        found += coupled.Energy(result.integers);
        nearest += coupled.Energy(coupled.Nearest());
      }
    }
    // Nearest is the optimum of some of these problems, of all it is not.
    EXPECT_LT(found, 0.9 * nearest);
  }
}

TEST(TaskQuboSolver, GroupsOfChannelsKeepTheirPlaces) {
  for (const char* method : kMethods) {
    const CoupledProblem coupled({.num_groups = 2,
                                  .num_rows = 4,
                                  .row_length = 3,
                                  .num_samples = 8,
                                  .bit_width = 3,
                                  .seed = 5});
    const RoundingResult result = CreateRoundingSolver(method, {})->Solve(coupled.problem(), {});
    EXPECT_LE(coupled.Energy(result.integers), 1.01 * coupled.BruteForce() + 1e-12);
  }
}

TEST(TaskQuboSolver, IsNeverAboveNearestAndRepeatsItself) {
  for (const char* method : kMethods) {
    for (const int bit_width : {2, 4, 8}) {
      SCOPED_TRACE(method);
      const CoupledProblem coupled({.num_rows = 6, .row_length = 20, .bit_width = bit_width});
      const auto solver = CreateRoundingSolver(method, {});
      SolveContext two_threads;
      two_threads.num_threads = 2;
      const std::vector<int16_t> integers = solver->Solve(coupled.problem(), {}).integers;
      EXPECT_EQ(integers, solver->Solve(coupled.problem(), two_threads).integers);
      EXPECT_LE(coupled.Energy(integers), coupled.Energy(coupled.Nearest()) * (1 + 1e-6));
      for (size_t i = 0; i < integers.size(); ++i) {
        const auto at = static_cast<int64_t>(i);
        const auto pair = Neighbours(coupled.problem(), at / 20, at % 20);
        EXPECT_TRUE(integers[i] == pair.lower || integers[i] == pair.upper);
      }
    }
  }
}

TEST(TaskQuboSolver, WithoutCurvatureNearestStays) {
  for (const char* method : kMethods) {
    CoupledProblem coupled({.num_rows = 3, .row_length = 4});
    std::fill(coupled.quadratic.curvature.begin(), coupled.quadratic.curvature.end(), 0.0F);
    EXPECT_EQ(CreateRoundingSolver(method, {})->Solve(coupled.problem(), {}).integers,
              coupled.Nearest());
  }
}

TEST(TaskQuboSolver, SaturatedWeightsClip) {
  for (const char* method : kMethods) {
    CoupledProblem coupled({.num_rows = 3, .row_length = 4, .bit_width = 3});
    // Every other weight far beyond the grid, on its own side: what these leave pulls at the
    // others.
    RoundingProblem& problem = coupled.example->problem;
    for (size_t i = 0; i < problem.weights.size(); i += 2) {
      problem.weights[i] += problem.weights[i] < 0 ? -20.0F : 20.0F;
    }
    const std::vector<int16_t> nearest = coupled.Nearest();
    const std::vector<int16_t> integers =
        CreateRoundingSolver(method, {})->Solve(coupled.problem(), {}).integers;
    for (size_t i = 0; i < integers.size(); i += 2) {
      EXPECT_EQ(integers[i], problem.weights[i] < 0 ? problem.grid.q_min : problem.grid.q_max);
    }
    EXPECT_NE(integers, nearest);
    EXPECT_LE(coupled.Energy(integers), coupled.BruteForce() * (1 + 1e-6));
  }
}

TEST(TaskQuboSolver, KnowsTheMostWeightsItTakesBeforehand) {
  RoundingOptions options;
  options.cross_entropy.max_operations = 1e7;
  const SizeLimit limit = CreateRoundingSolver("task-cross-entropy", options)->Limit();
  EXPECT_NE(limit.remedy.find("task-tabu"), std::string::npos);
  const auto solve = [&](int64_t num_weights) {
    const CoupledProblem coupled({.num_rows = 1, .row_length = num_weights});
    CreateRoundingSolver("task-cross-entropy", options)->Solve(coupled.problem(), {});
  };
  solve(limit.max_weights);
  testing::ExpectErrorWith(ErrorCode::kInvalidArgument, {"--cem-budget"},
                           [&] { solve(limit.max_weights + 3); });  // some are on the grid
  EXPECT_EQ(CreateRoundingSolver("task-tabu", options)->Limit().max_weights,
            std::numeric_limits<int64_t>::max());
}

TEST(TaskQuboSolver, RefusesCurvatureThatIsNotFinite) {
  for (const char* method : kMethods) {
    CoupledProblem coupled({.num_rows = 3, .row_length = 4});
    coupled.quadratic.curvature[7] = std::numeric_limits<float>::quiet_NaN();
    testing::ExpectErrorWith(ErrorCode::kNumerical, {"not finite"}, [&] {
      CreateRoundingSolver(method, {})->Solve(coupled.problem(), {});
    });
  }
}

TEST(TaskQuboSolver, StopsOnRequest) {
  for (const char* method : kMethods) {
    const CoupledProblem coupled({.num_rows = 6, .row_length = 20});
    SolveContext context;
    context.should_stop = [] { return true; };
    testing::ExpectErrorWith(ErrorCode::kCancelled, {}, [&] {
      CreateRoundingSolver(method, {})->Solve(coupled.problem(), context);
    });
  }
}

}  // namespace
}  // namespace adaround
