// AdaRound's continuous relaxation of one block of rows.
#pragma once

#include <functional>

#include "adaround/rounding/rounding_options.h"
#include "rounding/rounding_problem.h"
#include "rounding/rounding_solver.h"
#include "rounding/row_block.h"

namespace adaround {

// Minimizes eq. (25) over V by Adam on minibatches of sampled columns and sets block.up to
// h(V) >= 0.5. `row_weight[r]` multiplies row r's data term. `gram`, where given, is
// 2 / N * X_hat^T X_hat [K, K] with `gram_target` = 2 / N * (target - b) X_hat [R, K]: the gradient
// is then exact and its cost independent of N. Only for the identity activation.
// Returns the number of weights with h(V) strictly between 0.01 and 0.99.
int64_t RelaxAndRound(const RoundingProblem& problem, const AdaRoundOptions& options,
                      const SolveContext& context, const std::vector<float>& row_weight,
                      const Matrix* gram, const Matrix* gram_target, RowBlock& block);

}  // namespace adaround
