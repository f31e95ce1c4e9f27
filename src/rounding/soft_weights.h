// The parameters V of a relaxation of one block of rows, and the soft weights they stand for.
#pragma once

#include "adaround/quant/search_trace.h"
#include "rounding/adam.h"
#include "rounding/row_block.h"
#include "rounding/soft_rounding.h"

namespace adaround {

// What one step does beside following the data term's gradient.
struct SoftStep {
  AdamStep adam;
  bool regularize = false;  // whether lambda * f_reg is part of the loss
  float beta = 0.0F;
  float lambda = 0.0F;
  float next_temperature = 1.0F;  // of h once the step is taken
};

// W_soft = base + step * h(V), eq. (22). V starts where h(V) is the weight's fraction, within 0 and
// 1: the soft weights are the float weights then, where these lie between their candidates. Weights
// without a choice do not move.
class SoftWeights {
 public:
  // h starts the part `start_pull`, 0 ... 1, of the way from the fraction to the block's decision.
  // `block` must outlive this.
  SoftWeights(const SoftRounding& soft_rounding, const RowBlock& block, float start_pull = 0.0F);

  const Matrix& weights() const { return soft_; }
  const Matrix& v() const { return v_; }
  // dL_data / dW_soft, to be filled before Advance().
  Matrix& weight_gradient() { return gradient_; }
  // One Adam step on V: sigmoid, stretch, regularizer, both gradients and the moments in one pass.
  void Advance(const SoftStep& settings);
  // Whether h(V) is 0 or 1 for every weight with a choice: no gradient moves any of them.
  bool IsSettled() const;
  // Fills in soft_roundings and num_undecided.
  void Count(SearchPoint& point) const;
  // Sets up = (h(V) >= 0.5) where there is a choice.  Returns the number of weights with h(V)
  // strictly between 0.01 and 0.99.
  int64_t Decide(RowBlock& block) const;

 private:
  // h(V) of one weight.
  float SoftRoundingOf(int64_t i) const;

  const RowBlock& block_;
  SoftRounding soft_rounding_;
  Matrix v_;
  Matrix sigmoid_;
  Matrix momentum_;
  Matrix square_;
  Matrix gradient_;
  Matrix soft_;
};

}  // namespace adaround
