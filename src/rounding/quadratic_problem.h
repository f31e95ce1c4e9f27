// A quadratic function of binary decisions: what eqs. (13) and (20) of arXiv:2004.10568 minimize.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace adaround {

// Minimize over u in {0, 1}^P
//   E(u) = 1/2 v^T Q v + c^T v,   v = step * (u - reference) element by element.
// Energies are relative to the reference, which has 0: beside a large common term, float32 would
// hide what single decisions change.
struct QuadraticProblem {
  // Q [P, P], symmetric, row-major.  Borrowed: rows of a layer share one.
  const float* curvature = nullptr;
  std::vector<float> gradient;     // c [P]: dE/dv at the reference, in real units
  std::vector<float> step;         // [P], >= 0; 0: no choice, the decision stays at the reference
  std::vector<uint8_t> reference;  // [P], 0 or 1: nearest rounding
  std::vector<float> fraction;     // [P], 0 ... 1: of the way from down to up where w lies

  int64_t num_variables() const { return static_cast<int64_t>(step.size()); }
  const float* CurvatureRow(int64_t i) const { return curvature + i * num_variables(); }
  // Every violation of the sizes and ranges above; empty = sound.
  std::vector<std::string> Validate() const;
};

// E(up), summed in double.  REQUIRES: up holds P decisions.
double Energy(const QuadraticProblem& problem, const std::vector<uint8_t>& up);

// The real-unit gradient c + Q v at `up`, summed in double: O(P) for each decision that differs
// from the reference.
std::vector<double> GradientAt(const QuadraticProblem& problem, const std::vector<uint8_t>& up);

}  // namespace adaround
