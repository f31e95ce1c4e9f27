// AdaRound (Nagel et al., arXiv:2004.10568): the paper's method, with a discrete finish.
#pragma once

#include <memory>

#include "rounding/rounding_solver.h"

namespace adaround {

// Rows of at most enumerate_row_length weights are solved exactly; all others go through the
// rectified-sigmoid relaxation, hard rounding and coordinate descent.
// REQUIRES: options.Validate() is empty.
std::unique_ptr<RoundingSolver> MakeAdaRoundSolver(const AdaRoundOptions& options);

// The discrete finish alone, from nearest rounding: flips single weights while the true loss,
// activation included, falls.  `ridge` as AdaRoundOptions has it.
// REQUIRES: options.Validate() is empty.
std::unique_ptr<RoundingSolver> MakeCoordinateDescentSolver(
    const CoordinateDescentOptions& options, double ridge);

}  // namespace adaround
