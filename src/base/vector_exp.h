// An exponential that a loop over doubles can use without leaving its vector registers.
#pragma once

#include <bit>
#include <cstdint>

namespace adaround {

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
