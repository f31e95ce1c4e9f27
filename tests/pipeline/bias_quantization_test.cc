#include "pipeline/bias_quantization.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/graph_testing.h"

namespace adaround {
namespace {

using testing::Floats;
using testing::Op;
using testing::RandomTensor;

constexpr int64_t kRows = 6;

// x -> Relu -> MaxPool -> Conv with a bias.
struct BiasExample {
  Graph graph;
  std::map<std::string, ActivationGrid> activations = {{"r", {8, 0.0371F, 0}}};
  QuantGrid grid = MakeGrid(4, true, Granularity::kPerChannel, 0);

  BiasExample() {
    graph.inputs = {testing::FloatInput("x", {-1, 3, 4, 4})};
    graph.nodes = {Op("Relu", {"x"}, {"r"}),
                   Op("MaxPool", {"r"}, {"m"}, {{"kernel_shape", testing::IntList({2, 2})}}),
                   Op("Conv", {"m", "w", "b"}, {"y"})};
    graph.outputs = {"y"};
    graph.initializers["w"] = RandomTensor({kRows, 3, 1, 1}, 1);
    graph.initializers["b"] = RandomTensor({kRows}, 2, -3.0F, 3.0F);
    for (int64_t row = 0; row < kRows; ++row) {
      grid.scale.push_back(0.01F * static_cast<float>(row + 1));
      grid.zero_point.push_back(0);
    }
  }

