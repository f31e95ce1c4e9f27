#include "rounding/straight_through.h"

#include <algorithm>
#include <cmath>

namespace adaround {
namespace {

// Positions this far beyond the grid stand for all that are further: none of them has a gradient.
constexpr double kFarBeyond = 16.0;

Stretch Rounded(const ConstStretchView& floor, const ConstStretchView& offset) {
  return floor + (offset + 0.5F).floor();
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
    }
  }
  for (int64_t begin = 0; begin < offset_.size(); begin += kStretch) Refresh(begin);
}

void StraightThroughWeights::AddDampening(const Matrix& pull) {
  const auto offset = offset_.array();
  gradient_.array() += pull.array() * scale_.array() * (offset - (offset + 0.5F).floor());
}

void StraightThroughWeights::Advance(const AdamStep& step) {
  for (int64_t begin = 0; begin < offset_.size(); begin += kStretch) {
    AdvanceStretch(begin, step);
    Refresh(begin);
  }
}

void StraightThroughWeights::AdvanceStretch(int64_t begin, const AdamStep& step) {
  const int64_t count = std::min(kStretch, offset_.size() - begin);
  const Stretch rounded = Rounded(ConstStretchView(floor_.data() + begin, count),
                                  ConstStretchView(offset_.data() + begin, count));
  const Stretch gradient =
      (rounded >= q_min_ && rounded <= q_max_)
          .select(ConstStretchView(gradient_.data() + begin, count) *
                      ConstStretchView(scale_.data() + begin, count),
                  Stretch::Zero(count));
  AdamUpdate(step, gradient, StretchView(momentum_.data() + begin, count),
             StretchView(square_.data() + begin, count),
             StretchView(offset_.data() + begin, count));
}

void StraightThroughWeights::Refresh(int64_t begin) {
  const int64_t count = std::min(kStretch, offset_.size() - begin);
  const Stretch integer = Rounded(ConstStretchView(floor_.data() + begin, count),
                                  ConstStretchView(offset_.data() + begin, count))
                              .max(q_min_)
                              .min(q_max_);
  StretchView(rounded_.data() + begin, count) =
      ConstStretchView(scale_.data() + begin, count) *
      (integer - ConstStretchView(zero_point_.data() + begin, count));
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
