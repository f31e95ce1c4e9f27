// The straight-through estimator, the paper's other continuous search (arXiv:2004.10568, table 5).
#pragma once

#include <memory>

#include "rounding/rounding_solver.h"

namespace adaround {

// Adam on the real-valued weights through round() and clip(), on the same minibatches and the same
// data term as the relaxations, without regularizer: the loss is that of hard weights at every
// step. The step size falls to 0 by half a cosine: at a constant one, weights near the middle
// between two integers never come to rest, and the end point is as good as a draw among the last
// steps. The end point is the result, as in the paper: no best step is kept. Integers may leave the
// two neighbours. The curvature that dampens (StraightThroughOptions) is 2 E[(f' x_hat_k)^2] with
// the ridge's part, f' at the float network's pre-activations. The size of the loss does not matter
// to Adam but beside its epsilon: rows are always normalized.
// REQUIRES: the options' Validate() is empty.
std::unique_ptr<RoundingSolver> MakeStraightThroughSolver(
    const AdaRoundOptions& options, const StraightThroughOptions& straight_through);

}  // namespace adaround
