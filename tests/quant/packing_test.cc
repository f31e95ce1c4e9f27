#include "quant/packing.h"

#include <gtest/gtest.h>

#include <random>

namespace adaround {
namespace {

TEST(Packing, RoundTripsEveryWidthAndCount) {
  std::mt19937 generator(1);
  for (int bit_width = 2; bit_width <= 8; ++bit_width) {
    for (const bool is_signed : {true, false}) {
      const int low = is_signed ? -(1 << (bit_width - 1)) : 0;
      std::uniform_int_distribution<int> uniform(low, low + (1 << bit_width) - 1);
      for (int64_t count = 0; count < 40; ++count) {
        std::vector<int16_t> values;
        for (int64_t i = 0; i < count; ++i) {
          values.push_back(static_cast<int16_t>(uniform(generator)));
        }
        const std::vector<uint8_t> bytes = PackIntegers(values, bit_width);
        EXPECT_EQ(static_cast<int64_t>(bytes.size()), (count * bit_width + 7) / 8);
        EXPECT_EQ(PackedSize(count, bit_width), (count * bit_width + 7) / 8);
        EXPECT_EQ(UnpackIntegers(bytes, count, bit_width, is_signed), values);
      }
    }
  }
}

TEST(Packing, BitsAreCountedFromTheLeastSignificant) {
  std::mt19937 generator(2);
  for (int bit_width = 2; bit_width <= 8; ++bit_width) {
    std::uniform_int_distribution<int> uniform(0, (1 << bit_width) - 1);
    std::vector<int16_t> values;
    for (int i = 0; i < 25; ++i) values.push_back(static_cast<int16_t>(uniform(generator)));
    const std::vector<uint8_t> bytes = PackIntegers(values, bit_width);
    for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      const size_t value = bit / static_cast<size_t>(bit_width);
      const int wanted =
          value < values.size() ? (values[value] >> (bit % static_cast<size_t>(bit_width))) & 1 : 0;
      EXPECT_EQ((bytes[bit / 8] >> (bit % 8)) & 1, wanted) << "bit " << bit;
    }
  }
}

TEST(Packing, FourBitsAreOnnxInt4) {
  // ONNX: two elements a byte, the first in the low nibble; an odd count leaves the last high
  // nibble 0.
  EXPECT_EQ(PackIntegers({1, -2, 7, -8, -1}, 4), (std::vector<uint8_t>{0xE1, 0x87, 0x0F}));
  EXPECT_EQ(PackIntegers({15, 0, 9}, 4), (std::vector<uint8_t>{0x0F, 0x09}));
}

}  // namespace
}  // namespace adaround
