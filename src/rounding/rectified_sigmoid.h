// The relaxation h(V) of eq. (23) and the regularizer of eq. (24), one weight at a time; the
// relaxation's inner loop evaluates the same formulas on whole stretches.
#pragma once

#include <algorithm>
#include <cmath>

namespace adaround {

inline constexpr float kZeta = 1.1F;
inline constexpr float kGamma = -0.1F;
// Guards 0^(beta - 1) and log(0).
inline constexpr float kTinyDistance = 1e-12F;

// h(V) = clip(sigmoid(V) (zeta - gamma) + gamma, 0, 1).
inline float RectifiedSigmoid(float v) {
  return std::clamp((kZeta - kGamma) / (1.0F + std::exp(-v)) + kGamma, 0.0F, 1.0F);
}

// The V at which h(V) = fraction.  REQUIRES: 0 <= fraction <= 1.
inline float InverseRectifiedSigmoid(float fraction) {
  const float sigmoid = (fraction - kGamma) / (kZeta - kGamma);
  return std::log(sigmoid / (1.0F - sigmoid));
}

// 1 - |2h - 1|^beta.
inline float RoundingRegularizer(float h, float beta) {
  return 1.0F - std::pow(std::abs(2.0F * h - 1.0F), beta);
}

// Its derivative by h.
inline float RoundingRegularizerDerivative(float h, float beta) {
  const float t = 2.0F * h - 1.0F;
  const float power = std::pow(std::max(std::abs(t), kTinyDistance), beta - 1.0F);
  return -2.0F * beta * std::copysign(power, t);
}

}  // namespace adaround
