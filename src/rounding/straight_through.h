// The parameters of a straight-through search over one block of rows, and the weights on the grid
// that they stand for.
#pragma once

#include "rounding/adam.h"
#include "rounding/row_block.h"

namespace adaround {

// Optimizes the real-valued weights themselves, in units of their scale:
//   w_bar = scale * (clip(round(u), q_min, q_max) - zero_point),  u = w / scale + zero_point
// The gradient passes round() as if it were the identity (Bengio et al., arXiv:1308.3432), and ends
// where clip is flat: d/du = scale * d/dw_bar where q_min <= round(u) <= q_max, else 0. A weight
// may leave the two neighbours it started between.
class StraightThroughWeights {
 public:
  // The block's rows of the problem; u starts at the float weights.
  StraightThroughWeights(const RoundingProblem& problem, const RowBlock& block);

  // w_bar [R, K], on the grid.
  const Matrix& weights() const { return rounded_; }
  // dL/dw_bar, to be filled before Advance().
  Matrix& weight_gradient() { return gradient_; }
  // Adds to the gradient that of pull / 2 * (w - w_bar)^2 by w = scale * (u - zero_point), for each
  // weight; pull [R, K]. Where that is the loss's own curvature, the straight-through gradient,
  //   curvature * (w_bar - w_float) + what the other weights' errors ask,
  // becomes curvature * (w - w_float) + the same: u comes to rest where rounding it answers the
  // others.
  void AddDampening(const Matrix& pull);
  // One Adam step on u.
  void Advance(const AdamStep& step);
  // u of one weight.
  double Position(int64_t row, int64_t k) const;
  // Writes the block's integers into [M, K].
  void StoreIntegers(const RoundingProblem& problem, std::vector<int16_t>& integers) const;

 private:
  int64_t first_row_ = 0;
  // u = floor + offset, so that float32 resolves small steps beside large integers.
  Matrix floor_;
  Matrix offset_;
  Matrix scale_;
  Matrix zero_point_;
  float q_min_ = 0.0F;
  float q_max_ = 0.0F;
  Matrix rounded_;
  Matrix gradient_;
  Matrix momentum_;
  Matrix square_;
};

}  // namespace adaround
