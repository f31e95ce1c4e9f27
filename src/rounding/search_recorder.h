// Takes down how the search of one block of rows goes.
#pragma once

#include <string>
#include <vector>

#include "adaround/quant/search_trace.h"
#include "adaround/rounding/rounding_options.h"
#include "rounding/row_block.h"

namespace adaround {

// Looks at at most kTracedColumns of the columns, spread evenly. Reads alone: whether or not it
// looks, the search does the same. Losses are sums over the block's rows until JoinTraces()
// has made them the layer's mean.
class SearchRecorder {
 public:
  static constexpr int64_t kTracedColumns = 128;

  // All references must outlive this; the block's rows and targets stay as they are.
  SearchRecorder(const RoundingProblem& problem, const RowBlock& block, SearchTrace& trace);

  // Looks at the block's decisions.
  void AtDecisions(const std::string& stage);
  // Looks at `weights` [R, K] after so many Adam steps.  The point lasts until the next look.
  SearchPoint& AtIteration(int64_t iteration, const Matrix& weights);
  // The last look once more, as that after `iteration`.
  void RepeatAt(int64_t iteration);

 private:
  double Loss(const Matrix& weights) const;

  const RoundingProblem& problem_;
  const RowBlock& block_;
  SearchTrace& trace_;
  Matrix columns_;  // [n, K]
  Matrix target_;   // [R, n]
};

// The Adam steps after which a search by gradient is looked at: none, half of the warm start and
// all of it, and five equal parts of the rest. Increasing, the last is options.iterations.
std::vector<int64_t> TracedIterations(const AdaRoundOptions& options);

// The trace of the layer from those of its blocks of rows in order, which have looked at the same
// times: losses become the mean over the rows.
SearchTrace JoinTraces(const std::vector<SearchTrace>& blocks, int64_t num_rows);

}  // namespace adaround
