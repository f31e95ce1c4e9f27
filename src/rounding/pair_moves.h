// Steps beyond floor and ceiling, of one weight or of two at once.
#pragma once

#include <cstdint>
#include <vector>

#include "rounding/rounding_problem.h"
#include "rounding/row_block.h"

namespace adaround {

// Longer rows have too many pairs.
inline constexpr int64_t kMaxPairedRowLength = 64;

// Moves integers of rows of at most so many weights up or down by one, one or two at a time, within
// the grid, while that lowers the loss, f and the block's ridge included. Where inputs are alike,
// as a depthwise kernel's neighbouring taps are, two steps against each other correct what no
// rounding of either can. Moves are ranked by derivatives and judged by the loss.  `features` is
// X_hat^T [K, N]. Writes the integers of the block's rows into [M, K].  Returns the number of
// moves.
int64_t MoveInPairs(const RoundingProblem& problem, const Matrix& features, const RowBlock& block,
                    std::vector<int16_t>& integers);

}  // namespace adaround
