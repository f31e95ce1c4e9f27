// The soft roundings h(V) that a relaxation can search with, and the regularizer of eq. (24), one
// weight at a time; the loop of `soft_weights` evaluates the same formulas on a whole block.
#pragma once

#include <algorithm>
#include <cmath>

namespace adaround {

// Guards 0^(beta - 1) and log(0).
inline constexpr float kTinyDistance = 1e-12F;
// How near to 0 and 1 a sigmoid may start: V is finite, and its gradient not yet lost.
inline constexpr float kLeastSigmoid = 1e-4F;

//   h(V) = clip(sigmoid(V / temperature) (zeta - gamma) + gamma, 0, 1)
// Three of the paper's methods (arXiv:2004.10568, eq. (23) and table 3) are members of this family.
struct SoftRounding {
  float zeta = 1.0F;         // >= 1
  float gamma = 0.0F;        // <= 0
  float temperature = 1.0F;  // above 0; the lower, the nearer h is to a step

  float Value(float v) const {
    return std::clamp(Stretched(v), 0.0F, 1.0F);
  }

  // dh/dV; 0 where h is clipped.
  float Derivative(float v) const {
    const float stretched = Stretched(v);
    if (stretched <= 0.0F || stretched >= 1.0F) return 0.0F;
    const float sigmoid = Sigmoid(v);
    return sigmoid * (1.0F - sigmoid) * (zeta - gamma) / temperature;
  }

  // The V at which h(V) = fraction, as far as the sigmoid keeps kLeastSigmoid away from 0 and 1.
  // REQUIRES: 0 <= fraction <= 1.
  float Inverse(float fraction) const {
    const float sigmoid =
        std::clamp((fraction - gamma) / (zeta - gamma), kLeastSigmoid, 1.0F - kLeastSigmoid);
    return temperature * std::log(sigmoid / (1.0F - sigmoid));
  }

 private:
  float Sigmoid(float v) const { return 1.0F / (1.0F + std::exp(-v / temperature)); }
  float Stretched(float v) const { return Sigmoid(v) * (zeta - gamma) + gamma; }
};

// Eq. (23), with the paper's zeta and gamma: reaches 0 and 1 at finite V.
inline constexpr SoftRounding kRectifiedSigmoid = {.zeta = 1.1F, .gamma = -0.1F};
// Nears 0 and 1 without reaching them.
inline constexpr SoftRounding kPlainSigmoid = {};

}  // namespace adaround
