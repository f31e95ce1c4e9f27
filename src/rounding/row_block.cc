#include "rounding/row_block.h"

#include <algorithm>
#include <cmath>

namespace adaround {

Candidates CandidatesOf(float weight, float scale, int32_t zero_point, const QuantGrid& grid) {
  const double position = static_cast<double>(weight) / static_cast<double>(scale) + zero_point;
  const double floor = std::floor(position);
  const double nearest = std::round(position);
  Candidates result;
  if (nearest >= grid.q_min && nearest <= grid.q_max &&
      scale * static_cast<float>(static_cast<int32_t>(nearest) - zero_point) == weight) {
    result.lower = static_cast<int32_t>(nearest);
  } else if (floor < grid.q_min) {
    result.lower = grid.q_min;
  } else if (floor >= grid.q_max) {
    result.lower = grid.q_max;
  } else {
    result.lower = static_cast<int32_t>(floor);
    result.fraction = position - floor;
    result.has_choice = result.fraction > 0.0;
  }
  return result;
}

Matrix RowBlock::HardWeights() const {
  Matrix weights = base;
  for (int64_t i = 0; i < weights.size(); ++i) {
    if (up[static_cast<size_t>(i)] != 0) weights.data()[i] += step.data()[i];
  }
  return weights;
}

RowBlock MakeRowBlockWithoutTarget(const RoundingProblem& problem, int64_t group,
                                   int64_t first_row, int64_t num_rows) {
  const SampledColumns& samples = *problem.samples;
  const int64_t length = samples.row_length;
  RowBlock block;
  block.group = group;
  block.first_row = first_row;
  block.base.resize(num_rows, length);
  block.step.resize(num_rows, length);
  block.fraction.resize(num_rows, length);
  block.ridge.assign(static_cast<size_t>(length), 0.0F);
  block.up.assign(static_cast<size_t>(num_rows * length), 0);
  block.lower.resize(block.up.size());
  for (int64_t r = 0; r < num_rows; ++r) {
    const int64_t row = first_row + r;
    for (int64_t k = 0; k < length; ++k) {
      const auto s = static_cast<size_t>(problem.grid.ScaleIndex(row, k, length));
      const float scale = problem.grid.scale[s];
      const int32_t zero_point = problem.grid.zero_point[s];
      const Candidates candidates =
          CandidatesOf(problem.weights[static_cast<size_t>(row * length + k)], scale, zero_point,
                       problem.grid);
      block.lower[static_cast<size_t>(r * length + k)] = candidates.lower;
      block.base(r, k) = scale * static_cast<float>(candidates.lower - zero_point);
      block.step(r, k) = candidates.has_choice ? scale : 0.0F;
      block.fraction(r, k) = candidates.has_choice ? static_cast<float>(candidates.fraction) : 0.0F;
      block.UpAt(r, k) = block.fraction(r, k) >= 0.5F ? 1 : 0;
    }
  }
  return block;
}

RowBlock MakeRowBlock(const RoundingProblem& problem, int64_t group, int64_t first_row,
                      int64_t num_rows) {
  const SampledColumns& samples = *problem.samples;
  RowBlock block = MakeRowBlockWithoutTarget(problem, group, first_row, num_rows);
  block.target.resize(num_rows, samples.num_samples);
  for (int64_t r = 0; r < num_rows; ++r) {
    const int64_t row = first_row + r;
    problem.activation.Of(row).Apply(samples.RowTarget(row), block.target.row(r).data(),
                                     samples.num_samples);
  }
  return block;
}

void CentreOn(const RoundingProblem& problem, const std::vector<int16_t>& integers,
              RowBlock& block) {
  const int64_t length = block.row_length();
  for (int64_t r = 0; r < block.num_rows(); ++r) {
    const int64_t row = block.first_row + r;
    for (int64_t k = 0; k < length; ++k) {
      const auto s = static_cast<size_t>(problem.grid.ScaleIndex(row, k, length));
      const float scale = problem.grid.scale[s];
      const int32_t zero_point = problem.grid.zero_point[s];
      const auto of_layer = static_cast<size_t>(row * length + k);
      const double position = static_cast<double>(problem.weights[of_layer]) /
                                  static_cast<double>(scale) +
                              zero_point;
      const int32_t decided = integers[of_layer];
      const int32_t lower = std::clamp(decided > position ? decided - 1 : decided,
                                       problem.grid.q_min, problem.grid.q_max - 1);
      const auto at = static_cast<size_t>(r * length + k);
      block.lower[at] = lower;
      block.up[at] = decided > lower ? 1 : 0;
      block.base(r, k) = scale * static_cast<float>(lower - zero_point);
      block.step(r, k) = scale;
      block.fraction(r, k) = static_cast<float>(position - lower);
    }
  }
}

void StoreIntegers(const RowBlock& block, std::vector<int16_t>& integers) {
  const auto begin = static_cast<size_t>(block.first_row * block.row_length());
  for (size_t i = 0; i < block.up.size(); ++i) {
    integers[begin + i] = static_cast<int16_t>(block.lower[i] + block.up[i]);
  }
}

Matrix PreActivations(const RoundingProblem& problem, const RowBlock& block) {
  const SampledColumns& samples = *problem.samples;
  const ConstMatrixView columns(samples.GroupColumns(block.group), samples.num_samples,
                                samples.row_length);
  Matrix z(block.num_rows(), samples.num_samples);
  z.noalias() = block.HardWeights() * columns.transpose();
  for (int64_t r = 0; r < z.rows(); ++r) {
    z.row(r).array() += problem.bias[static_cast<size_t>(block.first_row + r)];
  }
  return z;
}

}  // namespace adaround
