#include "rounding/relaxation.h"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "adaround/base/error.h"
#include "base/rng.h"
#include "rounding/beta_schedule.h"
#include "rounding/rectified_sigmoid.h"

namespace adaround {
namespace {

constexpr float kAdamBeta1 = 0.9F;
constexpr float kAdamBeta2 = 0.999F;
constexpr float kAdamEpsilon = 1e-8F;
// The element-wise pass works on stretches this long: its temporaries stay in the first-level
// cache.
constexpr int64_t kStretch = 128;
using Stretch = Eigen::Array<float, Eigen::Dynamic, 1, 0, kStretch, 1>;
using StretchView = Eigen::Map<Eigen::ArrayXf>;
using ConstStretchView = Eigen::Map<const Eigen::ArrayXf>;

// What Adam needs to know of the current step.
struct StepSettings {
  float learning_rate = 0.0F;  // with both bias corrections folded in
  float epsilon = 0.0F;        // likewise
  bool regularize = false;     // false during the warm start
  float beta = 0.0F;
  float lambda = 0.0F;
};

class Relaxation {
 public:
  explicit Relaxation(const RowBlock& block)
      : block_(block),
        v_(block.num_rows(), block.row_length()),
        sigmoid_(v_.rows(), v_.cols()),
        momentum_(Matrix::Zero(v_.rows(), v_.cols())),
        square_(Matrix::Zero(v_.rows(), v_.cols())),
        gradient_(v_.rows(), v_.cols()),
        soft_(v_.rows(), v_.cols()) {
    for (int64_t i = 0; i < v_.size(); ++i) {
      v_.data()[i] = InverseRectifiedSigmoid(block.fraction.data()[i]);
    }
    for (int64_t begin = 0; begin < v_.size(); begin += kStretch) Refresh(begin);
  }

  const Matrix& soft_weights() const { return soft_; }
  // dL_data / dW_soft, to be filled before Advance().
  Matrix& weight_gradient() { return gradient_; }

  // One Adam step on V: sigmoid, stretch, regularizer, both gradients and the moments in one pass.
  void Advance(const StepSettings& settings) {
    for (int64_t begin = 0; begin < v_.size(); begin += kStretch) {
      AdvanceStretch(begin, settings);
      Refresh(begin);
    }
  }

  Stretch SoftRounding(int64_t begin) const {
    const int64_t count = std::min(kStretch, v_.size() - begin);
    const ConstStretchView sigmoid(sigmoid_.data() + begin, count);
    return (sigmoid * (kZeta - kGamma) + kGamma).max(0.0F).min(1.0F);
  }

 private:
  void AdvanceStretch(int64_t begin, const StepSettings& settings) {
    const int64_t count = std::min(kStretch, v_.size() - begin);
    const ConstStretchView weight_gradient(gradient_.data() + begin, count);
    const ConstStretchView step(block_.step.data() + begin, count);
    const ConstStretchView sigmoid(sigmoid_.data() + begin, count);
    StretchView v(v_.data() + begin, count);
    StretchView momentum(momentum_.data() + begin, count);
    StretchView square(square_.data() + begin, count);

    const Stretch stretched = sigmoid * (kZeta - kGamma) + kGamma;
    Stretch gradient = weight_gradient * step;
    if (settings.regularize) {
      const Stretch t = 2.0F * stretched.max(0.0F).min(1.0F) - 1.0F;
      const Stretch power = ((settings.beta - 1.0F) * t.abs().max(kTinyDistance).log()).exp();
      const float factor = -2.0F * settings.beta * settings.lambda;
      gradient += (t > 0.0F).select(factor * power, -factor * power);
    }
    // dh/dV; 0 where the stretched sigmoid is clipped, and for weights without a choice.
    const Stretch slope = sigmoid * (1.0F - sigmoid) * (kZeta - kGamma);
    gradient = (stretched > 0.0F && stretched < 1.0F && step > 0.0F)
                   .select(gradient * slope, Stretch::Zero(count));
    momentum = kAdamBeta1 * momentum + (1.0F - kAdamBeta1) * gradient;
    square = kAdamBeta2 * square + (1.0F - kAdamBeta2) * gradient.square();
    v -= settings.learning_rate * momentum / (square.sqrt() + settings.epsilon);
  }

  // The sigmoid and the soft weights of one stretch from V.
  void Refresh(int64_t begin) {
    const int64_t count = std::min(kStretch, v_.size() - begin);
    const ConstStretchView v(v_.data() + begin, count);
    StretchView(sigmoid_.data() + begin, count) = (1.0F + (-v).exp()).inverse();
    const ConstStretchView base(block_.base.data() + begin, count);
    const ConstStretchView step(block_.step.data() + begin, count);
    StretchView(soft_.data() + begin, count) = base + step * SoftRounding(begin);
  }

