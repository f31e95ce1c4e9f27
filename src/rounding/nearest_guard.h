// Rows that a search leaves above nearest rounding take nearest.
#pragma once

#include <memory>

#include "rounding/rounding_solver.h"

namespace adaround {

// A solver that solves with `solver`, then, for each row whose error on the problem's own samples
// is above nearest rounding's, takes nearest; RoundingSummary::num_nearest_rows counts them.
// The error is the one that the method minimizes: without `activation` it is taken before the
// activation.
// Its Solve() throws Error(kNumerical) where a row's error is not finite.
std::unique_ptr<RoundingSolver> GuardByNearest(std::unique_ptr<RoundingSolver> solver,
                                               bool activation);

}  // namespace adaround
