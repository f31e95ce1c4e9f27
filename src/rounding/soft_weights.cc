#include "rounding/soft_weights.h"

#include <algorithm>

namespace adaround {

SoftWeights::SoftWeights(const SoftRounding& soft_rounding, const RowBlock& block)
    : block_(block),
      soft_rounding_(soft_rounding),
      v_(block.num_rows(), block.row_length()),
      sigmoid_(v_.rows(), v_.cols()),
      momentum_(Matrix::Zero(v_.rows(), v_.cols())),
      square_(Matrix::Zero(v_.rows(), v_.cols())),
      gradient_(v_.rows(), v_.cols()),
      soft_(v_.rows(), v_.cols()) {
  for (int64_t i = 0; i < v_.size(); ++i) {
    v_.data()[i] = soft_rounding_.Inverse(block.fraction.data()[i]);
  }
  for (int64_t begin = 0; begin < v_.size(); begin += kStretch) Refresh(begin);
}

void SoftWeights::Advance(const SoftStep& settings) {
  const float temperature = soft_rounding_.temperature;
  for (int64_t begin = 0; begin < v_.size(); begin += kStretch) {
    soft_rounding_.temperature = temperature;
    AdvanceStretch(begin, settings);
    soft_rounding_.temperature = settings.next_temperature;
    Refresh(begin);
  }
}

Stretch SoftWeights::SoftRoundingOf(int64_t begin) const {
  const int64_t count = std::min(kStretch, v_.size() - begin);
  const ConstStretchView sigmoid(sigmoid_.data() + begin, count);
  return (sigmoid * (soft_rounding_.zeta - soft_rounding_.gamma) + soft_rounding_.gamma)
      .max(0.0F)
      .min(1.0F);
}

void SoftWeights::AdvanceStretch(int64_t begin, const SoftStep& settings) {
  const int64_t count = std::min(kStretch, v_.size() - begin);
  const ConstStretchView weight_gradient(gradient_.data() + begin, count);
  const ConstStretchView step(block_.step.data() + begin, count);
  const ConstStretchView sigmoid(sigmoid_.data() + begin, count);
  const float width = soft_rounding_.zeta - soft_rounding_.gamma;

  const Stretch stretched = sigmoid * width + soft_rounding_.gamma;
  Stretch gradient = weight_gradient * step;
  if (settings.regularize) {
    const Stretch t = 2.0F * stretched.max(0.0F).min(1.0F) - 1.0F;
    const Stretch power = ((settings.beta - 1.0F) * t.abs().max(kTinyDistance).log()).exp();
    const float factor = -2.0F * settings.beta * settings.lambda;
    gradient += (t > 0.0F).select(factor * power, -factor * power);
  }
  // dh/dV; 0 where the stretched sigmoid is clipped, and for weights without a choice.
  const Stretch slope = sigmoid * (1.0F - sigmoid) * (width / soft_rounding_.temperature);
  gradient = (stretched > 0.0F && stretched < 1.0F && step > 0.0F)
                 .select(gradient * slope, Stretch::Zero(count));
  AdamUpdate(settings.adam, gradient, StretchView(momentum_.data() + begin, count),
             StretchView(square_.data() + begin, count), StretchView(v_.data() + begin, count));
}

void SoftWeights::Refresh(int64_t begin) {
  const int64_t count = std::min(kStretch, v_.size() - begin);
  const ConstStretchView v(v_.data() + begin, count);
  const float sharpness = 1.0F / soft_rounding_.temperature;
  StretchView(sigmoid_.data() + begin, count) = (1.0F + (-sharpness * v).exp()).inverse();
  const ConstStretchView base(block_.base.data() + begin, count);
  const ConstStretchView step(block_.step.data() + begin, count);
  StretchView(soft_.data() + begin, count) = base + step * SoftRoundingOf(begin);
}

int64_t SoftWeights::Decide(RowBlock& block) const {
  int64_t num_undecided = 0;
  for (int64_t begin = 0; begin < v_.size(); begin += kStretch) {
    const Stretch h = SoftRoundingOf(begin);
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
