// Random quadratic problems of binary decisions, and what naive arithmetic makes of them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "rounding/quadratic_problem.h"

namespace adaround::testing {

// A problem with the matrix it borrows: Q = A A^T / num_factors of correlated columns, gradients of
// the size that rounding errors make, every eighth variable without a choice, nearest as reference.
struct ExampleQuadratic {
  std::vector<float> curvature;
  QuadraticProblem problem;

  ExampleQuadratic(int64_t size, uint32_t seed) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> normal;
    std::uniform_real_distribution<float> uniform;
    const int64_t num_factors = 2 * size + 8;
    std::vector<float> factors(static_cast<size_t>(size * num_factors));
    for (int64_t n = 0; n < num_factors; ++n) {
      const float common = 0.5F + normal(generator);
      for (int64_t i = 0; i < size; ++i) {
        factors[static_cast<size_t>(i * num_factors + n)] = common + normal(generator);
      }
    }
    const auto factor = [&](int64_t i, int64_t n) {
      return static_cast<double>(factors[static_cast<size_t>(i * num_factors + n)]);
    };
    for (int64_t i = 0; i < size; ++i) {
      for (int64_t j = 0; j < size; ++j) {
        double sum = 0.0;
        for (int64_t n = 0; n < num_factors; ++n) sum += factor(i, n) * factor(j, n);
        curvature.push_back(static_cast<float>(sum / static_cast<double>(num_factors)));
      }
    }
    for (int64_t i = 0; i < size; ++i) {
      const float fraction = i % 8 == 7 ? 0.0F : uniform(generator);
      problem.fraction.push_back(fraction);
      problem.step.push_back(i % 8 == 7 ? 0.0F : 0.1F + 0.2F * uniform(generator));
      problem.reference.push_back(fraction >= 0.5F ? 1 : 0);
    }
    // c = Q (w_nearest - w), the gradient where the targets are the float weights' own.
    for (int64_t i = 0; i < size; ++i) {
      double sum = 0.0;
      for (int64_t j = 0; j < size; ++j) {
        const auto at = static_cast<size_t>(j);
        sum += static_cast<double>(curvature[static_cast<size_t>(i * size + j)]) *
               static_cast<double>(problem.step[at]) *
               (static_cast<double>(problem.reference[at]) -
                static_cast<double>(problem.fraction[at]));
      }
      problem.gradient.push_back(static_cast<float>(sum));
    }
    problem.curvature = curvature.data();
  }
  ExampleQuadratic(const ExampleQuadratic&) = delete;
  ExampleQuadratic& operator=(const ExampleQuadratic&) = delete;
};

// 1/2 v^T Q v + c^T v term by term.
inline double NaiveEnergy(const QuadraticProblem& problem, const std::vector<uint8_t>& up) {
  const auto size = static_cast<size_t>(problem.num_variables());
  const auto v = [&](size_t i) {
    return static_cast<double>(problem.step[i]) *
           (static_cast<double>(up[i]) - static_cast<double>(problem.reference[i]));
  };
  double energy = 0.0;
  for (size_t i = 0; i < size; ++i) {
    energy += static_cast<double>(problem.gradient[i]) * v(i);
    for (size_t j = 0; j < size; ++j) {
      energy += 0.5 * v(i) * static_cast<double>(problem.curvature[i * size + j]) * v(j);
    }
  }
  return energy;
}

// The least energy of all 2^P decisions.
inline double BruteForceEnergy(const QuadraticProblem& problem) {
  const int64_t size = problem.num_variables();
  double best = std::numeric_limits<double>::infinity();
  for (uint32_t code = 0; code < (1U << size); ++code) {
    std::vector<uint8_t> up;
    for (int64_t i = 0; i < size; ++i) up.push_back((code >> i) & 1U);
    best = std::min(best, NaiveEnergy(problem, up));
  }
  return best;
}

// 1/2 e^T Q e for the rounding errors e of the reference: the error that decisions leave of a
// problem made by ExampleQuadratic is this plus their energy.
inline double ReferenceError(const QuadraticProblem& problem) {
  const auto size = static_cast<size_t>(problem.num_variables());
  const auto error = [&](size_t i) {
    return static_cast<double>(problem.step[i]) *
           (static_cast<double>(problem.reference[i]) - static_cast<double>(problem.fraction[i]));
  };
  double sum = 0.0;
  for (size_t i = 0; i < size; ++i) {
    for (size_t j = 0; j < size; ++j) {
      sum += 0.5 * error(i) * static_cast<double>(problem.curvature[i * size + j]) * error(j);
    }
  }
  return sum;
}

// Energies are sums of float32 products: relative to their own size, this is noise.
inline constexpr double kEnergyTolerance = 1e-5;

}  // namespace adaround::testing
