#include "rounding/soft_weights.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "base/vector_math.h"

namespace adaround {
namespace {

inline float Clipped(float stretched) {
  const float above = stretched > 0.0F ? stretched : 0.0F;
  return above < 1.0F ? above : 1.0F;
}

inline bool IsUndecided(float h) { return h > 0.01F && h < 0.99F; }

// The power of |2h - 1| stops at 2^-60, before products with it are subnormal (see adam.h).
constexpr float kLeastExponent = -60.0F;

// The constants of one pass.
struct PassConstants {
  float width;  // zeta - gamma
  float gamma;
  float slope;     // of h by its sigmoid's own derivative: width / temperature
  float exponent;  // beta - 1
  float factor;    // -2 beta lambda
  AdamStep adam;
  float next_sharpness;  // log2(e) / temperature of the next step
};

// One loop without branches, which the compiler vectorizes: everything that a step needs of a
// weight is read once and written once. Arrays are [count]; none overlaps another.
template <bool kRegularize>
void AdvanceAll(const PassConstants& constants, int64_t count,
                const float* __restrict gradient_of, const float* __restrict base_of,
                const float* __restrict step_of, float* __restrict v_of,
                float* __restrict sigmoid_of, float* __restrict momentum_of,
                float* __restrict square_of, float* __restrict soft_of) {
  const PassConstants c = constants;
  for (int64_t i = 0; i < count; ++i) {
    const float sigmoid = sigmoid_of[i];
    const float stretched = sigmoid * c.width + c.gamma;
    const float step = step_of[i];
    float gradient = gradient_of[i] * step;
    if constexpr (kRegularize) {
      const float t = 2.0F * Clipped(stretched) - 1.0F;
      const float distance = std::abs(t) > kTinyDistance ? std::abs(t) : kTinyDistance;
      const float exponent = c.exponent * Log2(distance);
      const float power = Exp2(exponent > kLeastExponent ? exponent : kLeastExponent);
      gradient += c.factor * std::copysign(power, t);
    }
    // dh/dV; 0 where the stretched sigmoid is clipped, and for weights without a choice.
    const bool moves = (stretched > 0.0F) & (stretched < 1.0F) & (step > 0.0F);
    gradient = moves ? gradient * (sigmoid * (1.0F - sigmoid) * c.slope) : 0.0F;
    float momentum = momentum_of[i];
    float square = square_of[i];
    const float v = v_of[i] + AdamMove(c.adam, gradient, momentum, square);
    momentum_of[i] = momentum;
    square_of[i] = square;
    v_of[i] = v;
    const float next = 1.0F / (1.0F + Exp2(-c.next_sharpness * v));
    sigmoid_of[i] = next;
    soft_of[i] = base_of[i] + step * Clipped(next * c.width + c.gamma);
  }
}

}  // namespace

SoftWeights::SoftWeights(const SoftRounding& soft_rounding, const RowBlock& block,
                         float start_pull)
    : block_(block),
      soft_rounding_(soft_rounding),
      v_(block.num_rows(), block.row_length()),
      sigmoid_(v_.rows(), v_.cols()),
      momentum_(Matrix::Zero(v_.rows(), v_.cols())),
      square_(Matrix::Zero(v_.rows(), v_.cols())),
      gradient_(v_.rows(), v_.cols()),
      soft_(v_.rows(), v_.cols()) {
  const float sharpness = std::numbers::log2e_v<float> / soft_rounding_.temperature;
  for (int64_t i = 0; i < v_.size(); ++i) {
    const float fraction = std::clamp(block.fraction.data()[i], 0.0F, 1.0F);
    const auto decision = static_cast<float>(block.up[static_cast<size_t>(i)]);
    v_.data()[i] = soft_rounding_.Inverse(fraction + start_pull * (decision - fraction));
    sigmoid_.data()[i] = 1.0F / (1.0F + Exp2(-sharpness * v_.data()[i]));
    soft_.data()[i] = block.base.data()[i] + block.step.data()[i] * SoftRoundingOf(i);
  }
}

float SoftWeights::SoftRoundingOf(int64_t i) const {
  return Clipped(sigmoid_.data()[i] * (soft_rounding_.zeta - soft_rounding_.gamma) +
                 soft_rounding_.gamma);
}

void SoftWeights::Advance(const SoftStep& settings) {
  const float width = soft_rounding_.zeta - soft_rounding_.gamma;
  const PassConstants constants = {
      .width = width,
      .gamma = soft_rounding_.gamma,
      .slope = width / soft_rounding_.temperature,
      .exponent = settings.beta - 1.0F,
      .factor = -2.0F * settings.beta * settings.lambda,
      .adam = settings.adam,
      .next_sharpness = std::numbers::log2e_v<float> / settings.next_temperature};
  const auto advance = settings.regularize ? AdvanceAll<true> : AdvanceAll<false>;
  advance(constants, v_.size(), gradient_.data(), block_.base.data(), block_.step.data(), v_.data(),
          sigmoid_.data(), momentum_.data(), square_.data(), soft_.data());
  soft_rounding_.temperature = settings.next_temperature;
}

bool SoftWeights::IsSettled() const {
  for (int64_t i = 0; i < v_.size(); ++i) {
    const float h = SoftRoundingOf(i);
    if (h > 0.0F && h < 1.0F && block_.step.data()[i] != 0.0F) return false;
  }
  return true;
}

void SoftWeights::Count(SearchPoint& point) const {
  std::array<int64_t, kSoftRoundingBins> counts = {};
  point.num_undecided = 0;
  for (int64_t i = 0; i < v_.size(); ++i) {
    const float h = block_.step.data()[i] == 0.0F ? 0.0F : SoftRoundingOf(i);
    // Not a number counts as 0.
    const float part = h > 0.0F ? h * static_cast<float>(kSoftRoundingBins) : 0.0F;
    ++counts[static_cast<size_t>(std::min(static_cast<int64_t>(part), kSoftRoundingBins - 1))];
    point.num_undecided += IsUndecided(h) ? 1 : 0;
  }
  point.soft_roundings.assign(counts.begin(), counts.end());
}

int64_t SoftWeights::Decide(RowBlock& block) const {
  int64_t num_undecided = 0;
  for (int64_t i = 0; i < v_.size(); ++i) {
    if (block.step.data()[i] == 0.0F) continue;
    const float h = SoftRoundingOf(i);
    block.up[static_cast<size_t>(i)] = h >= 0.5F ? 1 : 0;
    if (IsUndecided(h)) ++num_undecided;
  }
  return num_undecided;
}

}  // namespace adaround
