// The relaxations that the paper compares (Nagel et al., arXiv:2004.10568, section 4 and table 3),
// each with nothing after hard rounding: no descent, no enumeration.
#pragma once

#include <memory>

#include "rounding/rounding_solver.h"

namespace adaround {

// Rectified sigmoid with f_reg, eqs. (23) and (24): AdaRound without this program's finish. It
// reads ridge, normalize_rows and exact_gradient as AdaRound does, so that the two differ by the
// finish alone; with the values that preset paper gives these, it is the paper's method step for
// step.
// REQUIRES, here and below: the options' Validate() is empty.
std::unique_ptr<RoundingSolver> MakeRectifiedSigmoidSolver(const AdaRoundOptions& options);

// h(V) = sigmoid(V) with the same regularizer. A fraction within 1e-4 of 0 or 1 starts there.
std::unique_ptr<RoundingSolver> MakeSigmoidSolver(const AdaRoundOptions& options);

// Classical Hopfield: h(V) = sigmoid(V / T), T annealed, no regularizer. V starts at
// T_start * log(fraction / (1 - fraction)): h is the fraction at the first temperature.
// Without f_reg the size of the loss does not matter to Adam but beside its epsilon: rows are
// always normalized.
std::unique_ptr<RoundingSolver> MakeSigmoidAnnealingSolver(const AdaRoundOptions& options,
                                                           const AnnealingOptions& annealing);

}  // namespace adaround