  const RowBlock& block_;
  Matrix v_;
  Matrix sigmoid_;
  Matrix momentum_;
  Matrix square_;
  Matrix gradient_;
  Matrix soft_;
};

// Gradient of the data term on random minibatches of columns.
class MinibatchLoss {
 public:
  MinibatchLoss(const RoundingProblem& problem, const AdaRoundOptions& options,
                const SolveContext& context, const std::vector<float>& row_weight,
                const RowBlock& block)
      : problem_(problem),
        samples_(*problem.samples),
        context_(context),
        row_weight_(row_weight),
        block_(block) {
    const int64_t per_draw = samples_.columns_per_draw;
    num_draws_ = std::min(options.batch_size, samples_.num_samples / per_draw);
    columns_.resize(num_draws_ * per_draw, samples_.row_length);
    target_.resize(block.num_rows(), columns_.rows());
    z_.resize(block.num_rows(), columns_.rows());
    derivative_.resize(static_cast<size_t>(columns_.rows()));
  }

  void Gradient(const Matrix& soft_weights, int64_t step, Matrix& gradient) {
    Gather(step);
    z_.noalias() = soft_weights * columns_.transpose();
    const int64_t count = columns_.rows();
    const bool identity = problem_.activation.IsIdentity();
    for (int64_t r = 0; r < block_.num_rows(); ++r) {
      StretchView z(z_.row(r).data(), count);
      const ConstStretchView target(target_.row(r).data(), count);
      z += problem_.bias[static_cast<size_t>(block_.first_row + r)];
      const float factor = 2.0F * row_weight_[static_cast<size_t>(r)] / static_cast<float>(count);
      if (identity) {
        z = factor * (z - target);
      } else {
        const Activation activation = problem_.activation.Of(block_.first_row + r);
        activation.Derivative(z.data(), derivative_.data(), count);
        activation.Apply(z.data(), z.data(), count);
        z = factor * (z - target) * ConstStretchView(derivative_.data(), count);
      }
    }
    gradient.noalias() = z_ * columns_;
    AddRidge(soft_weights, gradient);
  }

 private:
  void Gather(int64_t step) {
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

  // d/dw of row_weight * ridge_k (w_soft - w)^2; where there is a choice, w = base + step *
  // fraction.
  void AddRidge(const Matrix& soft_weights, Matrix& gradient) const {
    const ConstStretchView ridge(block_.ridge.data(), gradient.cols());
    for (int64_t r = 0; r < gradient.rows(); ++r) {
      gradient.row(r).array() += (2.0F * row_weight_[static_cast<size_t>(r)]) * ridge.transpose() *
                                 (soft_weights.row(r) - block_.base.row(r) -
                                  block_.step.row(r).cwiseProduct(block_.fraction.row(r)))
                                     .array();
    }
  }

  const RoundingProblem& problem_;
  const SampledColumns& samples_;
  const SolveContext& context_;
  const std::vector<float>& row_weight_;
  const RowBlock& block_;
  int64_t num_draws_ = 0;
  Matrix columns_;
  Matrix target_;
  Matrix z_;
  std::vector<float> derivative_;
};

}  // namespace

int64_t RelaxAndRound(const RoundingProblem& problem, const AdaRoundOptions& options,
                      const SolveContext& context, const std::vector<float>& row_weight,
                      const Matrix* gram, const Matrix* gram_target, RowBlock& block) {
  Relaxation relaxation(block);
  MinibatchLoss loss(problem, options, context, row_weight, block);
  float power1 = 1.0F;
  float power2 = 1.0F;
  for (int64_t step = 0; step < options.iterations; ++step) {
    if (context.should_stop && context.should_stop()) {
      throw Error(ErrorCode::kCancelled, "stopped on request");
    }
    if (gram != nullptr) {
      Matrix& gradient = relaxation.weight_gradient();
      gradient.noalias() = relaxation.soft_weights() * *gram;
      gradient -= *gram_target;
      for (int64_t r = 0; r < gradient.rows(); ++r) {
        gradient.row(r) *= row_weight[static_cast<size_t>(r)];
      }
    } else {
      loss.Gradient(relaxation.soft_weights(), step, relaxation.weight_gradient());
    }
    power1 *= kAdamBeta1;
    power2 *= kAdamBeta2;
    const float correction = std::sqrt(1.0F - power2);
    StepSettings settings;
    settings.learning_rate =
        static_cast<float>(options.learning_rate) * correction / (1.0F - power1);
    settings.epsilon = kAdamEpsilon * correction;
    const std::optional<double> beta = BetaAt(options, step);
    settings.regularize = beta.has_value();
    settings.beta = static_cast<float>(beta.value_or(0.0));
    settings.lambda = static_cast<float>(options.lambda);
    relaxation.Advance(settings);
  }

  int64_t num_undecided = 0;
  const int64_t size = block.base.size();
  for (int64_t begin = 0; begin < size; begin += kStretch) {
    const Stretch h = relaxation.SoftRounding(begin);
    for (int64_t i = 0; i < h.size(); ++i) {
      const auto at = static_cast<size_t>(begin + i);
      if (block.step.data()[at] == 0.0F) continue;
      block.up[at] = h[i] >= 0.5F ? 1 : 0;
      if (h[i] > 0.01F && h[i] < 0.99F) ++num_undecided;
    }
  }
  return num_undecided;
}

}  // namespace adaround
