#include "rounding/block_schedule.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>
#include <vector>

#include "adaround/base/error.h"
#include "base/checked_math.h"
#include "base/parallel_for.h"
#include "base/progress_counter.h"
#include "rounding/search_recorder.h"

namespace adaround {

namespace {

// Of the blocks, those that hold rows of `rows`: [first, last).
struct BlockSpan {
  int64_t first = 0;
  int64_t last = 0;
};

// Blocks of an only group are counted from row 0 on.
BlockSpan BlocksOf(const RowSpan& rows, int64_t rows_per_block, const SampledColumns& samples) {
  const auto is_bound = [&](int64_t row) {
    return row % rows_per_block == 0 || row == samples.num_rows;
  };
  ADAROUND_CHECK(samples.num_groups == 1 && is_bound(rows.begin) && is_bound(rows.end) &&
                 0 <= rows.begin && rows.begin < rows.end && rows.end <= samples.num_rows);
  return {rows.begin / rows_per_block, CeilDivide(rows.end, rows_per_block)};
}

}  // namespace

RoundingSummary SolveInBlocks(const SampledColumns& samples, const SolveContext& context,
                              int64_t max_rows, const BlockSteps& steps) {
  const int64_t rows_per_group = samples.RowsPerGroup();
  const int64_t rows_per_block = std::min(rows_per_group, max_rows);
  const int64_t blocks_per_group = CeilDivide(rows_per_group, rows_per_block);
  const int64_t num_blocks = blocks_per_group * samples.num_groups;
  const BlockSpan span = context.rows ? BlocksOf(*context.rows, rows_per_block, samples)
                                      : BlockSpan{0, num_blocks};
  const int64_t num_tasks = span.last - span.first;
  const bool only_group = samples.num_groups == 1;
  std::vector<std::once_flag> prepared(static_cast<size_t>(samples.num_groups));
  std::vector<std::atomic<int64_t>> blocks_left(static_cast<size_t>(samples.num_groups));
  for (std::atomic<int64_t>& left : blocks_left) {
    left = only_group ? num_tasks : blocks_per_group;
  }
  std::vector<RoundingSummary> summaries(static_cast<size_t>(num_tasks));
  ProgressCounter progress(num_tasks, context.on_progress);
  if (only_group) steps.prepare(0, context.num_threads);
  ParallelFor(num_tasks, context.num_threads, [&](int64_t task) {
    if (context.should_stop && context.should_stop()) {
      throw Error(ErrorCode::kCancelled, "stopped on request");
    }
    const int64_t block = span.first + task;
    const int64_t group = block / blocks_per_group;
    const int64_t first_in_group = (block % blocks_per_group) * rows_per_block;
    if (!only_group) {
      std::call_once(prepared[static_cast<size_t>(group)], [&] { steps.prepare(group, 1); });
    }
    summaries[static_cast<size_t>(task)] =
        steps.solve({group, group * rows_per_group + first_in_group,
                     std::min(rows_per_block, rows_per_group - first_in_group)});
    if (--blocks_left[static_cast<size_t>(group)] == 0) steps.release(group);
    progress.Advance();
  });
  RoundingSummary all;
  for (RoundingSummary& summary : summaries) {
    all.iterations = std::max(all.iterations, summary.iterations);
    all.num_undecided += summary.num_undecided;
    all.num_descent_flips += summary.num_descent_flips;
    all.block_traces.push_back(std::move(summary.trace));
  }
  if (!context.rows) all.trace = JoinTraces(std::exchange(all.block_traces, {}), samples.num_rows);
  return all;
}

}  // namespace adaround
