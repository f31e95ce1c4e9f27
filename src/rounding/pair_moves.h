// Steps beyond floor and ceiling, of one weight or of two at once.
#pragma once

#include <cstdint>

#include "rounding/rounding_problem.h"
#include "rounding/row_block.h"

namespace adaround {

// Longer rows have too many pairs.
inline constexpr int64_t kMaxPairedRowLength = 64;

// Moves integers of a row of at most so many weights up or down by one, one or two at a time, within
// the grid, while that lowers the loss, f and the block's ridge included. Where inputs are alike, as a depthwise kernel's
// neighbouring taps are, two steps against each other correct what no rounding of either can.
// Moves are ranked by derivatives and judged by the loss.  `features` is X_hat^T [K, N].
// Returns the number of moves. The row of the block has its integers as its only candidates then.
int64_t MoveInPairs(const RoundingProblem& problem, const Matrix& features, int64_t row,
                    RowBlock& block);

}  // namespace adaround
