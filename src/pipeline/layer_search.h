// The search of one layer, from its captured columns to what a checkpoint keeps of it.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "adaround/pipeline/checkpoint.h"
#include "adaround/pipeline/quantize.h"
#include "pipeline/bias_correction.h"
#include "pipeline/layer_capture.h"
#include "pipeline/prepared_network.h"
#include "pipeline/task_loss_hessian.h"
#include "rounding/rounding_solver.h"

namespace adaround {

// A layer's inputs with their targets.
struct LayerColumns {
  const LayerCapture& x_hat;
  const LayerCapture* x;  // where the search is to see these in place of x_hat; else null

  const SampledColumns& ForSearch() const { return x != nullptr ? x->search() : x_hat.search(); }
};

class LayerSearch {
 public:
  // All must outlive this. `task_loss` may be null for methods that are row-wise; the observer may
  // be null. `expected_inputs` by the layer's node: for the analytic correction of biases.
  LayerSearch(const PreparedNetwork& network, const SampleSplit& split,
              const QuantizeOptions& options, const TaskLossHessian* task_loss,
              const std::map<size_t, ExpectedInput>& expected_inputs, QuantizeObserver* observer);

  // Of layer `index`: range, search, judgement on held-out columns, baseline and biases; seconds
  // are the caller's to measure. `parts`: what is known of its rows already; where that is all of
  // one search, in place of searching. Throws Error(kNumerical | kMalformed), naming the layer, and
  // Error(kCancelled).
  FinishedLayer Search(size_t index, const LayerColumns& columns,
                       std::vector<FinishedRows> parts) const;

  // Of these rows alone, each span for itself, which are left to whoever joins them; `take` gets
  // each as it is found.  Throws as Search(), and what `take` throws.
  void SearchRows(size_t index, const LayerColumns& columns, const std::vector<RowSpan>& rows,
                  const std::function<void(const FinishedRows&)>& take) const;

 private:
  RoundingProblem MakeProblem(size_t index, const std::vector<int64_t>& positions,
                              const LayerColumns& columns) const;
  QuantizedTensor Store(const ChosenLayer& layer, const std::vector<int64_t>& positions,
                        const QuantGrid& grid, const std::vector<int16_t>& integers) const;
  TaskLossHessian::Progress TaskProgress(const char* stage) const;
  // On the held-out samples, as errors are.
  void JudgeByTaskLoss(const RoundingProblem& problem, const std::vector<int16_t>& nearest,
                       const std::vector<int16_t>& solved, LayerReport& report) const;
  // What the guard by nearest has counted, or would have, by the loss that the method minimizes.
  int64_t CountRowsAboveNearest(const RoundingProblem& problem,
                                const std::vector<int16_t>& searched,
                                const std::vector<int16_t>& nearest,
                                const RoundingSummary& summary) const;
  SolveContext MakeContext(size_t index) const;
  std::vector<int64_t> PositionsOf(const ChosenLayer& layer) const;
  // For the layer as `rounded`, whose integers in rows are `integers`: the result's and the
  // baseline's bias are both corrected on the result's x_hat. Nothing where it cannot be.
  std::optional<Tensor> CorrectedBias(size_t index, const LayerColumns& columns,
                                      const RoundingProblem& problem,
                                      const QuantizedTensor& rounded,
                                      const std::vector<int16_t>& integers,
                                      LayerReport& report) const;
  // The search's result from its parts; null where it is to be searched.
  std::unique_ptr<RoundingSolver> Join(std::vector<FinishedRows> parts, const ChosenLayer& layer,
                                       const QuantGrid& grid) const;

  const PreparedNetwork& network_;
  const SampleSplit& split_;
  const QuantizeOptions& options_;
  const TaskLossHessian* task_loss_;
  const std::map<size_t, ExpectedInput>& expected_inputs_;
  QuantizeObserver* observer_;
  std::unique_ptr<RoundingSolver> solver_;
  std::unique_ptr<RoundingSolver> nearest_solver_;
};

}  // namespace adaround
