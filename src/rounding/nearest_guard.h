// Rows that a search leaves above nearest rounding take nearest.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "rounding/rounding_solver.h"

namespace adaround {

// The rows whose error on the problem's own samples is above nearest rounding's, in order; without
// `activation`, before the activation.
// Throws Error(kNumerical) where a row's error is not finite.
std::vector<int64_t> RowsAboveNearest(const RoundingProblem& problem, bool activation,
                                      const std::vector<int16_t>& integers,
                                      const std::vector<int16_t>& nearest, int num_threads);

// A solver that solves with `solver`, then takes nearest for each of RowsAboveNearest;
// RoundingSummary::num_nearest_rows counts them. A method without a trace is given one of two
// looks, before that, on all columns. `activation`: whether the method minimizes the
// error behind it.
// Its Solve() throws Error(kNumerical) where a row's error is not finite.
std::unique_ptr<RoundingSolver> GuardByNearest(std::unique_ptr<RoundingSolver> solver,
                                               bool activation);

}  // namespace adaround
