#include "rounding/layer_gram.h"

#include <algorithm>

#include "adaround/base/error.h"
#include "base/checked_math.h"
#include "base/parallel_for.h"

namespace adaround {
namespace {

// Columns whose products are summed in float32.
constexpr int64_t kColumnsPerProduct = 512;
// Weights by weights of G that one thread sums.
constexpr int64_t kTileLength = 256;

ConstMatrixView ColumnsOf(const SampledColumns& samples, int64_t group) {
  return {samples.GroupColumns(group), samples.num_samples, samples.row_length};
}

[[noreturn]] void ThrowNotFinite() {
  throw Error(ErrorCode::kNumerical,
              "the squares of the layer's inputs are not finite in float32; scale the model's "
              "inputs down, or take a method that needs no Gram matrix");
}

}  // namespace

Eigen::MatrixXd GroupGram(const SampledColumns& samples, int64_t group, int num_threads) {
  const ConstMatrixView columns = ColumnsOf(samples, group);
  const int64_t length = columns.cols();
  const int64_t num_tiles = CeilDivide(length, kTileLength);
  Eigen::MatrixXd gram(length, length);
  ParallelFor(num_tiles * num_tiles, num_threads, [&](int64_t task) {
    const int64_t row = (task / num_tiles) * kTileLength;
    const int64_t col = (task % num_tiles) * kTileLength;
    if (row < col) return;
    const int64_t num_rows = std::min(kTileLength, length - row);
    const int64_t num_cols = std::min(kTileLength, length - col);
    Eigen::MatrixXd sum = Eigen::MatrixXd::Zero(num_rows, num_cols);
    Eigen::MatrixXf part(num_rows, num_cols);
    for (int64_t begin = 0; begin < columns.rows(); begin += kColumnsPerProduct) {
      const int64_t count = std::min(kColumnsPerProduct, columns.rows() - begin);
      part.noalias() = columns.block(begin, row, count, num_rows).transpose() *
                       columns.block(begin, col, count, num_cols);
      sum += part.cast<double>();
    }
    sum *= 2.0 / static_cast<double>(columns.rows());
    gram.block(row, col, num_rows, num_cols) = sum;
  });
  gram.triangularView<Eigen::StrictlyUpper>() = gram.transpose();
  return gram;
}

int64_t GramBytes(const LayerExtent& layer, int num_threads, int64_t value_bytes) {
  const int64_t groups = std::min<int64_t>(layer.num_groups, num_threads);
  return groups * layer.row_length * layer.row_length * value_bytes;
}

std::vector<float> RidgeOf(const SampledColumns& samples, int64_t group, double ridge) {
  const ConstMatrixView columns = ColumnsOf(samples, group);
  const auto num_samples = static_cast<float>(samples.num_samples);
  const float factor = static_cast<float>(ridge) * static_cast<float>(samples.row_length) /
                       static_cast<float>(samples.NumIndependent());
  std::vector<float> result(static_cast<size_t>(samples.row_length), 0.0F);
  for (int64_t i = 0; i < samples.num_samples; ++i) {
    const float* column = columns.row(i).data();
    for (size_t k = 0; k < result.size(); ++k) result[k] += column[k] * column[k];
  }
  for (float& value : result) value *= factor / num_samples;
  return result;
}

void AddRidge(const std::vector<float>& ridge, Matrix& gram) {
  gram.diagonal() += 2.0F * Eigen::Map<const Eigen::VectorXf>(ridge.data(), gram.rows());
}

void AddRidge(const std::vector<float>& ridge, Eigen::MatrixXd& gram) {
  gram.diagonal() +=
      2.0 * Eigen::Map<const Eigen::VectorXf>(ridge.data(), gram.rows()).cast<double>();
}

Matrix LossGradient(const RoundingProblem& problem, const SampledColumns& samples, int64_t group,
                    int64_t first_row, const Matrix& weights) {
  const ConstMatrixView columns = ColumnsOf(samples, group);
  Matrix residual(weights.rows(), samples.num_samples);
  residual.noalias() = weights * columns.transpose();
  for (int64_t r = 0; r < residual.rows(); ++r) {
    const int64_t row = first_row + r;
    const ConstMatrixView target(samples.RowTarget(row), 1, samples.num_samples);
    residual.row(r).array() += problem.bias[static_cast<size_t>(row)];
    residual.row(r) -= target;
  }
  Matrix gradient(weights.rows(), samples.row_length);
  gradient.noalias() = residual * columns;
  gradient *= 2.0F / static_cast<float>(samples.num_samples);
  return gradient;
}

void CheckGram(const Matrix& values) {
  if (!values.allFinite()) ThrowNotFinite();
}

void CheckGram(const Eigen::MatrixXd& values) {
  if (!values.allFinite()) ThrowNotFinite();
}

}  // namespace adaround
