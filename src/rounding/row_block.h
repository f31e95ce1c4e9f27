// A block of output rows: the unit of work of the searching solvers.
//
// Rows are independent problems once the sampled columns are fixed (arXiv:2004.10568, appendix B),
// so each block runs from start to end on one thread, without meeting the others.
#pragma once

#include <cstdint>
#include <vector>

#include "rounding/rounding_problem.h"
#include "tensor/eigen_view.h"

namespace adaround {

// The integers that a weight may become: `lower`, and lower + 1 where there is a choice. There is
// none where both neighbours clip to the same integer, or where the weight is on the grid: equal,
// in float32, to what an integer dequantizes to. w / scale strays from that integer by rounding, to
// either side.
struct Candidates {
  int32_t lower = 0;
  bool has_choice = false;
  double fraction = 0.0;  // of the way from lower to lower + 1; 0 where there is no choice
};
// REQUIRES: scale and zero point are the grid's for that weight.
Candidates CandidatesOf(float weight, float scale, int32_t zero_point, const QuantGrid& grid);

// The two candidates of every weight of rows first_row ... first_row + num_rows - 1, all of one
// group: `base` and `base + step`, in real units. They are the weight rounded down and up until
// CentreOn() moves them. step = 0 where there is no choice: the weight is on the grid, or both
// neighbours clip to the same integer.
struct RowBlock {
  int64_t group = 0;
  int64_t first_row = 0;
  Matrix base;      // [R, K]
  Matrix step;      // [R, K]
  // [R, K], where W lies from `base` on, in steps; 0 where there is no choice. Within 0 ... 1 until
  // CentreOn().
  Matrix fraction;
  Matrix target;    // [R, N], f of the float network's pre-activations
  // ridge * K / N * E[x_hat_k^2], [K]: what a squared unit of weight k's own error costs.
  std::vector<float> ridge;
  std::vector<int32_t> lower;  // the integer of `base`: [R, K]
  // The decision, 0 or 1 per weight: [R, K].
  std::vector<uint8_t> up;

  int64_t num_rows() const { return base.rows(); }
  int64_t row_length() const { return base.cols(); }
  uint8_t& UpAt(int64_t row, int64_t k) { return up[static_cast<size_t>(row * row_length() + k)]; }

  // base + up * step.
  Matrix HardWeights() const;
};

// All rows start at nearest, without ridge.
RowBlock MakeRowBlock(const RoundingProblem& problem, int64_t group, int64_t first_row,
                      int64_t num_rows);
// The same with `target` empty, for methods that do not read it.
RowBlock MakeRowBlockWithoutTarget(const RoundingProblem& problem, int64_t group,
                                   int64_t first_row, int64_t num_rows);

// Decides for `integers` [M, K], and gives each weight its integer and the neighbour of that on
// the weight's own side as candidates: the search may go back towards the weight, or stay.
void CentreOn(const RoundingProblem& problem, const std::vector<int16_t>& integers,
              RowBlock& block);

// Writes the block's integers into [M, K].
void StoreIntegers(const RowBlock& block, std::vector<int16_t>& integers);

// W x_hat + b of the block's hard weights on all samples: [R, N].
Matrix PreActivations(const RoundingProblem& problem, const RowBlock& block);

}  // namespace adaround
