#include "rounding/layer_gram.h"

#include <algorithm>

#include "adaround/base/error.h"

namespace adaround {
namespace {

// Rows of X_hat that are widened to double at a time.
constexpr int64_t kRowsPerProduct = 512;

ConstMatrixView ColumnsOf(const SampledColumns& samples, int64_t group) {
  return {samples.GroupColumns(group), samples.num_samples, samples.row_length};
}

[[noreturn]] void ThrowNotFinite() {
  throw Error(ErrorCode::kNumerical,
              "the squares of the layer's inputs are not finite in float32; scale the model's "
              "inputs down, or take a method that needs no Gram matrix");
}

}  // namespace

Matrix GroupGram(const SampledColumns& samples, int64_t group) {
  const ConstMatrixView columns = ColumnsOf(samples, group);
  Matrix gram = Matrix::Zero(samples.row_length, samples.row_length);
  gram.selfadjointView<Eigen::Lower>().rankUpdate(columns.transpose());
  gram *= 2.0F / static_cast<float>(samples.num_samples);
  gram.triangularView<Eigen::StrictlyUpper>() = gram.transpose();
  return gram;
}

Eigen::MatrixXd GroupGramInDouble(const SampledColumns& samples, int64_t group) {
  const ConstMatrixView columns = ColumnsOf(samples, group);
  Eigen::MatrixXd gram = Eigen::MatrixXd::Zero(samples.row_length, samples.row_length);
  for (int64_t begin = 0; begin < samples.num_samples; begin += kRowsPerProduct) {
    const int64_t count = std::min(kRowsPerProduct, samples.num_samples - begin);
    const Eigen::MatrixXd part = columns.middleRows(begin, count).cast<double>();
    gram.selfadjointView<Eigen::Lower>().rankUpdate(part.transpose());
  }
  gram *= 2.0 / static_cast<double>(samples.num_samples);
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

Matrix LossGradient(const RoundingProblem& problem, int64_t group, int64_t first_row,
                    const Matrix& weights) {
  const SampledColumns& samples = *problem.samples;
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
