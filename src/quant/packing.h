// Integers of 2 to 8 bits, packed without gaps.
#pragma once

#include <cstdint>
#include <vector>

namespace adaround {

// Bytes that `count` integers of bit_width bits take.
int64_t PackedSize(int64_t count, int bit_width);

// Value i occupies bits [i * bit_width, (i + 1) * bit_width) of the result, counted from the least
// significant bit of byte 0; negative values in two's complement; unused bits of the last byte are
// 0. At 4 bits this is ONNX's INT4 layout (first element in the low nibble).
// REQUIRES: each value fits bit_width bits (signed or unsigned).
std::vector<uint8_t> PackIntegers(const std::vector<int16_t>& values, int bit_width);

// The inverse; `is_signed` says whether the top bit is a sign.
// REQUIRES: bytes.size() == PackedSize(count, bit_width).
std::vector<int16_t> UnpackIntegers(const std::vector<uint8_t>& bytes, int64_t count, int bit_width,
                                    bool is_signed);

}  // namespace adaround
