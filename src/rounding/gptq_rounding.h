// GPTQ's steps on some rows of one group (Frantar et al. 2022, arXiv:2210.17323).
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <vector>

#include "adaround/rounding/rounding_options.h"
#include "rounding/block_schedule.h"
#include "rounding/damped_inverse.h"
#include "rounding/rounding_problem.h"
#include "tensor/eigen_view.h"

namespace adaround {

// What the rows of a group share. Weights are taken in `order`; the factor's rows and columns are.
struct GptqFactor {
  std::vector<int64_t> order;
  // U, upper triangular with U^T U = H^-1, H = G + damping: row i tells how the weights after i
  // follow an error in it, once those before it are fixed.
  MatrixInDouble factor;
  double damping = 0.0;  // that H has
};

// Of the Hessian [K, K], ridge included. All zeros count as the identity: without data all weights
// are alike, and none follows another's error.  Holds two [K, K] at a time, `hessian` among them.
// Throws Error(kNumerical) where it is not finite, or where no damping helps.
GptqFactor FactorHessian(Eigen::MatrixXd hessian, const GptqOptions& options, int num_threads);

// Rounds the rows from the real weights that minimize their loss: w - H^-1 gradient, where
// `gradient` [R, K] is the loss's at the float weights w. Writes them into [M, K].
void RoundBySecondOrder(const RoundingProblem& problem, const GptqFactor& factor,
                        const Matrix& gradient, const RowRange& rows,
                        std::vector<int16_t>& integers);

}  // namespace adaround
