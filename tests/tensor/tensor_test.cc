#include "adaround/tensor/tensor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "support/error_testing.h"

namespace adaround {
namespace {

TEST(Shape, CountsElementsAndRefusesOverflow) {
  EXPECT_EQ(CheckedNumElements({}), 1);
  EXPECT_EQ(CheckedNumElements({2, 3, 4}), 24);
  EXPECT_EQ(CheckedNumElements({5, 0}), 0);
  EXPECT_FALSE(CheckedNumElements({-1, 3}));
  EXPECT_FALSE(CheckedNumElements({0, -1}));
  EXPECT_FALSE(CheckedNumElements({int64_t{1} << 40, int64_t{1} << 40}));
  EXPECT_FALSE(CheckedNumElements({0, int64_t{1} << 40, int64_t{1} << 40}));
  EXPECT_EQ(CheckedNumElements({int64_t{1} << 31, int64_t{1} << 31}), int64_t{1} << 62);
  EXPECT_THROW(NumElements({-1}), std::logic_error);
}

TEST(Shape, StridesAreRowMajor) {
  EXPECT_EQ(Strides({2, 3, 4}), (Shape{12, 4, 1}));
  EXPECT_EQ(Strides({}), Shape{});
  EXPECT_EQ(ShapeToString({2, 3}), "[2, 3]");
}

TEST(Tensor, ReshapedSharesAndCloneCopies) {
  Tensor tensor = Tensor::FromVector<int32_t>({2, 2}, {1, 2, 3, 4});
  const Tensor reshaped = tensor.Reshaped({4});
  const Tensor clone = tensor.Clone();
  tensor.mutable_data<int32_t>()[0] = 9;
  EXPECT_EQ(reshaped.data<int32_t>()[0], 9);
  EXPECT_EQ(clone.data<int32_t>()[0], 1);
  EXPECT_THROW(tensor.Reshaped({3}), std::logic_error);
  EXPECT_THROW(tensor.data<float>(), std::logic_error);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.raw()) % 64, 0u);
}

TEST(Tensor, ConvertsEveryHalfPrecisionNumber) {
  Tensor half(DType::kFloat16, {1 << 16});
  for (int bits = 0; bits < (1 << 16); ++bits) {
    const auto pattern = static_cast<uint16_t>(bits);
    std::memcpy(half.mutable_raw() + 2 * bits, &pattern, 2);
  }
  const Tensor wide = ConvertTo(half, DType::kFloat32);
  for (int bits = 0; bits < (1 << 16); ++bits) {
    const int exponent = (bits >> 10) & 31;
    const int mantissa = bits & 1023;
    double wanted = exponent == 31   ? INFINITY
                    : exponent == 0 ? std::ldexp(mantissa, -24)
                                    : std::ldexp(1024 + mantissa, exponent - 25);
    if ((bits & 0x8000) != 0) wanted = -wanted;
    const float found = wide.data<float>()[bits];
    if (exponent == 31 && mantissa != 0) {
      EXPECT_TRUE(std::isnan(found));
    } else {
      EXPECT_EQ(static_cast<double>(found), wanted);
      EXPECT_EQ(std::signbit(found), std::signbit(wanted));
    }
  }
}

TEST(Tensor, ConvertsBetweenKinds) {
  const Tensor floats = Tensor::FromVector<float>({3}, {1.9F, -1.9F, 0.0F});
  const Tensor ints = ConvertTo(floats, DType::kInt64);
  EXPECT_EQ(ToInt64Vector(ints), (std::vector<int64_t>{1, -1, 0}));
  const Tensor flags = ConvertTo(floats, DType::kBool);
  EXPECT_TRUE(flags.data<bool>()[1]);
  EXPECT_FALSE(flags.data<bool>()[2]);
  EXPECT_EQ(ToInt64Vector(Tensor::FromVector<uint8_t>({1}, {255})), std::vector<int64_t>{255});
  testing::ExpectErrorWith(ErrorCode::kUnsupported, {"float32"}, [&] { ToInt64Vector(floats); });
  testing::ExpectErrorWith(ErrorCode::kUnsupported, {"bfloat16"},
                           [&] { ConvertTo(floats, DType::kBFloat16); });
}

}  // namespace
}  // namespace adaround
