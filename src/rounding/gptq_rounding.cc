#include "rounding/gptq_rounding.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "rounding/layer_gram.h"

namespace adaround {
namespace {

// Weights whose errors reach the weights behind them in one product of matrices.
constexpr int64_t kWeightsPerUpdate = 128;

struct WeightRange {
  int64_t begin = 0;
  int64_t end = 0;
};

// Rounds the weights of one range of one row, in factor.order; `wanted` [K] of the row is kept up
// within the range, and `errors` [its length] is what the weights behind it follow.
void RoundRange(const RoundingProblem& problem, const GptqFactor& factor, const WeightRange& range,
                int64_t row, double* wanted, double* errors, std::vector<int16_t>& integers) {
  const int64_t length = problem.samples->row_length;
  for (int64_t i = range.begin; i < range.end; ++i) {
    const int64_t k = factor.order[static_cast<size_t>(i)];
    const auto s = static_cast<size_t>(problem.grid.ScaleIndex(row, k, length));
    const auto scale = static_cast<double>(problem.grid.scale[s]);
    const int32_t zero_point = problem.grid.zero_point[s];
    const double position = std::clamp(std::round(wanted[i] / scale) + zero_point,
                                       static_cast<double>(problem.grid.q_min),
                                       static_cast<double>(problem.grid.q_max));
    integers[static_cast<size_t>(row * length + k)] = static_cast<int16_t>(position);
    const double* follow = factor.factor.row(i).data();
    const double error = (wanted[i] - scale * (position - zero_point)) / follow[i];
    errors[i - range.begin] = error;
    for (int64_t j = i + 1; j < range.end; ++j) wanted[j] -= error * follow[j];
  }
}

}  // namespace

GptqFactor FactorHessian(Eigen::MatrixXd hessian, const GptqOptions& options, int num_threads) {
  CheckGram(hessian);
  const int64_t length = hessian.rows();
  if (!(hessian.diagonal().sum() > 0.0)) hessian.setIdentity();
  GptqFactor result;
  result.order.resize(static_cast<size_t>(length));
  std::iota(result.order.begin(), result.order.end(), int64_t{0});
  if (options.activation_order) {
    std::stable_sort(result.order.begin(), result.order.end(), [&](int64_t a, int64_t b) {
      return hessian(a, a) > hessian(b, b);
    });
  }
  Eigen::MatrixXd ordered(length, length);
  const auto at = [&](int64_t i) { return result.order[static_cast<size_t>(i)]; };
  for (int64_t j = 0; j < length; ++j) {
    for (int64_t i = 0; i < length; ++i) ordered(i, j) = hessian(at(i), at(j));
  }
  hessian.resize(0, 0);
  DampedInverse inverse = FactorDampedInverse(std::move(ordered), options.damping, num_threads);
  result.factor = std::move(inverse.factor);
  result.damping = inverse.damping;
  return result;
}

void RoundBySecondOrder(const RoundingProblem& problem, const GptqFactor& factor,
                        const Matrix& gradient, const RowRange& rows,
                        std::vector<int16_t>& integers) {
  const int64_t length = problem.samples->row_length;
  const ConstMatrixView weights(problem.weights.data() + rows.first_row * length, rows.num_rows,
                                length);
  MatrixInDouble wanted(rows.num_rows, length);
  MatrixInDouble slope(rows.num_rows, length);
  for (int64_t i = 0; i < length; ++i) {
    const int64_t k = factor.order[static_cast<size_t>(i)];
    wanted.col(i) = weights.col(k).cast<double>();
    slope.col(i) = gradient.col(k).cast<double>();
  }
  const auto upper = factor.factor.triangularView<Eigen::Upper>();
  const MatrixInDouble half = slope * upper.transpose();
  wanted -= half * upper;
  MatrixInDouble errors;
  for (int64_t begin = 0; begin < length; begin += kWeightsPerUpdate) {
    const int64_t end = std::min(begin + kWeightsPerUpdate, length);
    errors.resize(rows.num_rows, end - begin);
    for (int64_t r = 0; r < rows.num_rows; ++r) {
      RoundRange(problem, factor, {begin, end}, rows.first_row + r, wanted.row(r).data(),
                 errors.row(r).data(), integers);
    }
    wanted.rightCols(length - end).noalias() -=
        errors * factor.factor.block(begin, end, end - begin, length - end);
  }
}

}  // namespace adaround
