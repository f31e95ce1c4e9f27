// Exponentials and logarithms that a loop over floats can use without leaving its vector registers:
// the compiler turns such loops into instructions of the widest registers that the build may use.
#pragma once

#include <bit>
#include <cstdint>

namespace adaround {

// 2^x, x clamped to -126 ... 126.  Relative error below 3e-7.
inline float Exp2(float x) {
  x = x > -126.0F ? x : -126.0F;
  x = x < 126.0F ? x : 126.0F;
  // Adding 1.5 * 2^23 leaves the nearest integer in the lowest bits of the sum.
  constexpr float kToInteger = 12582912.0F;
  const float shifted = x + kToInteger;
  const float rest = x - (shifted - kToInteger);  // -0.5 ... 0.5
  const int32_t whole = std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(kToInteger);
  // The polynomial of this degree with the least greatest relative error.
  float power = 0.00132765F;
  power = power * rest + 0.00967554F;
  power = power * rest + 0.05550713F;
  power = power * rest + 0.2402212F;
  power = power * rest + 0.69314697F;
  power = power * rest + 1.00000007F;
  return std::bit_cast<float>(std::bit_cast<int32_t>(power) + (whole << 23));
}

// The binary logarithm.  Error below 2e-6 of the result near 1, and 1e-6 + 1e-7 |log2 x| elsewhere.
// REQUIRES: x is positive, finite and not subnormal.
inline float Log2(float x) {
  constexpr int32_t kSqrtHalf = 0x3F3504F3;
  const int32_t bits = std::bit_cast<int32_t>(x);
  const int32_t exponent = (bits - kSqrtHalf) >> 23;
  const float rest = std::bit_cast<float>(bits - (exponent << 23)) - 1.0F;  // -0.293 ... 0.415
  // log2(1 + rest) / rest, as above.
  float quotient = 0.17162436F;
  quotient = quotient * rest - 0.26932014F;
  quotient = quotient * rest + 0.29569955F;
  quotient = quotient * rest - 0.35937165F;
  quotient = quotient * rest + 0.48062677F;
  quotient = quotient * rest - 0.72136358F;
  quotient = quotient * rest + 1.44269645F;
  return quotient * rest + static_cast<float>(exponent);
}

}  // namespace adaround
