#include <cfenv>

#include "runtime/kernel_testing.h"

namespace adaround {
namespace {

// The scale of element `index` of a tensor, written as the operator's definition has it: the index
// along the axis divided by the block, all other indices kept (blocks) or dropped (per axis).
int64_t ScaleIndex(const Shape& shape, int64_t index, int64_t axis, int64_t block,
                   const Shape& scale_shape) {
  if (NumElements(scale_shape) == 1) return 0;
  const Shape strides = Strides(shape);
  const Shape scale_strides = Strides(scale_shape);
  if (block == 0) {
    const size_t a = static_cast<size_t>(axis);
    return index / strides[a] % shape[a];
  }
  int64_t result = 0;
  for (size_t d = 0; d < shape.size(); ++d) {
    const int64_t position = index / strides[d] % shape[d];
    result += (static_cast<int64_t>(d) == axis ? position / block : position) * scale_strides[d];
  }
  return result;
}

struct Layout {
  Shape shape;
  Shape scale_shape;
  int64_t axis;
  int64_t block;
};

std::vector<Layout> Layouts() {
  return {
      {{2, 3, 5}, {}, 1, 0},           // per tensor
      {{2, 3, 5}, {1}, 1, 0},          // the same with a list of one
      {{2, 3, 5}, {3}, 1, 0},          // per axis, in the middle
      {{2, 3, 5}, {5}, 2, 0},          // the last
      {{4, 3, 3, 3}, {4}, 0, 0},       // the first
      {{2, 7, 5}, {2, 3, 5}, 1, 3},    // blocks with a shorter last one
      {{3, 10}, {3, 3}, 1, 4},         // along the last axis
      {{6, 4}, {2, 4}, 0, 3},          // along the first
      {{3, 4}, {3, 1}, 1, 100},        // a block longer than the axis
  };
}

std::map<std::string, Attribute> AttributesOf(const Layout& layout) {
  std::map<std::string, Attribute> attributes = {{"axis", layout.axis}};
  if (layout.block != 0) attributes["block_size"] = layout.block;
  return attributes;
}

Tensor PositiveTensor(const Shape& shape, uint32_t seed) {
  Tensor tensor = RandomTensor(shape, seed);
  for (int64_t i = 0; i < tensor.num_elements(); ++i) {
    tensor.mutable_data<float>()[i] = 0.05F + 0.1F * std::abs(tensor.data<float>()[i]);
  }
  return tensor;
}

template <typename T>
Tensor RandomIntegers(const Shape& shape, uint32_t seed, int low, int high) {
  std::mt19937 generator(seed);
  std::uniform_int_distribution<int> uniform(low, high);
  Tensor tensor(DTypeOf<T>(), shape);
  for (int64_t i = 0; i < tensor.num_elements(); ++i) {
    tensor.mutable_data<T>()[i] = static_cast<T>(uniform(generator));
  }
  return tensor;
}

template <typename T>
void CheckDequantize(const Layout& layout, int low, int high) {
  SCOPED_TRACE(ShapeToString(layout.shape) + " " + ShapeToString(layout.scale_shape));
  const Tensor x = RandomIntegers<T>(layout.shape, 1, low, high);
  const Tensor scale = PositiveTensor(layout.scale_shape, 2);
  const Tensor zero_point = RandomIntegers<T>(layout.scale_shape, 3, low, high);
  const Tensor y = RunNode(MakeNode("DequantizeLinear", 3, AttributesOf(layout)),
                           {x, scale, zero_point}, 21)[0];
  ASSERT_EQ(y.shape(), layout.shape);
  for (int64_t i = 0; i < y.num_elements(); ++i) {
    const int64_t s =
        ScaleIndex(layout.shape, i, layout.axis, layout.block, layout.scale_shape);
    const int difference =
        static_cast<int>(x.data<T>()[i]) - static_cast<int>(zero_point.data<T>()[s]);
    EXPECT_EQ(y.data<float>()[i], static_cast<float>(difference) * scale.data<float>()[s]);
  }
}

template <typename T>
void CheckQuantize(const Layout& layout, int low, int high, int64_t output_dtype = 0) {
  SCOPED_TRACE(ShapeToString(layout.shape) + " " + ShapeToString(layout.scale_shape));
  Tensor x = RandomTensor(layout.shape, 4);
  // Both far beyond the range and inside it.
  const float spread = static_cast<float>(high - low) * 0.2F;
  for (int64_t i = 0; i < x.num_elements(); ++i) x.mutable_data<float>()[i] *= spread;
  const Tensor scale = PositiveTensor(layout.scale_shape, 5);
  const Tensor zero_point = RandomIntegers<T>(layout.scale_shape, 6, low, high);
  std::map<std::string, Attribute> attributes = AttributesOf(layout);
  if (output_dtype != 0) attributes["output_dtype"] = output_dtype;
  const Tensor y =
      RunNode(MakeNode("QuantizeLinear", 3, attributes), {x, scale, zero_point}, 21)[0];
  ASSERT_EQ(y.shape(), layout.shape);
  ASSERT_EQ(y.dtype(), DTypeOf<T>());
  std::fesetround(FE_TONEAREST);
  for (int64_t i = 0; i < y.num_elements(); ++i) {
    const int64_t s =
        ScaleIndex(layout.shape, i, layout.axis, layout.block, layout.scale_shape);
    const double steps = std::nearbyint(
        static_cast<double>(x.data<float>()[i] / scale.data<float>()[s]));
    const double wanted = std::clamp(steps + static_cast<double>(zero_point.data<T>()[s]),
                                     static_cast<double>(low), static_cast<double>(high));
    EXPECT_EQ(static_cast<double>(y.data<T>()[i]), wanted);
  }
}

TEST(DequantizeLinearKernel, AgreesWithTheDefinitionForEveryLayoutAndDType) {
  for (const Layout& layout : Layouts()) {
    CheckDequantize<int8_t>(layout, -128, 127);
    CheckDequantize<uint8_t>(layout, 0, 255);
    CheckDequantize<int16_t>(layout, -32768, 32767);
    CheckDequantize<uint16_t>(layout, 0, 65535);
    CheckDequantize<int32_t>(layout, -100000, 100000);
  }
}

TEST(QuantizeLinearKernel, AgreesWithTheDefinitionForEveryLayoutAndDType) {
  for (const Layout& layout : Layouts()) {
    CheckQuantize<int8_t>(layout, -128, 127);
    CheckQuantize<uint8_t>(layout, 0, 255);
    CheckQuantize<int16_t>(layout, -32768, 32767);
    CheckQuantize<uint16_t>(layout, 0, 65535);
  }
}

TEST(QuantizeLinearKernel, FourBitsSaturateInsideBytes) {
  for (const Layout& layout : Layouts()) {
    CheckQuantize<uint8_t>(layout, 0, 15, 21);
    CheckQuantize<int8_t>(layout, -8, 7, 22);
  }
}

TEST(QuantizeLinearKernel, RoundsHalfToEvenAndSaturatesInfinities) {
  const float infinity = std::numeric_limits<float>::infinity();
  const Tensor x = Floats({8}, {0.5F, 1.5F, 2.5F, -0.5F, -1.5F, 1e30F, infinity, -infinity});
  const Tensor y = RunNode(MakeNode("QuantizeLinear", 3),
                           {x, Tensor::Scalar(1.0F), Tensor::Scalar<int8_t>(0)}, 13)[0];
  const std::vector<int8_t> wanted = {0, 2, 2, 0, -2, 127, 127, -128};
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_EQ(y.data<int8_t>()[i], wanted[i]) << i;
}

TEST(QuantizeLinearKernel, WithoutZeroPointIsUInt8OrWhatTheAttributeSays) {
  const Tensor x = Floats({3}, {-1.0F, 3.0F, 300.0F});
  const Tensor y = RunNode(MakeNode("QuantizeLinear", 2), {x, Tensor::Scalar(1.0F)}, 10)[0];
  ASSERT_EQ(y.dtype(), DType::kUInt8);
  EXPECT_EQ(y.data<uint8_t>()[0], 0);
  EXPECT_EQ(y.data<uint8_t>()[1], 3);
  EXPECT_EQ(y.data<uint8_t>()[2], 255);
  const Tensor narrow =
      RunNode(MakeNode("QuantizeLinear", 2, {{"output_dtype", int64_t{22}}}),
              {x, Tensor::Scalar(1.0F)}, 21)[0];
  ASSERT_EQ(narrow.dtype(), DType::kInt8);
  EXPECT_EQ(narrow.data<int8_t>()[0], -1);
  EXPECT_EQ(narrow.data<int8_t>()[2], 7);
}

TEST(QuantizeLinearKernel, RefusesWhatDoesNotFit) {
  const Tensor x = RandomTensor({2, 3}, 1);
  const Tensor scale = PositiveTensor({2}, 2);
  const Node quantize = MakeNode("QuantizeLinear", 2);
  EXPECT_EQ(ErrorOf(quantize, {x, scale}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("QuantizeLinear", 2, {{"axis", int64_t{5}}}), {x, scale}),
            ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("QuantizeLinear", 2, {{"output_dtype", int64_t{17}}}),
                    {x, Tensor::Scalar(1.0F)}, 21),
            ErrorCode::kUnsupported);
  const Tensor integers = RandomIntegers<int8_t>({2, 3}, 1, -5, 5);
  EXPECT_EQ(ErrorOf(MakeNode("DequantizeLinear", 3),
                    {integers, Tensor::Scalar(1.0F), Tensor::Scalar<uint8_t>(1)}),
            ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("DequantizeLinear", 2, {{"block_size", int64_t{-1}}}),
                    {integers, Tensor::Scalar(1.0F)}, 21),
            ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("DequantizeLinear", 2), {x, Tensor::Scalar(1.0F)}),
            ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace adaround
