// Blocks of output rows over threads: what every solver that works row by row shares.
#pragma once

#include <cstdint>
#include <functional>

#include "rounding/rounding_solver.h"

namespace adaround {

// Rows first_row ... first_row + num_rows - 1 of the layer, all of one group.
struct RowRange {
  int64_t group = 0;
  int64_t first_row = 0;
  int64_t num_rows = 0;
};

struct BlockSteps {
  // Once per group, before its first block: what the group's blocks share. An only group has all
  // threads to itself for it.
  std::function<void(int64_t group, int num_threads)> prepare;
  // Each block, from any thread.
  std::function<RoundingSummary(const RowRange& rows)> solve;
  // Once per group, after its last block.
  std::function<void(int64_t group)> release;
};

// Solves all rows, or those of the context, in blocks of at most max_rows, which never span groups:
// the blocks depend on the shape alone, and so does the result. Reports progress and stops as the
// context says. Returns the blocks' summaries together: counts summed, the largest of `iterations`,
// their traces, which are sums over a block's rows, joined where all rows were solved.
// REQUIRES: an only group where the context names rows, whose ends are ends of blocks.
// Throws Error(kCancelled), and what the steps throw.
RoundingSummary SolveInBlocks(const SampledColumns& samples, const SolveContext& context,
                              int64_t max_rows, const BlockSteps& steps);

}  // namespace adaround
