// What the methods that follow a gradient need for each block of rows: the block at nearest, its
// data term, and what the blocks of one group of channels have in common.
#pragma once

#include <functional>

#include "rounding/reconstruction_gradient.h"
#include "rounding/rounding_solver.h"
#include "rounding/row_block.h"
#include "rounding/search_recorder.h"

namespace adaround {

// What a block's solver wants to be given.
struct BlockNeeds {
  bool gram = false;
  bool gram_target = false;  // only for the identity activation
  bool features = false;
  // Whether the method goes over the block's weights step after step: blocks are then small enough
  // to stay in a second-level cache. Others have longer products to gain from larger ones.
  bool steps = true;
  // G of the layer's only group, without ridge, where it is known; is moved from. Borrowed.
  Matrix* gram_of_only_group = nullptr;
  double ridge = 0.0;           // see AdaRoundOptions
  bool normalize_rows = false;  // see AdaRoundOptions; otherwise every row_weight is 1
};

struct BlockInputs {
  const Matrix& features;  // X_hat^T [K, N], where asked for
  const Matrix& gram;      // of DataTerm, with the ridge, where asked for
  Matrix gram_target;      // likewise
  std::vector<float> row_weight;  // [R]
  SearchRecorder& recorder;  // of the block, which it has seen at nearest

  // With the Gram form where `exact`.  REQUIRES: exact implies gram and gram_target of BlockNeeds.
  DataTerm MakeDataTerm(bool exact) const;
};

// Decides one block, whose rows start at nearest with block.ridge filled in, and writes its
// integers into [M, K]. Called from several threads, each with a block of its own.
using BlockSolver = std::function<void(const BlockInputs& inputs, RowBlock& block,
                                       RoundingSummary& summary, std::vector<int16_t>& integers)>;

// Blocks are a function of the problem's shape alone: the result does not depend on threads. Each
// runs from start to end on one thread. Of the summary, the counts are summed over the blocks.
// REQUIRES: problem.Validate() is empty.  Throws Error(kCancelled).
RoundingResult SolveRowBlocks(const RoundingProblem& problem, const SolveContext& context,
                              const BlockNeeds& needs, const BlockSolver& solve_block);

}  // namespace adaround
