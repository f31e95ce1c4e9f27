// Adam (Kingma and Ba, arXiv:1412.6980) with its usual constants, on stretches of parameters.
#pragma once

#include <cmath>

#include "rounding/stretch.h"

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

// Moves `parameters` against `gradient`; both moments start at zero and are the caller's to keep.
inline void AdamUpdate(const AdamStep& step, const Stretch& gradient, StretchView momentum,
                       StretchView square, StretchView parameters) {
  momentum = kAdamBeta1 * momentum + (1.0F - kAdamBeta1) * gradient;
  square = kAdamBeta2 * square + (1.0F - kAdamBeta2) * gradient.square();
  parameters -= step.learning_rate * momentum / (square.sqrt() + step.epsilon);
}

}  // namespace adaround
