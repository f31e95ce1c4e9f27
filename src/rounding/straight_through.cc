#include "rounding/straight_through.h"

#include <algorithm>
#include <cmath>

namespace adaround {
namespace {

// Positions this far beyond the grid stand for all that are further: none of them has a gradient.
constexpr double kFarBeyond = 16.0;

// One Adam step on `offset` and the grid point that the weight then rounds to. Arrays are [count];
// none overlaps another.
void AdvanceAll(const AdamStep& step, float q_min, float q_max, int64_t count,
                const float* __restrict floor_of, const float* __restrict scale_of,
                const float* __restrict zero_point_of, const float* __restrict gradient_of,
                float* __restrict offset_of, float* __restrict momentum_of,
                float* __restrict square_of, float* __restrict rounded_of) {
  const AdamStep adam = step;
  for (int64_t i = 0; i < count; ++i) {
    const float before = floor_of[i] + std::floor(offset_of[i] + 0.5F);
    const bool on_grid = (before >= q_min) & (before <= q_max);
    const float gradient = on_grid ? gradient_of[i] * scale_of[i] : 0.0F;
    float momentum = momentum_of[i];
    float square = square_of[i];
    const float offset = offset_of[i] + AdamMove(adam, gradient, momentum, square);
    momentum_of[i] = momentum;
    square_of[i] = square;
    offset_of[i] = offset;
    const float after = floor_of[i] + std::floor(offset + 0.5F);
    rounded_of[i] = scale_of[i] * (std::clamp(after, q_min, q_max) - zero_point_of[i]);
  }
}

}  // namespace

StraightThroughWeights::StraightThroughWeights(const RoundingProblem& problem,
                                               const RowBlock& block)
    : first_row_(block.first_row),
      floor_(block.num_rows(), block.row_length()),
      offset_(floor_.rows(), floor_.cols()),
      scale_(floor_.rows(), floor_.cols()),
      zero_point_(floor_.rows(), floor_.cols()),
      q_min_(static_cast<float>(problem.grid.q_min)),
      q_max_(static_cast<float>(problem.grid.q_max)),
      rounded_(floor_.rows(), floor_.cols()),
      gradient_(floor_.rows(), floor_.cols()),
      momentum_(Matrix::Zero(floor_.rows(), floor_.cols())),
      square_(Matrix::Zero(floor_.rows(), floor_.cols())) {
  const int64_t length = block.row_length();
  for (int64_t r = 0; r < block.num_rows(); ++r) {
    for (int64_t k = 0; k < length; ++k) {
      const int64_t row = first_row_ + r;
      const auto s = static_cast<size_t>(problem.grid.ScaleIndex(row, k, length));
      const double position =
          std::clamp(static_cast<double>(problem.weights[static_cast<size_t>(row * length + k)]) /
                             static_cast<double>(problem.grid.scale[s]) +
                         problem.grid.zero_point[s],
                     problem.grid.q_min - kFarBeyond, problem.grid.q_max + kFarBeyond);
      floor_(r, k) = static_cast<float>(std::floor(position));
      offset_(r, k) = static_cast<float>(position - std::floor(position));
      scale_(r, k) = problem.grid.scale[s];
      zero_point_(r, k) = static_cast<float>(problem.grid.zero_point[s]);
      const float rounded = floor_(r, k) + std::floor(offset_(r, k) + 0.5F);
      rounded_(r, k) = scale_(r, k) * (std::clamp(rounded, q_min_, q_max_) - zero_point_(r, k));
    }
  }
}

void StraightThroughWeights::AddDampening(const Matrix& pull) {
  const auto offset = offset_.array();
  gradient_.array() += pull.array() * scale_.array() * (offset - (offset + 0.5F).floor());
}

void StraightThroughWeights::Advance(const AdamStep& step) {
  AdvanceAll(step, q_min_, q_max_, offset_.size(), floor_.data(), scale_.data(),
             zero_point_.data(), gradient_.data(), offset_.data(), momentum_.data(),
             square_.data(), rounded_.data());
}

double StraightThroughWeights::Position(int64_t row, int64_t k) const {
  return static_cast<double>(floor_(row, k)) + static_cast<double>(offset_(row, k));
}

void StraightThroughWeights::StoreIntegers(const RoundingProblem& problem,
                                           std::vector<int16_t>& integers) const {
  for (int64_t i = 0; i < offset_.size(); ++i) {
    const float rounded = floor_.data()[i] + std::floor(offset_.data()[i] + 0.5F);
    integers[static_cast<size_t>(first_row_ * problem.samples->row_length + i)] =
        static_cast<int16_t>(std::clamp(rounded, q_min_, q_max_));
  }
}

}  // namespace adaround
