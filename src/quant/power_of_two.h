// Scales for hardware that rescales by shifts.
#pragma once

#include <cmath>

namespace adaround {

// The largest that float32 holds.
inline constexpr double kLargestPowerOfTwo = 0x1p127;

// The smallest power of two that is at least `value`.  REQUIRES: value > 0, finite.
inline double NextPowerOfTwo(double value) {
  int exponent = 0;
  const double mantissa = std::frexp(value, &exponent);  // 0.5 <= mantissa < 1
  return std::ldexp(1.0, mantissa == 0.5 ? exponent - 1 : exponent);
}

}  // namespace adaround
