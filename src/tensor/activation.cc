#include "tensor/activation.h"

#include <Eigen/Core>
#include <cmath>
#include <sstream>

namespace adaround {
namespace {

using Array = Eigen::ArrayXf;
using ConstMap = Eigen::Map<const Eigen::ArrayXf>;
using Map = Eigen::Map<Eigen::ArrayXf>;

constexpr float kInvSqrt2 = 0.70710678118654752F;
constexpr float kInvSqrt2Pi = 0.39894228040143268F;
constexpr float kSqrt2OverPi = 0.79788456080286536F;
constexpr float kGeluCubic = 0.044715F;

Array Sigmoid(const ConstMap& z) { return (1.0F + (-z).exp()).inverse(); }

// tanh(log(1 + e^z)) without logarithms: with e = exp(-|z|) it is (1 + 2 e) / (1 + 2 e + 2 e^2) for
// z >= 0 and (e^2 + 2 e) / (e^2 + 2 e + 2) below, where nothing overflows.
Array TanhSoftplus(const ConstMap& z) {
  const Array e = (-z.abs()).exp();
  const Array above = (1.0F + 2.0F * e) / (1.0F + 2.0F * e + 2.0F * e.square());
  const Array below = (e.square() + 2.0F * e) / (e.square() + 2.0F * e + 2.0F);
  return (z >= 0.0F).select(above, below);
}

}  // namespace

bool Activation::IsIdentity() const {
  return kind == Kind::kPiecewiseLinear && negative_slope == 1.0F && std::isinf(lower) &&
         std::isinf(upper);
}

std::string Activation::Name() const {
  switch (kind) {
    case Kind::kSigmoid: return "Sigmoid";
    case Kind::kHardSigmoid: return "HardSigmoid";
    case Kind::kHardSwish: return "HardSwish";
    case Kind::kTanh: return "Tanh";
    case Kind::kGelu: return "Gelu";
    case Kind::kGeluTanh: return "Gelu(tanh)";
    case Kind::kSilu: return "SiLU";
    case Kind::kMish: return "Mish";
    case Kind::kPiecewiseLinear: break;
  }
  if (IsIdentity()) return "identity";
  if (negative_slope == 1.0F && lower == 0.0F && std::isinf(upper)) return "Relu";
  std::ostringstream name;
  if (negative_slope == 1.0F) {
    name << "Clip(" << lower << ", " << upper << ")";
  } else {
    name << "LeakyRelu(" << negative_slope << ")";
  }
  return name.str();
}

void Activation::Apply(const float* z_data, float* value_data, int64_t count) const {
  const ConstMap z(z_data, count);
  Map values(value_data, count);
  switch (kind) {
    case Kind::kPiecewiseLinear: {
      const float slope = negative_slope;
      const float low = lower;
      const float high = upper;
      for (int64_t i = 0; i < count; ++i) {
        float value = z_data[i];
        value = value > 0.0F ? value : value * slope;
        value = value < low ? low : value;
        value_data[i] = value > high ? high : value;
      }
      return;
    }
    case Kind::kSigmoid: values = Sigmoid(z); return;
    case Kind::kHardSigmoid: values = (alpha * z + beta).max(0.0F).min(1.0F); return;
    case Kind::kHardSwish: values = z * (z / 6.0F + 0.5F).max(0.0F).min(1.0F); return;
    case Kind::kTanh: values = z.tanh(); return;
    case Kind::kGelu:
      for (int64_t i = 0; i < count; ++i) {
        value_data[i] = 0.5F * z_data[i] * (1.0F + std::erf(z_data[i] * kInvSqrt2));
      }
      return;
    case Kind::kGeluTanh:
      values = 0.5F * z * (1.0F + (kSqrt2OverPi * (z + kGeluCubic * z.cube())).tanh());
      return;
    case Kind::kSilu: values = z * Sigmoid(z); return;
    case Kind::kMish: values = z * TanhSoftplus(z); return;
  }
}

void Activation::Derivative(const float* z_data, float* derivative_data, int64_t count) const {
  const ConstMap z(z_data, count);
  Map derivatives(derivative_data, count);
  switch (kind) {
    case Kind::kPiecewiseLinear: {
      const float slope = negative_slope;
      const float low = lower;
      const float high = upper;
      for (int64_t i = 0; i < count; ++i) {
        const float value = z_data[i] > 0.0F ? z_data[i] : z_data[i] * slope;
        const float derivative = z_data[i] > 0.0F ? 1.0F : slope;
        derivative_data[i] = ((value > low) & (value < high)) ? derivative : 0.0F;
      }
      return;
    }
    case Kind::kSigmoid: {
      const Array s = Sigmoid(z);
      derivatives = s * (1.0F - s);
      return;
    }
    case Kind::kHardSigmoid:
      for (int64_t i = 0; i < count; ++i) {
        const float value = alpha * z_data[i] + beta;
        derivative_data[i] = ((value > 0.0F) & (value < 1.0F)) ? alpha : 0.0F;
      }
      return;
    case Kind::kHardSwish:
      for (int64_t i = 0; i < count; ++i) {
        const float inside = z_data[i] / 3.0F + 0.5F;
        derivative_data[i] = z_data[i] <= -3.0F ? 0.0F : (z_data[i] >= 3.0F ? 1.0F : inside);
      }
      return;
    case Kind::kTanh: derivatives = 1.0F - z.tanh().square(); return;
    case Kind::kGelu:
      for (int64_t i = 0; i < count; ++i) {
        const float v = z_data[i];
        derivative_data[i] = 0.5F * (1.0F + std::erf(v * kInvSqrt2)) +
                             v * kInvSqrt2Pi * std::exp(-0.5F * v * v);
      }
      return;
    case Kind::kGeluTanh: {
      const Array t = (kSqrt2OverPi * (z + kGeluCubic * z.cube())).tanh();
      derivatives = 0.5F * (1.0F + t) + 0.5F * z * (1.0F - t.square()) * kSqrt2OverPi *
                                            (1.0F + 3.0F * kGeluCubic * z.square());
      return;
    }
    case Kind::kSilu: {
      const Array s = Sigmoid(z);
      derivatives = s * (1.0F + z * (1.0F - s));
      return;
    }
    case Kind::kMish: {
      const Array t = TanhSoftplus(z);
      derivatives = t + z * (1.0F - t.square()) * Sigmoid(z);
      return;
    }
  }
}

Activation ChannelActivation::Of(int64_t channel) const {
  Activation activation = function;
  const auto at = static_cast<size_t>(channel);
  if (!lower.empty()) activation.lower = lower[at];
  if (!upper.empty()) activation.upper = upper[at];
  if (!negative_slope.empty()) activation.negative_slope = negative_slope[at];
  return activation;
}

bool ChannelActivation::IsIdentity() const {
  return function.IsIdentity() && lower.empty() && upper.empty() && negative_slope.empty();
}

std::string ChannelActivation::Name() const {
  if (lower.empty() && upper.empty()) {
    return negative_slope.empty() ? function.Name() : "PRelu(per channel)";
  }
  const auto bound = [](const std::vector<float>& channels, float common) {
    if (!channels.empty()) return std::string("per channel");
    char text[32];
    std::snprintf(text, sizeof text, "%g", static_cast<double>(common));
    return std::string(text);
  };
  return "Clip(" + bound(lower, function.lower) + ", " + bound(upper, function.upper) + ")";
}

Activation MakeRelu() { return MakeClip(0.0F, std::numeric_limits<float>::infinity()); }

Activation MakeClip(float lower, float upper) {
  Activation activation;
  activation.lower = lower;
  activation.upper = upper;
  return activation;
}

Activation MakeLeakyRelu(float negative_slope) {
  Activation activation;
  activation.negative_slope = negative_slope;
  return activation;
}

}  // namespace adaround
