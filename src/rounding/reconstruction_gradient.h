// The gradient of one block's data term by its weights, which every method that follows a gradient
// shares: eq. (25) of arXiv:2004.10568 without the regularizer.
#pragma once

#include <cstdint>
#include <vector>

#include "adaround/rounding/rounding_options.h"
#include "rounding/row_block.h"
#include "rounding/rounding_solver.h"

namespace adaround {

// The data term of row r is
//   row_weight[r] * (mean over columns of (f(w x_hat + b) - target)^2 + ridge (w - w_float)^2),
// with w_float clipped to the grid.
struct DataTerm {
  std::vector<float> row_weight;  // [R]
  // 2 / N X_hat^T X_hat [K, K] and 2 / N (target - b) X_hat [R, K], with the ridge in both: the
  // gradient is exact then, and its cost independent of N. nullptr: minibatches.
  const Matrix* gram = nullptr;
  const Matrix* gram_target = nullptr;
};

// Whether exact steps from the Gram matrix are asked for, possible, and cheaper: they cost 2 K
// operations a weight and step, a minibatch 4 per column.
bool HasExactGradient(const LayerExtent& layer, const AdaRoundOptions& options);

// RoundingSolver::Work of following the gradient through all iterations.
double GradientWork(const LayerExtent& layer, const AdaRoundOptions& options);

class ReconstructionGradient {
 public:
  // Draws minibatches of `batch_size` with replacement; the draws of a step depend on the context's
  // seed, its layer and the step. All references must outlive this.
  ReconstructionGradient(const RoundingProblem& problem, int64_t batch_size,
                         const SolveContext& context, const DataTerm& term, const RowBlock& block);

  // gradient = d(data term)/dW at `weights` [R, K].
  // Throws Error(kCancelled) where the context asks to stop.
  void At(const Matrix& weights, int64_t step, Matrix& gradient);

 private:
  void OnMinibatch(const Matrix& weights, int64_t step, Matrix& gradient);
  void Gather(int64_t step);
  void AddRidge(const Matrix& weights, Matrix& gradient) const;

  const RoundingProblem& problem_;
  const SampledColumns& samples_;
  const SolveContext& context_;
  const DataTerm& term_;
  const RowBlock& block_;
  int64_t num_draws_ = 0;
  Matrix columns_;
  Matrix target_;
  Matrix z_;
  std::vector<float> derivative_;
};

}  // namespace adaround
