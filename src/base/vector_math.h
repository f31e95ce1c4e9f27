// Exponentials and logarithms that a loop can use without leaving its vector registers: the
// compiler turns such loops into instructions of the widest registers that the build may use.
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

// e^x for x <= 0; below -708, where results are no normal numbers, that of -708.
// Relative error below 4e-16.
inline double ExpOfNegative(double x) {
  x = x > -708.0 ? x : -708.0;
  // x = whole * log(2) + rest. Adding 1.5 * 2^52 leaves the nearest integer in the lowest bits of
  // the sum; log(2) is subtracted in two parts, of which the first has zeros for its last bits.
  constexpr double kToInteger = 6755399441055744.0;
  const double shifted = x * 1.4426950408889634 + kToInteger;
  const double whole = shifted - kToInteger;
  const double rest = (x - whole * 6.93147180369123816490e-01) - whole * 1.90821492927058770002e-10;
  // Taylor's series: |rest| <= 0.3466, and rest^13 / 13! < 2e-16.
  double power = 1.0 / 479001600;
  power = power * rest + 1.0 / 39916800;
  power = power * rest + 1.0 / 3628800;
  power = power * rest + 1.0 / 362880;
  power = power * rest + 1.0 / 40320;
  power = power * rest + 1.0 / 5040;
  power = power * rest + 1.0 / 720;
  power = power * rest + 1.0 / 120;
  power = power * rest + 1.0 / 24;
  power = power * rest + 1.0 / 6;
  power = power * rest + 0.5;
  power = power * rest + 1.0;
  power = power * rest + 1.0;
  const int64_t exponent = std::bit_cast<int64_t>(shifted) - std::bit_cast<int64_t>(kToInteger);
  return std::bit_cast<double>(std::bit_cast<int64_t>(power) + exponent * (int64_t{1} << 52));
}

}  // namespace adaround
