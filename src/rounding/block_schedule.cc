#include "rounding/block_schedule.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

#include "adaround/base/error.h"
#include "base/checked_math.h"
#include "base/parallel_for.h"
#include "rounding/search_recorder.h"

namespace adaround {

RoundingSummary SolveInBlocks(const SampledColumns& samples, const SolveContext& context,
                              int64_t max_rows, const BlockSteps& steps) {
  const int64_t rows_per_group = samples.RowsPerGroup();
  const int64_t rows_per_block = std::min(rows_per_group, max_rows);
  const int64_t blocks_per_group = CeilDivide(rows_per_group, rows_per_block);
  const int64_t num_blocks = blocks_per_group * samples.num_groups;
  std::vector<std::once_flag> prepared(static_cast<size_t>(samples.num_groups));
  std::vector<std::atomic<int64_t>> blocks_left(static_cast<size_t>(samples.num_groups));
  for (std::atomic<int64_t>& left : blocks_left) left = blocks_per_group;
  std::vector<RoundingSummary> summaries(static_cast<size_t>(num_blocks));
  std::atomic<int64_t> num_done{0};
  const bool only_group = samples.num_groups == 1;
  if (only_group) steps.prepare(0, context.num_threads);
  ParallelFor(num_blocks, context.num_threads, [&](int64_t task) {
    if (context.should_stop && context.should_stop()) {
      throw Error(ErrorCode::kCancelled, "stopped on request");
    }
    const int64_t group = task / blocks_per_group;
    const int64_t first_in_group = (task % blocks_per_group) * rows_per_block;
    if (!only_group) {
      std::call_once(prepared[static_cast<size_t>(group)], [&] { steps.prepare(group, 1); });
    }
    summaries[static_cast<size_t>(task)] =
        steps.solve({group, group * rows_per_group + first_in_group,
                     std::min(rows_per_block, rows_per_group - first_in_group)});
    if (--blocks_left[static_cast<size_t>(group)] == 0) steps.release(group);
    const int64_t done = ++num_done;
    if (context.on_progress) context.on_progress(done, num_blocks);
  });
  RoundingSummary all;
  for (const RoundingSummary& summary : summaries) {
    all.iterations = std::max(all.iterations, summary.iterations);
    all.num_undecided += summary.num_undecided;
    all.num_descent_flips += summary.num_descent_flips;
    SumTraces(summary.trace, all.trace);
  }
  DivideLosses(samples.num_rows, all.trace);
  return all;
}

}  // namespace adaround
