// A factor of the inverse of a damped matrix: what GPTQ rounds by.
#pragma once

#include <Eigen/Core>

namespace adaround {

using MatrixInDouble = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

struct DampedInverse {
  // U [K, K], upper triangular with U^T U = (A + damping * mean(diag A) I)^-1.
  MatrixInDouble factor;
  double damping = 0.0;
};

// For a symmetric A [K, K], positive but for rounding. Where that leaves no Cholesky factor, the
// damping is raised tenfold, up to kMaxDampingRaises times.
// Never holds more than two [K, K].  REQUIRES: damping > 0, mean(diag A) > 0.
// Throws Error(kNumerical) where the last damping does not suffice, or where the factor overflows.
inline constexpr int kMaxDampingRaises = 4;
DampedInverse FactorDampedInverse(Eigen::MatrixXd a, double damping, int num_threads);

}  // namespace adaround
