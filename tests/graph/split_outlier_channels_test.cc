#include "graph/passes/split_outlier_channels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "graph/linear_layer.h"
#include "support/graph_testing.h"

namespace adaround {
namespace {

using testing::FloatInput;
using testing::Op;
using testing::RandomTensor;
using testing::RelativeDifference;
using testing::RunGraph;

// One layer of each kind without groups, each with an outlier: [1, 4, 5, 5] -> several outputs.
Graph EveryKind() {
  Graph graph;
  graph.inputs = {FloatInput("image", {-1, 4, 5, 5}), FloatInput("row", {-1, 6}),
                  FloatInput("sequence", {-1, 3, 6})};
  graph.nodes.push_back(Op("Conv", {"image", "conv.w", "conv.b"}, {"conv"}));
  graph.nodes.push_back(Op("ConvTranspose", {"image", "transposed.w"}, {"transposed"}));
  graph.nodes.push_back(Op("Gemm", {"row", "gemm.w", "gemm.b"}, {"gemm"}));
  graph.nodes.push_back(Op("Gemm", {"row", "gemm_t.w"}, {"gemm_t"}, {{"transB", int64_t{1}}}));
  graph.nodes.push_back(Op("MatMul", {"sequence", "matmul.w"}, {"matmul"}));
  graph.initializers["conv.w"] = RandomTensor({7, 4, 3, 3}, 1);
  graph.initializers["conv.b"] = RandomTensor({7}, 2);
  graph.initializers["transposed.w"] = RandomTensor({4, 5, 2, 2}, 3);
  graph.initializers["gemm.w"] = RandomTensor({6, 5}, 4);
  graph.initializers["gemm.b"] = RandomTensor({5}, 5);
  graph.initializers["gemm_t.w"] = RandomTensor({5, 6}, 6);
  graph.initializers["matmul.w"] = RandomTensor({6, 5}, 7);
  graph.outputs = {"conv", "transposed", "gemm", "gemm_t", "matmul"};
  for (auto& [name, tensor] : graph.initializers) {
    if (name.ends_with(".w")) tensor.mutable_data<float>()[tensor.num_elements() / 2] = -6.0F;
  }
  return graph;
}

TensorMap Samples() {
  return {{"image", RandomTensor({1, 4, 5, 5}, 11)},
          {"row", RandomTensor({1, 6}, 12)},
          {"sequence", RandomTensor({1, 3, 6}, 13)}};
}

// The graph's tensors are shared between copies; a pass must not write into them.
Graph DeepCopy(const Graph& graph) {
  Graph copy = graph;
  for (auto& [name, tensor] : copy.initializers) tensor = tensor.Clone();
  return copy;
}

float Largest(const Tensor& tensor) {
  float largest = 0.0F;
  for (int64_t i = 0; i < tensor.num_elements(); ++i) {
    largest = std::max(largest, std::abs(tensor.data<float>()[i]));
  }
  return largest;
}

OutlierSplit SplitAll(const OutlierSplitOptions& options, Graph& graph) {
  std::map<std::string, OutlierSplitOptions> all;
  for (const LinearLayer& layer : FindLinearLayers(graph).layers) all[layer.name] = options;
  return SplitOutlierChannels(all, graph);
}

OutlierSplitOptions Ratio(double ratio, bool scale_per_row = false, int steps = 7) {
  OutlierSplitOptions options;
  options.ratio = ratio;
  options.scale_per_row = scale_per_row;
  options.steps = steps;
  return options;
}

TEST(SplitOutlierChannels, EveryKindComputesTheSame) {
  for (const double ratio : {0.01, 0.5, 1.0}) {
    for (const bool scale_per_row : {false, true}) {
      const Graph before = EveryKind();
      Graph after = DeepCopy(before);
      const OutlierSplit split = SplitAll(Ratio(ratio, scale_per_row), after);
      const auto no_violations = std::vector<std::string>();
      EXPECT_EQ(after.Validate(), no_violations);
      EXPECT_TRUE(split.left.empty());
      ASSERT_EQ(split.layers.size(), 5u);
      const std::set<std::string> outputs(before.outputs.begin(), before.outputs.end());
      const TensorMap wanted = RunGraph(before, Samples(), outputs);
      const TensorMap found = RunGraph(after, Samples(), outputs);
      for (const std::string& output : before.outputs) {
        // Sums of up to 36 products in another order.
        EXPECT_LT(RelativeDifference(found.at(output), wanted.at(output)), 2e-6) << output;
      }
    }
  }
}

TEST(SplitOutlierChannels, TheLargestWeightFalls) {
  const Graph before = EveryKind();
  Graph after = DeepCopy(before);
  SplitAll(Ratio(0.1), after);
  for (const auto& [name, tensor] : before.initializers) {
    if (!name.ends_with(".w")) continue;
    EXPECT_EQ(Largest(tensor), 6.0F);
    // Half, and a quarter of a step of what is then the largest, or of a seventh of it.
    const float largest = Largest(after.initializers.at(name));
    EXPECT_LE(largest, 3.0F + 3.0F / 7 / 4 * 1.001F) << name;
    EXPECT_GE(largest, 3.0F) << name;
  }
}

// The copies of each channel sum to it exactly, however often it was split.
TEST(SplitOutlierChannels, CopiesSumToTheWeightExactly) {
  Graph graph;
  graph.inputs = {FloatInput("x", {-1, 8})};
  graph.nodes.push_back(Op("Gemm", {"x", "w"}, {"y"}, {{"transB", int64_t{1}}}));
  graph.outputs = {"y"};
  std::vector<float> values = testing::RandomFloats(8 * 50, 20);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = std::ldexp(values[i], -static_cast<int>(i % 60));  // down to 1e-18
  }
  graph.initializers["w"] = testing::Floats({50, 8}, values);
  for (const bool scale_per_row : {false, true}) {
    Graph after = DeepCopy(graph);
    const OutlierSplit split = SplitAll(Ratio(1.0, scale_per_row), after);
    ASSERT_EQ(split.layers.front().num_split_channels, 8);
    EXPECT_EQ(split.layers.front().num_added_weights, 8 * 50);
    const Tensor& weight = after.initializers.at("w");
    ASSERT_EQ(weight.shape(), (Shape{50, 16}));
    const Node& gather = after.nodes.front();
    ASSERT_EQ(gather.op, "Gather");
    const std::vector<int64_t> source = ToInt64Vector(after.initializers.at(gather.inputs[1]));
    for (int64_t row = 0; row < 50; ++row) {
      std::vector<double> sums(8, 0.0);  // of float32 numbers: exact in float64
      for (size_t k = 0; k < 16; ++k) {
        sums[static_cast<size_t>(source[k])] +=
            static_cast<double>(weight.data<float>()[row * 16 + static_cast<int64_t>(k)]);
      }
      for (size_t k = 0; k < 8; ++k) {
        EXPECT_EQ(sums[k], static_cast<double>(values[static_cast<size_t>(row) * 8 + k]));
      }
    }
  }
}

// The reason for the shift by half a step: rounded to nearest on the grid that it is meant for, the
// two copies sum to w rounded to nearest.
TEST(SplitOutlierChannels, RoundedCopiesSumToTheRoundedWeight) {
  constexpr float kScale = 0.5F;
  Graph graph;
  graph.inputs = {FloatInput("x", {-1, 2})};
  graph.nodes.push_back(Op("MatMul", {"x", "w"}, {"y"}));
  graph.outputs = {"y"};
  // Channel 1 holds 7 steps, so that the grid is known; channel 0's outlier is split.
  std::vector<float> values;
  for (int i = 0; i < 40; ++i) values.push_back(0.17F * static_cast<float>(i - 20));
  values[0] = 13.7F * kScale;
  values.resize(80, 0.1F);
  values[40] = 7 * kScale;
  graph.initializers["w"] = testing::Floats({2, 40}, values);
  Graph after = DeepCopy(graph);
  SplitAll(Ratio(0.5), after);
  const float* weight = after.initializers.at("w").data<float>();
  ASSERT_EQ(after.initializers.at("w").shape(), (Shape{3, 40}));
  for (int i = 0; i < 40; ++i) {
    const float first = std::round(weight[i] / kScale);
    const float second = std::round(weight[80 + i] / kScale);
    EXPECT_EQ(first + second, std::round(values[static_cast<size_t>(i)] / kScale)) << i;
  }
}

TEST(SplitOutlierChannels, LeavesGroupsSharedWeightsAndZerosAlone) {
  Graph graph;
  graph.inputs = {FloatInput("x", {-1, 4, 3, 3})};
  graph.nodes.push_back(Op("Conv", {"x", "depthwise.w"}, {"depthwise"}, {{"group", int64_t{4}}}));
  graph.nodes.push_back(Op("Conv", {"x", "grouped.w"}, {"grouped"}, {{"group", int64_t{2}}}));
  graph.nodes.push_back(Op("Conv", {"x", "shared.w"}, {"first"}));
  graph.nodes.push_back(Op("Conv", {"first", "shared.w"}, {"second"}));
  graph.nodes.push_back(Op("Conv", {"second", "zero.w"}, {"zero"}));
  graph.nodes.push_back(Op("Conv", {"second", "seen.w"}, {"seen"}));
  graph.initializers["depthwise.w"] = RandomTensor({4, 1, 1, 1}, 1);
  graph.initializers["grouped.w"] = RandomTensor({4, 2, 1, 1}, 2);
  graph.initializers["shared.w"] = RandomTensor({4, 4, 1, 1}, 3);
  graph.initializers["zero.w"] = Tensor::Zeros(DType::kFloat32, {4, 4, 1, 1});
  graph.initializers["seen.w"] = RandomTensor({4, 4, 1, 1}, 4);
  graph.outputs = {"depthwise", "grouped", "zero", "seen", "seen.w"};
  Graph after = DeepCopy(graph);
  const OutlierSplit split = SplitAll(Ratio(0.5), after);
  EXPECT_TRUE(split.layers.empty());
  ASSERT_EQ(split.left.size(), 6u);
  EXPECT_EQ(split.left[0], "depthwise: it has groups");
  EXPECT_EQ(split.left[2], "first: its weight is read elsewhere too");
  EXPECT_EQ(split.left[4], "zero: its weights are zero");
  EXPECT_EQ(split.left[5], "seen: its weight is read elsewhere too");
  EXPECT_EQ(after.nodes.size(), graph.nodes.size());
  for (const auto& [name, tensor] : graph.initializers) {
    const Tensor& found = after.initializers.at(name);
    ASSERT_EQ(found.shape(), tensor.shape());
    EXPECT_EQ(std::memcmp(found.raw(), tensor.raw(), tensor.num_bytes()), 0) << name;
  }
}

TEST(SplitOutlierChannels, NamesThatAreTakenAreAvoided) {
  Graph graph;
  graph.inputs = {FloatInput("x", {-1, 3})};
  graph.nodes.push_back(Op("MatMul", {"x", "w"}, {"x.split_for.y"}));
  graph.nodes.front().name = "y";
  graph.nodes.push_back(Op("Add", {"x.split_for.y", "w.split_channels"}, {"z"}));
  graph.initializers["w"] = RandomTensor({3, 4}, 1);
  graph.initializers["w.split_channels"] = RandomTensor({4}, 2);
  graph.outputs = {"z"};
  Graph after = DeepCopy(graph);
  SplitAll(Ratio(0.1), after);
  const auto no_violations = std::vector<std::string>();
  EXPECT_EQ(after.Validate(), no_violations);
  const TensorMap x = {{"x", RandomTensor({1, 3}, 3)}};
  EXPECT_LT(RelativeDifference(RunGraph(after, x, {"z"}).at("z"),
                               RunGraph(graph, x, {"z"}).at("z")),
            1e-6);
}

}  // namespace
}  // namespace adaround
