// Exact searches over hard roundings, on the true loss: coordinate descent and enumeration.
#pragma once

#include <cstdint>
#include <vector>

#include "rounding/row_block.h"

namespace adaround {

// A flip must lower a row's loss by this part of it: below lies float32's noise over a few
// thousand samples.
inline constexpr double kMinRelativeGain = 1e-6;

// Flips one weight at a time where the row's loss falls, activation included. Each sweep ranks all
// flips of a row by its loss's derivatives, one product of matrices for the whole block, and tries
// those that promise a gain, the best first, on the loss itself; where none does, all of them. A
// row ends when no flip helps, at the latest after max_sweeps. A Gram matrix lets one sweep see
// what its own flips do to the other weights' derivatives: a few sweeps then do what takes dozens
// without. `features` = X_hat^T [K, N]: one weight's inputs are contiguous. `gram` is X_hat^T X_hat
// [K, K] up to a factor, or empty.  Returns the number of flips.
int64_t DescendOnColumns(const RoundingProblem& problem, const Matrix& features,
                         const Matrix& gram, int64_t max_sweeps, RowBlock& block);

// What each row's descent minimizes: sum over the samples of its squared error, activation
// included, and its ridge.
std::vector<double> RowObjectives(const RoundingProblem& problem, const RowBlock& block);

// DescendOnColumns for the identity activation from `gram` = 2 / N X_hat^T X_hat [K, K] and
// `gram_target` = 2 / N (target - b) X_hat [R, K]: O(1) to judge a flip, O(K) to take it.
int64_t DescendOnGram(const Matrix& gram, const Matrix& gram_target, int64_t max_sweeps,
                      RowBlock& block);

// Tries every combination of the row's free weights, in Gray-code order so that each differs from
// the one before by one flip, and keeps the best.  REQUIRES: row_length <= 16.
void EnumerateRow(const RoundingProblem& problem, const Matrix& features, int64_t row,
                  RowBlock& block);

}  // namespace adaround
