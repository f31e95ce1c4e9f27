#include "rounding/reconstruction_gradient.h"

#include <algorithm>
#include <cstring>

#include "adaround/base/error.h"
#include "base/rng.h"
#include "rounding/layer_gram.h"

namespace adaround {
namespace {

// Some floats in a row.
using Floats = Eigen::Map<Eigen::ArrayXf>;
using ConstFloats = Eigen::Map<const Eigen::ArrayXf>;

}  // namespace

bool HasExactGradient(const LayerExtent& layer, const AdaRoundOptions& options) {
  return options.exact_gradient && layer.identity_activation &&
         layer.row_length <= kMaxGramLength && layer.row_length <= 2 * options.batch_size;
}

double GradientWork(const LayerExtent& layer, const AdaRoundOptions& options) {
  constexpr double kPassOverWeights = 64.0;  // takes as long as so many multiply-accumulates
  const double products = HasExactGradient(layer, options)
                              ? static_cast<double>(layer.row_length)
                              : 2.0 * static_cast<double>(options.batch_size *
                                                          layer.columns_per_draw);
  return static_cast<double>(layer.num_rows * layer.row_length) *
         static_cast<double>(options.iterations) * (products + kPassOverWeights);
}

ReconstructionGradient::ReconstructionGradient(const RoundingProblem& problem, int64_t batch_size,
                                               const SolveContext& context, const DataTerm& term,
                                               const RowBlock& block)
    : problem_(problem),
      samples_(*problem.samples),
      context_(context),
      term_(term),
      block_(block) {
  if (term.gram != nullptr) return;
  const int64_t per_draw = samples_.columns_per_draw;
  num_draws_ = std::min(batch_size, samples_.num_samples / per_draw);
  columns_.resize(num_draws_ * per_draw, samples_.row_length);
  target_.resize(block.num_rows(), columns_.rows());
  z_.resize(block.num_rows(), columns_.rows());
  derivative_.resize(static_cast<size_t>(columns_.rows()));
}

void ReconstructionGradient::At(const Matrix& weights, int64_t step, Matrix& gradient) {
  if (context_.should_stop && context_.should_stop()) {
    throw Error(ErrorCode::kCancelled, "stopped on request");
  }
  if (term_.gram == nullptr) {
    OnMinibatch(weights, step, gradient);
    return;
  }
  gradient.noalias() = weights * *term_.gram;
  gradient -= *term_.gram_target;
  for (int64_t r = 0; r < gradient.rows(); ++r) {
    gradient.row(r) *= term_.row_weight[static_cast<size_t>(r)];
  }
}

void ReconstructionGradient::OnMinibatch(const Matrix& weights, int64_t step, Matrix& gradient) {
  Gather(step);
  z_.noalias() = weights * columns_.transpose();
  const int64_t count = columns_.rows();
  const bool identity = problem_.activation.IsIdentity();
  for (int64_t r = 0; r < block_.num_rows(); ++r) {
    Floats z(z_.row(r).data(), count);
    const ConstFloats target(target_.row(r).data(), count);
    z += problem_.bias[static_cast<size_t>(block_.first_row + r)];
    const float factor =
        2.0F * term_.row_weight[static_cast<size_t>(r)] / static_cast<float>(count);
    if (identity) {
      z = factor * (z - target);
    } else {
      const Activation activation = problem_.activation.Of(block_.first_row + r);
      activation.Derivative(z.data(), derivative_.data(), count);
      activation.Apply(z.data(), z.data(), count);
      z = factor * (z - target) * ConstFloats(derivative_.data(), count);
    }
  }
  gradient.noalias() = z_ * columns_;
  AddRidge(weights, gradient);
}

void ReconstructionGradient::Gather(int64_t step) {
  Rng rng(context_.seed, context_.layer, static_cast<uint64_t>(step));
  const int64_t per_draw = samples_.columns_per_draw;
  const int64_t length = samples_.row_length;
  const float* columns = samples_.GroupColumns(block_.group);
  int64_t at = 0;
  for (int64_t draw = 0; draw < num_draws_; ++draw) {
    const int64_t first = rng.Below(samples_.num_samples / per_draw) * per_draw;
    for (int64_t i = first; i < first + per_draw; ++i, ++at) {
      std::memcpy(columns_.row(at).data(), columns + i * length,
                  static_cast<size_t>(length) * sizeof(float));
      for (int64_t r = 0; r < block_.num_rows(); ++r) target_(r, at) = block_.target(r, i);
    }
  }
}

// d/dw of row_weight * ridge_k (w - w_float)^2; w_float = base + step * fraction, on the grid.
void ReconstructionGradient::AddRidge(const Matrix& weights, Matrix& gradient) const {
  const float* ridge = block_.ridge.data();
  for (int64_t r = 0; r < gradient.rows(); ++r) {
    const float factor = 2.0F * term_.row_weight[static_cast<size_t>(r)];
    const float* weight = weights.row(r).data();
    const float* base = block_.base.row(r).data();
    const float* step = block_.step.row(r).data();
    const float* fraction = block_.fraction.row(r).data();
    float* __restrict out = gradient.row(r).data();
    for (int64_t k = 0; k < gradient.cols(); ++k) {
      out[k] += factor * ridge[k] * (weight[k] - (base[k] + step[k] * fraction[k]));
    }
  }
}

}  // namespace adaround