  BiasQuantization Run() const {
    return QuantizeBias(graph, GraphEdges(graph), FindLinearLayers(graph).layers.at(0), grid,
                        activations);
  }
};

// W x + b as a Gemm, whose factors and bias take more forms.
BiasExample GemmExample() {
  BiasExample example;
  example.graph.inputs = {testing::FloatInput("x", {-1, 3})};
  example.graph.nodes = {Op("Relu", {"x"}, {"r"}),
                         Op("Gemm", {"r", "w", "b"}, {"y"}, {{"transB", int64_t{1}}})};
  example.graph.initializers["w"] = RandomTensor({kRows, 3}, 1);
  return example;
}

void ExpectLeft(const BiasExample& example, const std::string& reason) {
  const BiasQuantization result = example.Run();
  EXPECT_FALSE(result.bias.has_value());
  EXPECT_NE(result.left_because.find(reason), std::string::npos)
      << "'" << reason << "' is not in: " << result.left_because;
}

TEST(QuantizeBias, IsTheNearestIntegerOnTheScaleOfTheProducts) {
  const BiasExample example;
  const BiasQuantization result = example.Run();
  ASSERT_TRUE(result.bias.has_value()) << result.left_because;
  EXPECT_EQ(result.left_because, "");
  const auto no_violations = std::vector<std::string>();
  EXPECT_EQ(result.bias->Validate(), no_violations);
  ASSERT_EQ(result.bias->integers.size(), static_cast<size_t>(kRows));
  const Tensor back = result.bias->Dequantize();
  for (size_t row = 0; row < static_cast<size_t>(kRows); ++row) {
    const double scale = 0.0371F * static_cast<double>(example.grid.scale[row]);  // of x times of W
    const double bias = example.graph.initializers.at("b").data<float>()[row];
    EXPECT_NEAR(result.bias->scale[row], scale, 1e-7 * scale);
    EXPECT_LE(std::abs(result.bias->integers[row] * scale - bias), 0.5001 * scale);
    EXPECT_EQ(back.data<float>()[row],
              result.bias->scale[row] * static_cast<float>(result.bias->integers[row]));
  }
}

TEST(QuantizeBias, TiesGoToTheEvenInteger) {
  BiasExample example;
  example.activations.at("r").scale = 0.5F;
  example.grid.scale.assign(kRows, 0.25F);
  example.graph.initializers["b"] =
      Floats({kRows}, {0.0625F, 0.1875F, -0.0625F, -0.1875F, 0.3125F, 0.0F});
  const BiasQuantization result = example.Run();
  ASSERT_TRUE(result.bias.has_value());
  EXPECT_EQ(result.bias->integers, (std::vector<int32_t>{0, 2, 0, -2, 2, 0}));
}

TEST(QuantizeBias, OneScaleServesAllRows) {
  BiasExample example;
  example.grid = MakeGrid(4, true, Granularity::kPerTensor, 0);
  example.grid.scale = {0.125F};
  example.grid.zero_point = {0};
  example.activations.at("r").scale = 0.5F;
  const BiasQuantization result = example.Run();
  ASSERT_TRUE(result.bias.has_value());
  EXPECT_EQ(result.bias->scale, std::vector<float>{0.0625F});
  for (size_t row = 0; row < static_cast<size_t>(kRows); ++row) {
    const double wanted = example.graph.initializers.at("b").data<float>()[row] * 16.0;
    EXPECT_LE(std::abs(result.bias->integers[row] - wanted), 0.5);
  }
}

TEST(QuantizeBias, ABiasAddedBehindAMatMulCountsToo) {
  BiasExample example = GemmExample();
  example.graph.nodes = {Op("Relu", {"x"}, {"r"}), Op("MatMul", {"r", "w"}, {"z"}),
                         Op("Add", {"b", "z"}, {"y"})};
  example.graph.initializers["w"] = RandomTensor({3, kRows}, 1);
  EXPECT_TRUE(example.Run().bias.has_value());
}

TEST(QuantizeBias, LeavesWhatHasNoSingleScale) {
  BiasExample example;
  example.activations.clear();
  ExpectLeft(example, "input is not quantized");

  example = BiasExample();
  example.grid = MakeGrid(4, true, Granularity::kPerGroup, 2);
  example.grid.scale.assign(12, 0.1F);
  example.grid.zero_point.assign(12, 0);
  ExpectLeft(example, "scales per group");

  example = GemmExample();
  EXPECT_TRUE(example.Run().bias.has_value());
  example.graph.nodes[1].attributes["alpha"] = 0.5;
  ExpectLeft(example, "alpha or beta");
  example = GemmExample();
  example.graph.nodes[1].attributes["beta"] = 2.0;
  ExpectLeft(example, "alpha or beta");
}

TEST(QuantizeBias, LeavesOtherShapesAndSharedBiases) {
  BiasExample example = GemmExample();
  example.graph.initializers["b"] = RandomTensor({1, kRows}, 2);
  ExpectLeft(example, "has shape [1, 6]");
  example.graph.initializers["b"] = Tensor::Scalar(0.5F);
  ExpectLeft(example, "has shape []");
  example.graph.initializers["b"] = Floats({1}, {0.5F});
  ExpectLeft(example, "has shape [1]");

  example = BiasExample();
  example.graph.nodes.push_back(Op("Add", {"x", "b"}, {"z"}));
  ExpectLeft(example, "shared");
  example = BiasExample();
  example.graph.outputs.push_back("b");
  ExpectLeft(example, "shared");
}

TEST(QuantizeBias, LeavesWhatDoesNotFit) {
  BiasExample example;
  example.graph.initializers["b"] = Floats({kRows}, {0, 0, 0, 0, 0, 1e30F});
  ExpectLeft(example, "too large for 32 bits");
  // Just within, and just beyond, the room that is left for the products: 2^30.
  example.activations.at("r").scale = 0.5F;
  example.grid.scale.assign(kRows, 0.5F);
  example.graph.initializers["b"] = Floats({kRows}, {0x1p28F, -0x1p28F, 0, 0, 0, 0});
  const BiasQuantization result = example.Run();
  ASSERT_TRUE(result.bias.has_value());
  EXPECT_EQ(result.bias->integers[0], 1 << 30);
  EXPECT_EQ(result.bias->integers[1], -(1 << 30));
  example.graph.initializers["b"] = Floats({kRows}, {0x1.00001p28F, 0, 0, 0, 0, 0});
  ExpectLeft(example, "too large for 32 bits");
  // The product of two small scales is no normal number.
  example = BiasExample();
  example.activations.at("r").scale = 1e-30F;
  example.grid.scale.assign(kRows, 1e-30F);
  example.graph.initializers["b"] = Floats({kRows}, {0, 0, 0, 0, 0, 0});
  ExpectLeft(example, "scale of its products");
}

}  // namespace
}  // namespace adaround
