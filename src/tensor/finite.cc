#include "tensor/finite.h"

#include <algorithm>
#include <bit>

namespace adaround {
namespace {

// All bits of the exponent are set in infinities and NaNs, and in nothing else.
bool IsFinite(float value) {
  constexpr uint32_t kExponent = 0x7F800000;
  return (std::bit_cast<uint32_t>(value) & kExponent) != kExponent;
}

}  // namespace

// Stretches without an early end, which the compiler vectorizes.
int64_t FirstNotFinite(const float* values, int64_t count) {
  constexpr int64_t kValuesAtOnce = 1024;
  for (int64_t begin = 0; begin < count; begin += kValuesAtOnce) {
    const int64_t end = std::min(count, begin + kValuesAtOnce);
    uint32_t found = 0;
    for (int64_t i = begin; i < end; ++i) found |= IsFinite(values[i]) ? 0U : 1U;
    if (found == 0) continue;
    return std::find_if_not(values + begin, values + end, IsFinite) - values;
  }
  return count;
}

}  // namespace adaround
