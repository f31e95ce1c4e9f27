// Adam (Kingma and Ba, arXiv:1412.6980) with its usual constants.
#pragma once

#include <cmath>

namespace adaround {

inline constexpr float kAdamBeta1 = 0.9F;
inline constexpr float kAdamBeta2 = 0.999F;
inline constexpr float kAdamEpsilon = 1e-8F;

// One step's constants, both bias corrections folded in.
struct AdamStep {
  float learning_rate = 0.0F;
  float epsilon = 0.0F;
};

class AdamSchedule {
 public:
  explicit AdamSchedule(double learning_rate)
      : learning_rate_(static_cast<float>(learning_rate)) {}

  AdamStep Next() {
    power1_ *= kAdamBeta1;
    power2_ *= kAdamBeta2;
    const float correction = std::sqrt(1.0F - power2_);
    return {learning_rate_ * correction / (1.0F - power1_), kAdamEpsilon * correction};
  }

 private:
  float learning_rate_;
  float power1_ = 1.0F;
  float power2_ = 1.0F;
};

// Arithmetic on subnormal numbers costs a hundred times as much as on others, and the moments of
// parameters at rest would decay into them. What is this small beside epsilon moves nothing.
inline constexpr float kNegligibleGradient = 1e-15F;
inline constexpr float kNegligibleSquare = 1e-33F;

inline float Settled(float value, float negligible) {
  return std::abs(value) > negligible ? value : 0.0F;
}

// How far one parameter moves, against its gradient; both moments start at zero and are the
// caller's to keep. Without branches, for loops that the compiler vectorizes.
inline float AdamMove(const AdamStep& step, float gradient, float& momentum, float& square) {
  const float settled = Settled(gradient, kNegligibleGradient);
  momentum =
      Settled(kAdamBeta1 * momentum + (1.0F - kAdamBeta1) * settled, kNegligibleGradient);
  square = Settled(kAdamBeta2 * square + (1.0F - kAdamBeta2) * settled * settled,
                   kNegligibleSquare);
  return -step.learning_rate * momentum / (std::sqrt(square) + step.epsilon);
}

}  // namespace adaround
