#include "adaround/quant/activation_grid.h"

#include <algorithm>
#include <cmath>

#include "adaround/quant/quant_grid.h"

namespace adaround {

std::vector<std::string> ActivationGrid::Validate() const {
  std::vector<std::string> violations;
  if (bit_width < kMinBitWidth || bit_width > kMaxBitWidth) {
    violations.push_back("bit width " + std::to_string(bit_width) + " is outside " +
                         std::to_string(kMinBitWidth) + " to " + std::to_string(kMaxBitWidth));
    return violations;
  }
  if (!std::isnormal(scale) || scale < 0.0F) {
    violations.push_back("scale " + std::to_string(scale) + " is not a normal positive number");
  }
  if (zero_point < 0 || zero_point > q_max()) {
    violations.push_back("zero point " + std::to_string(zero_point) + " is outside 0 to " +
                         std::to_string(q_max()));
  }
  return violations;
}

Tensor ActivationGrid::QuantizeDequantize(const Tensor& x) const {
  Tensor result(DType::kFloat32, x.shape());
  const float* in = x.data<float>();
  float* out = result.mutable_data<float>();
  const auto low = static_cast<float>(-zero_point);
  const auto high = static_cast<float>(q_max() - zero_point);
  for (int64_t i = 0; i < x.num_elements(); ++i) {
    // The zero point is whole: rounding and clipping before or after it is added is the same.
    out[i] = scale * std::clamp(std::nearbyint(in[i] / scale), low, high);
  }
  return result;
}

}  // namespace adaround
