#include "adaround/model/quantized_model.h"

#include <gtest/gtest.h>

#include <random>

namespace adaround {
namespace {

// A ConvTranspose weight [4, 3, 5] with two groups: 6 rows of 10 weights.
QuantizedTensor ExampleTensor(Granularity granularity, bool symmetric) {
  QuantizedTensor tensor;
  tensor.shape = {4, 3, 5};
  tensor.layout = {1, 2};
  tensor.grid = MakeGrid(4, symmetric, granularity, 4);
  std::mt19937 generator(1);
  std::uniform_real_distribution<float> scale(0.1F, 1.0F);
  std::uniform_int_distribution<int> integer(tensor.grid.q_min, tensor.grid.q_max);
  for (int64_t i = 0; i < tensor.grid.NumScales(6, 10); ++i) {
    tensor.grid.scale.push_back(scale(generator));
    tensor.grid.zero_point.push_back(symmetric ? 0 : integer(generator));
  }
  for (int i = 0; i < 60; ++i) tensor.integers.push_back(static_cast<int16_t>(integer(generator)));
  return tensor;
}

TEST(QuantizedTensor, DequantizeMatchesIndexArithmetic) {
  for (const Granularity granularity :
       {Granularity::kPerTensor, Granularity::kPerChannel, Granularity::kPerGroup}) {
    for (const bool symmetric : {true, false}) {
      const QuantizedTensor tensor = ExampleTensor(granularity, symmetric);
      const auto no_violations = std::vector<std::string>();
      ASSERT_EQ(tensor.Validate(), no_violations);
      const Tensor real = tensor.Dequantize();
      ASSERT_EQ(real.shape(), tensor.shape);
      for (int64_t input = 0; input < 4; ++input) {
        for (int64_t output = 0; output < 3; ++output) {
          for (int64_t tap = 0; tap < 5; ++tap) {
            const int64_t row = input / 2 * 3 + output;
            const int64_t k = input % 2 * 5 + tap;
            const int64_t scale = granularity == Granularity::kPerTensor    ? 0
                                  : granularity == Granularity::kPerChannel ? row
                                                                            : row * 3 + k / 4;
            const int64_t at = (input * 3 + output) * 5 + tap;
            const auto s = static_cast<size_t>(scale);
            EXPECT_EQ(real.data<float>()[at],
                      tensor.grid.scale[s] *
                          static_cast<float>(tensor.integers[static_cast<size_t>(at)] -
                                             tensor.grid.zero_point[s]));
          }
        }
      }
    }
  }
}

TEST(QuantizedTensor, ValidateRefusesEachViolation) {
  const auto violations = [](auto change) {
    QuantizedTensor tensor = ExampleTensor(Granularity::kPerChannel, true);
    change(tensor);
    return tensor.Validate().size();
  };
  EXPECT_EQ(violations([](QuantizedTensor&) {}), 0u);
  EXPECT_EQ(violations([](QuantizedTensor& t) { t.integers.pop_back(); }), 1u);
  EXPECT_EQ(violations([](QuantizedTensor& t) { t.integers[5] = 8; }), 1u);
  EXPECT_EQ(violations([](QuantizedTensor& t) { t.integers[5] = -9; }), 1u);
  EXPECT_EQ(violations([](QuantizedTensor& t) { t.grid.scale[0] = 0; }), 1u);
  EXPECT_EQ(violations([](QuantizedTensor& t) { t.layout.axis = 3; }), 1u);
  EXPECT_EQ(violations([](QuantizedTensor& t) { t.layout.axis = -1; }), 1u);
  EXPECT_EQ(violations([](QuantizedTensor& t) { t.layout.groups = 3; }), 1u);
  EXPECT_EQ(violations([](QuantizedTensor& t) { t.layout.groups = 0; }), 1u);
  EXPECT_EQ(violations([](QuantizedTensor& t) { t.shape = {}; }), 1u);
  EXPECT_EQ(violations([](QuantizedTensor& t) { t.shape = {4, -3, 5}; }), 1u);
}

TEST(QuantizedTensor, PackedBytesCountIntegersScalesAndZeroPoints) {
  // 60 weights of 4 bits; 6 float32 scales; zero points only where they are not all zero.
  EXPECT_EQ(ExampleTensor(Granularity::kPerChannel, true).PackedBytes(), 30 + 24);
  EXPECT_EQ(ExampleTensor(Granularity::kPerChannel, false).PackedBytes(), 30 + 24 + 6);
}

TEST(QuantizedModel, DequantizedHoldsEveryWeight) {
  QuantizedModel model;
  model.graph.initializers["b"] = Tensor::Scalar(1.0F);
  model.weights["w"] = ExampleTensor(Granularity::kPerChannel, true);
  const Graph graph = model.Dequantized();
  EXPECT_EQ(graph.initializers.size(), 2u);
  EXPECT_EQ(graph.initializers.at("w").shape(), (Shape{4, 3, 5}));
}

}  // namespace
}  // namespace adaround
