#include "adaround/quant/activation_grid.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "adaround/quant/quant_grid.h"
#include "support/graph_testing.h"

namespace adaround {
namespace {

using testing::Floats;
using testing::Op;
using testing::RandomFloats;

// Written out from the comparison of the fraction with a half: no library rounding.
double RoundHalfToEven(double value) {
  const double below = std::floor(value);
  const double fraction = value - below;
  if (fraction != 0.5) return fraction < 0.5 ? below : below + 1.0;
  return std::fmod(below, 2.0) == 0.0 ? below : below + 1.0;
}

// QuantizeLinear and DequantizeLinear of one number as ONNX defines them, saturating to
// `bit_width`.
float OnnxQuantizeDequantize(float x, float scale, int zero_point, int bit_width) {
  const double largest = std::pow(2.0, bit_width) - 1.0;
  const double q = RoundHalfToEven(static_cast<double>(x / scale)) + zero_point;
  const double saturated = q < 0.0 ? 0.0 : q > largest ? largest : q;
  return static_cast<float>(saturated - zero_point) * scale;
}

// Random numbers in and out of range, ties, zeros of either sign and extremes.
std::vector<float> ExampleValues(float scale, uint32_t seed) {
  std::vector<float> values = RandomFloats(300, seed, -300 * scale, 300 * scale);
  const std::vector<float> few = RandomFloats(100, seed + 1, -5 * scale, 5 * scale);
  values.insert(values.end(), few.begin(), few.end());
  for (int i = -600; i <= 600; ++i) values.push_back(0.5F * static_cast<float>(i) * scale);
  for (const float extreme :
       {0.0F, -0.0F, 1e30F, -1e30F, std::numeric_limits<float>::max(),
        std::numeric_limits<float>::denorm_min(), -std::numeric_limits<float>::denorm_min()}) {
    values.push_back(extreme);
  }
  return values;
}

template <typename Visit>
void ForEveryGrid(Visit visit) {
  for (int bit_width = kMinBitWidth; bit_width <= kMaxBitWidth; ++bit_width) {
    const int largest = (1 << bit_width) - 1;
    for (const int zero_point : {0, 1, largest / 2, largest - 1, largest}) {
      for (const float scale : {0.25F, 0.0173F, 3.3F, 1e-20F}) {
        SCOPED_TRACE(std::to_string(bit_width) + " bits, zero point " + std::to_string(zero_point) +
                     ", scale " + std::to_string(scale));
        visit(ActivationGrid{bit_width, scale, zero_point});
      }
    }
  }
}

TEST(ActivationGrid, QuantizesAsOnnxDefines) {
  ForEveryGrid([](const ActivationGrid& grid) {
    const std::vector<float> values = ExampleValues(grid.scale, 1);
    const Tensor found =
        grid.QuantizeDequantize(Floats({static_cast<int64_t>(values.size())}, values));
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(found.data<float>()[i],
                OnnxQuantizeDequantize(values[i], grid.scale, grid.zero_point, grid.bit_width))
          << values[i];
    }
  });
}

TEST(ActivationGrid, AgreesWithTheOperatorsOfTheRuntime) {
  ForEveryGrid([](const ActivationGrid& grid) {
    if (grid.bit_width != 8) return;  // the operators saturate to 8 bits
    const std::vector<float> values = ExampleValues(grid.scale, 3);
    const Tensor x = Floats({static_cast<int64_t>(values.size())}, values);
    Graph graph;
    graph.inputs = {testing::FloatInput("x", x.shape())};
    graph.nodes = {Op("QuantizeLinear", {"x", "scale", "zero_point"}, {"q"}),
                   Op("DequantizeLinear", {"q", "scale", "zero_point"}, {"y"})};
    graph.outputs = {"y"};
    graph.initializers["scale"] = Tensor::Scalar(grid.scale);
    graph.initializers["zero_point"] = Tensor::Scalar(static_cast<uint8_t>(grid.zero_point));
    const Tensor wanted = testing::RunGraph(graph, {{"x", x}}, {"y"}).at("y");
    const Tensor found = grid.QuantizeDequantize(x);
    ASSERT_EQ(found.shape(), x.shape());
    for (int64_t i = 0; i < x.num_elements(); ++i) {
      ASSERT_EQ(found.data<float>()[i], wanted.data<float>()[i]) << x.data<float>()[i];
    }
  });
}

TEST(ActivationGrid, ZeroIsOnEveryGridAndTheGridIsKept) {
  ForEveryGrid([](const ActivationGrid& grid) {
    const auto no_violations = std::vector<std::string>();
    ASSERT_EQ(grid.Validate(), no_violations);
    std::vector<float> points;
    for (int q = 0; q <= grid.q_max(); ++q) {
      points.push_back(grid.scale * static_cast<float>(q - grid.zero_point));
    }
    EXPECT_EQ(points[static_cast<size_t>(grid.zero_point)], 0.0F);
    const Tensor x = Floats({static_cast<int64_t>(points.size())}, points);
    const Tensor found = grid.QuantizeDequantize(x);
    for (size_t i = 0; i < points.size(); ++i) ASSERT_EQ(found.data<float>()[i], points[i]);
  });
}

TEST(ActivationGrid, TheGivenTensorIsLeftAsItIsAndEmptyOnesPass) {
  const ActivationGrid grid{4, 0.5F, 3};
  const Tensor x = Floats({2, 2}, {0.3F, -9.0F, 100.0F, 0.0F});
  grid.QuantizeDequantize(x);
  EXPECT_EQ(x.data<float>()[1], -9.0F);
  EXPECT_EQ(grid.QuantizeDequantize(Floats({0, 3}, {})).shape(), (Shape{0, 3}));
}

TEST(ActivationGrid, ValidateRefusesEachViolation) {
  EXPECT_EQ(ActivationGrid().Validate().size(), 0u);
  for (const int bit_width : {-1, 0, 1, 9, 64}) {
    EXPECT_EQ((ActivationGrid{bit_width, 1.0F, 0}.Validate().size()), 1u) << bit_width;
  }
  for (const float scale :
       {0.0F, -1.0F, std::numeric_limits<float>::infinity(),
        std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::denorm_min()}) {
    EXPECT_EQ((ActivationGrid{4, scale, 0}.Validate().size()), 1u) << scale;
  }
  for (const int zero_point : {-1, 16, 255}) {
    EXPECT_EQ((ActivationGrid{4, 1.0F, zero_point}.Validate().size()), 1u) << zero_point;
  }
  EXPECT_EQ((ActivationGrid{4, -1.0F, 16}.Validate().size()), 2u);
}

}  // namespace
}  // namespace adaround
