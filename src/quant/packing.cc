#include "quant/packing.h"

#include "adaround/base/error.h"

namespace adaround {

int64_t PackedSize(int64_t count, int bit_width) {
  // count <= 2^62 / 8 elements always: a tensor of that many floats could not exist.
  return (count * bit_width + 7) / 8;
}

std::vector<uint8_t> PackIntegers(const std::vector<int16_t>& values, int bit_width) {
  const auto count = static_cast<int64_t>(values.size());
  std::vector<uint8_t> bytes(static_cast<size_t>(PackedSize(count, bit_width)), 0);
  const uint32_t mask = (1U << bit_width) - 1U;
  size_t bit = 0;
  for (const int16_t value : values) {
    const uint32_t bits = static_cast<uint32_t>(value) & mask;
    const size_t shift = bit % 8;
    bytes[bit / 8] |= static_cast<uint8_t>(bits << shift);
    if (shift + static_cast<size_t>(bit_width) > 8) {
      bytes[bit / 8 + 1] |= static_cast<uint8_t>(bits >> (8 - shift));
    }
    bit += static_cast<size_t>(bit_width);
  }
  return bytes;
}

std::vector<int16_t> UnpackIntegers(const std::vector<uint8_t>& bytes, int64_t count, int bit_width,
                                    bool is_signed) {
  ADAROUND_CHECK(static_cast<int64_t>(bytes.size()) == PackedSize(count, bit_width));
  std::vector<int16_t> values(static_cast<size_t>(count));
  const uint32_t mask = (1U << bit_width) - 1U;
  const uint32_t sign = is_signed ? 1U << (bit_width - 1) : 0U;
  size_t bit = 0;
  for (int16_t& value : values) {
    const size_t shift = bit % 8;
    uint32_t bits = static_cast<uint32_t>(bytes[bit / 8]) >> shift;
    if (shift + static_cast<size_t>(bit_width) > 8) {
      bits |= static_cast<uint32_t>(bytes[bit / 8 + 1]) << (8 - shift);
    }
    bits &= mask;
    value = static_cast<int16_t>(static_cast<int32_t>(bits ^ sign) - static_cast<int32_t>(sign));
    bit += static_cast<size_t>(bit_width);
  }
  return values;
}

}  // namespace adaround
