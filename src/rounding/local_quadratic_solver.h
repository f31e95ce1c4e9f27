// The local MSE problem (20) of arXiv:2004.10568 solved as what it is: a quadratic of binary
// decisions for each row.
#pragma once

#include <memory>

#include "rounding/rounding_solver.h"

namespace adaround {

// Minimize for each row, over the choices of floor or ceil,
//   mean over samples of (target - b - w_hat x_hat)^2 + the ridge of AdaRoundOptions,
// the squared error before the activation, which is left out. Rows of a group share one Gram
// matrix [K, K].
// The first by the cross-entropy method, started at the stochastic rounding probabilities; the
// second by tabu search, started at random decisions or, `warm`, at nearest rounding.
// REQUIRES: options.Validate() is empty, ridge >= 0.
// Solve() throws Error(kNumerical) where the Gram matrix is not finite.
std::unique_ptr<RoundingSolver> MakeCrossEntropySolver(const CrossEntropyOptions& options,
                                                       double ridge);
std::unique_ptr<RoundingSolver> MakeTabuSolver(const TabuOptions& options, double ridge, bool warm);

}  // namespace adaround
