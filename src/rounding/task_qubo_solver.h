// Eq. (13) of arXiv:2004.10568: all weights of a layer rounded together, by the curvature of the
// task loss.
#pragma once

#include <memory>

#include "rounding/rounding_solver.h"

namespace adaround {

// Minimizes 1/2 v^T H v over v = W_hat - W, each weight at one of its two neighbours, for H =
// RoundingProblem::task_curvature; the paper neglects the loss's gradient at the trained weights,
// and so does this. Rows are coupled: one search over all of them. Where the search finds nothing
// below nearest rounding by this measure, the result is nearest.
// Their Solve() REQUIRES: problem.task_curvature is given.  Throws Error(kNumerical) where it is
// not finite.

// By the cross-entropy method, started at stochastic rounding.
std::unique_ptr<RoundingSolver> MakeTaskCrossEntropySolver(const CrossEntropyOptions& options);
// By tabu search, started at nearest rounding.
std::unique_ptr<RoundingSolver> MakeTaskTabuSolver(const TabuOptions& options);

}  // namespace adaround
