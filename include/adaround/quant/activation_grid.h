// The uniform grid that an activation tensor is stored on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "adaround/tensor/tensor.h"

namespace adaround {

// The grid of an activation tensor: one scale and zero point for all of it, unsigned integers.
//   q = clip(round_half_to_even(x / scale) + zero_point, 0, 2^bit_width - 1)
// Zero lies on the grid: 0 <= zero_point < 2^bit_width.
struct ActivationGrid {
  int bit_width = 8;
  float scale = 1.0F;  // > 0, finite, normal
  int32_t zero_point = 0;

  int32_t q_max() const { return (1 << bit_width) - 1; }
  // Every violation; empty = sound.
  std::vector<std::string> Validate() const;
  // scale * (q - zero_point) of each element, as QuantizeLinear and DequantizeLinear make it.
  // REQUIRES: float32.
  Tensor QuantizeDequantize(const Tensor& x) const;
};

}  // namespace adaround
