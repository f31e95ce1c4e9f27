#include "graph/passes/absorb_bias.h"

#include <gtest/gtest.h>

#include "support/graph_testing.h"

namespace adaround {
namespace {

using testing::FloatInput;
using testing::IntList;
using testing::Op;
using testing::RandomTensor;
using testing::RelativeDifference;
using testing::RunGraph;

// Shifts round each bias and sum once more.
constexpr double kTolerance = 1e-5;

// A convolution whose outputs lie around `moments`, `between`, and a convolution that reads them.
Graph TwoConvs(std::vector<Node> between, Node reader) {
  Graph graph;
  graph.inputs = {FloatInput("x", {-1, 3, 6, 6})};
  graph.outputs = {"y"};
  graph.nodes = {Op("Conv", {"x", "a.w", "a.b"}, {"a"})};
  for (Node& node : between) graph.nodes.push_back(std::move(node));
  graph.nodes.push_back(std::move(reader));
  graph.initializers = {{"a.w", RandomTensor({4, 3, 1, 1}, 1)},
                        {"a.b", testing::Floats({4}, {9.0F, 0.5F, 2.5F, -4.0F})},
                        {"y.w", RandomTensor({5, 4, 3, 3}, 3)},
                        {"y.b", RandomTensor({5}, 4)},
                        {"low", Tensor::Scalar(0.0F)},
                        {"six", Tensor::Scalar(6.0F)}};
  return graph;
}

ChannelMomentsMap Moments() {
  return {{"a", {.mean = {9.0, 0.5, 2.5, -4.0}, .std = {0.5, 0.6, 0.6, 0.5}}}};
}

Node Reader() { return Op("Conv", {"f", "y.w", "y.b"}, {"y"}); }

void ExpectSameOutputs(const Graph& graph, const Graph& absorbed) {
  EXPECT_TRUE(absorbed.Validate().empty());
  for (uint32_t seed = 10; seed < 14; ++seed) {
    // Wide enough that values fall below what was absorbed.
    const Tensor x = RandomTensor({1, 3, 6, 6}, seed, -8.0F, 8.0F);
    EXPECT_LT(RelativeDifference(RunGraph(absorbed, {{"x", x}}, {"y"}).at("y"),
                                 RunGraph(graph, {{"x", x}}, {"y"}).at("y")),
              kTolerance);
  }
}

TEST(AbsorbHighBias, OutputsStayAndMeansFall) {
  const std::vector<std::vector<Node>> ways = {
      {Op("Relu", {"a"}, {"f"})},
      {Op("Identity", {"a"}, {"f"})},
      {Op("Clip", {"a", "low"}, {"f"})},
      {Op("Relu", {"a"}, {"r"}), Op("MaxPool", {"r"}, {"f"}, {{"kernel_shape", IntList({2, 2})}})},
  };
  for (const std::vector<Node>& way : ways) {
    SCOPED_TRACE(way[0].op);
    const Graph graph = TwoConvs(way, Reader());
    Graph absorbed = graph;
    ChannelMomentsMap moments = Moments();
    const AbsorptionResult result = AbsorbHighBias(absorbed, {}, moments);
    EXPECT_EQ(result.num_layers, 1);
    EXPECT_EQ(result.num_channels, 2);
    EXPECT_NEAR(moments.at("a/lowered").mean[0], 1.5, 1e-6);
    EXPECT_NEAR(moments.at("a/lowered").mean[1], 0.5, 1e-6);
    EXPECT_NEAR(moments.at("a/lowered").mean[2], 1.8, 1e-6);
    EXPECT_NEAR(absorbed.initializers.at("a.b").data<float>()[0], 1.5F, 1e-6F);
    ExpectSameOutputs(graph, absorbed);
  }
}

TEST(AbsorbHighBias, NoMoreThanTheUpperBoundIsAbsorbed) {
  const Graph graph = TwoConvs({Op("Clip", {"a", "low", "six"}, {"f"})}, Reader());
  Graph absorbed = graph;
  ChannelMomentsMap moments = Moments();
  EXPECT_EQ(AbsorbHighBias(absorbed, {}, moments).num_layers, 1);
  EXPECT_NEAR(moments.at("a/lowered").mean[0], 3.0, 1e-6);  // 9 - 6
  ExpectSameOutputs(graph, absorbed);
}

TEST(AbsorbHighBias, LayersBehindZeroPaddingAreLeftAlone) {
  Node padded = Reader();
  padded.attributes["pads"] = IntList({1, 1, 1, 1});
  Node same = Reader();
  same.attributes["auto_pad"] = std::string("SAME_UPPER");
  Node transposed = Op("ConvTranspose", {"f", "t.w", "y.b"}, {"y"});
  for (const Node& reader : {padded, same, transposed}) {
    Graph graph = TwoConvs({Op("Relu", {"a"}, {"f"})}, reader);
    graph.initializers["t.w"] = RandomTensor({4, 5, 2, 2}, 8);
    ChannelMomentsMap moments = Moments();
    const AbsorptionResult result = AbsorbHighBias(graph, {}, moments);
    EXPECT_EQ(result.num_layers, 0);
    EXPECT_EQ(result.num_padded, 1);
    EXPECT_EQ(moments.at("a").mean[0], 9.0);
  }
}

TEST(AbsorbHighBias, ThroughPoolsIntoAGemmWithoutBias) {
  Graph graph = TwoConvs(
      {Op("Relu", {"a"}, {"r"}), Op("GlobalAveragePool", {"r"}, {"p"}),
       Op("Flatten", {"p"}, {"f"})},
      Op("Gemm", {"f", "g.w"}, {"y"}, {{"alpha", 0.5}, {"transB", int64_t{1}}}));
  graph.initializers["g.w"] = RandomTensor({5, 4}, 7);
  Graph absorbed = graph;
  ChannelMomentsMap moments = Moments();
  EXPECT_EQ(AbsorbHighBias(absorbed, {}, moments).num_layers, 1);
  ExpectSameOutputs(graph, absorbed);
}

TEST(AbsorbHighBias, WhatCannotBeShiftedStays) {
  // A slope below zero, an output of the graph, a given tensor, no moments.
  for (const Node& between : {Op("LeakyRelu", {"a"}, {"f"}), Op("Sigmoid", {"a"}, {"f"})}) {
    Graph graph = TwoConvs({between}, Reader());
    ChannelMomentsMap moments = Moments();
    EXPECT_EQ(AbsorbHighBias(graph, {}, moments).num_layers, 0) << between.op;
  }
  Graph graph = TwoConvs({Op("Relu", {"a"}, {"f"})}, Reader());
  ChannelMomentsMap none;
  EXPECT_EQ(AbsorbHighBias(graph, {}, none).num_layers, 0);
  ChannelMomentsMap moments = Moments();
  EXPECT_EQ(AbsorbHighBias(graph, {"f"}, moments).num_layers, 0);
  graph.outputs.push_back("a");
  EXPECT_EQ(AbsorbHighBias(graph, {}, moments).num_layers, 0);
}

}  // namespace
}  // namespace adaround
