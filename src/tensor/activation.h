// Activation functions with their derivatives, element by element.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace adaround {

// One activation function f. The piecewise linear family holds identity, ReLU, ReLU6, every Clip,
// LeakyReLU and PReLU with one slope:  f(z) = clip(z > 0 ? z : negative_slope * z, lower, upper).
struct Activation {
  enum class Kind {
    kPiecewiseLinear,
    kSigmoid,
    kHardSigmoid,  // clip(alpha z + beta, 0, 1)
    kHardSwish,    // z clip(z / 6 + 1/2, 0, 1)
    kTanh,
    kGelu,      // z Phi(z)
    kGeluTanh,  // its tanh approximation
    kSilu,      // z sigmoid(z)
    kMish,      // z tanh(log(1 + exp(z)))
  };

  Kind kind = Kind::kPiecewiseLinear;
  float negative_slope = 1.0F;
  float lower = -std::numeric_limits<float>::infinity();
  float upper = std::numeric_limits<float>::infinity();
  float alpha = 0.2F;  // kHardSigmoid only
  float beta = 0.5F;   // kHardSigmoid only

  bool IsIdentity() const;
  std::string Name() const;  // "Relu", "Clip(0, 6)", "identity", ...

  // values[i] = f(z[i]); `values` may be `z`.
  void Apply(const float* z, float* values, int64_t count) const;
  // derivatives[i] = f'(z[i]); 0 at and beyond a bound.
  void Derivative(const float* z, float* derivatives, int64_t count) const;
};

// The activation of a layer: one function for all its output channels, but for bounds and slopes
// that may differ between channels (PRelu; ReLU6 once channels are equalized).
struct ChannelActivation {
  Activation function;  // what holds for every channel
  // In place of function's own where not empty: one per output channel.
  std::vector<float> lower = {};
  std::vector<float> upper = {};
  std::vector<float> negative_slope = {};

  Activation Of(int64_t channel) const;
  bool IsIdentity() const;
  // function's name; "per channel" in place of what differs: "Clip(0, per channel)".
  std::string Name() const;
};

Activation MakeRelu();
Activation MakeClip(float lower, float upper);
Activation MakeLeakyRelu(float negative_slope);

}  // namespace adaround
