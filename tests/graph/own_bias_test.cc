#include "graph/passes/own_bias.h"

#include <gtest/gtest.h>

#include <set>

#include "support/graph_testing.h"

namespace adaround {
namespace {

using testing::FloatInput;
using testing::Floats;
using testing::Op;
using testing::RandomTensor;
using testing::RelativeDifference;
using testing::RunGraph;

// Layers without a bias, with one that is shared, broadcast, multiplied, or added behind.
Graph MixedBiases() {
  Graph graph;
  graph.inputs = {FloatInput("x", {-1, 4, 3, 3})};
  graph.outputs = {"y", "z"};
  graph.nodes = {
      Op("Conv", {"x", "w1"}, {"c1"}),
      Op("Conv", {"c1", "w2", "shared"}, {"c2"}),
      Op("ConvTranspose", {"c2", "w2", "shared"}, {"c3"}),
      Op("GlobalAveragePool", {"c3"}, {"p"}),
      Op("Flatten", {"p"}, {"f"}),
      Op("Gemm", {"f", "w3", "one"}, {"g"}, {{"beta", 0.5}}),
      Op("MatMul", {"g", "w3"}, {"m"}),
      Op("Relu", {"m"}, {"z"}),
      Op("MatMul", {"z", "w3"}, {"n"}),
      Op("Add", {"shared", "n"}, {"y"}),
  };
  graph.initializers = {{"w1", RandomTensor({4, 4, 1, 1}, 1)},
                        {"w2", RandomTensor({4, 4, 1, 1}, 2)},
                        {"w3", RandomTensor({4, 4}, 3)},
                        {"shared", RandomTensor({4}, 4)},
                        {"one", Floats({1}, {0.7F})}};
  return graph;
}

TEST(GiveOwnBiases, EachLayerHasOneOfItsOwnAndOutputsStay) {
  const Graph graph = MixedBiases();
  Graph owned = graph;
  GiveOwnBiases(owned, FindLinearLayers(owned).layers);
  EXPECT_TRUE(owned.Validate().empty());
  const LinearLayers layers = FindLinearLayers(owned);
  ASSERT_EQ(layers.layers.size(), 6U);
  std::set<std::string> biases;
  const auto consumers = owned.Consumers();
  for (const LinearLayer& layer : layers.layers) {
    ASSERT_FALSE(layer.bias.empty()) << layer.name;
    EXPECT_TRUE(biases.insert(layer.bias).second) << layer.name;
    EXPECT_EQ(consumers.at(layer.bias).size(), 1U);
    EXPECT_EQ(owned.initializers.at(layer.bias).num_elements(), 4);
    EXPECT_EQ(layer.bias_factor, 1.0);
  }
  EXPECT_FALSE(owned.initializers.contains("one"));
  const Tensor x = RandomTensor({1, 4, 3, 3}, 9);
  for (const std::string& output : graph.outputs) {
    EXPECT_LT(RelativeDifference(RunGraph(owned, {{"x", x}}, {output}).at(output),
                                 RunGraph(graph, {{"x", x}}, {output}).at(output)),
              1e-6);
  }
}

TEST(GiveOwnBiases, OwnBiasesAndOtherLayersStay) {
  Graph graph = MixedBiases();
  GiveOwnBiases(graph, FindLinearLayers(graph).layers);
  Graph again = graph;
  GiveOwnBiases(again, FindLinearLayers(again).layers);
  EXPECT_EQ(again.nodes.size(), graph.nodes.size());
  EXPECT_EQ(again.initializers.size(), graph.initializers.size());

  Graph one = MixedBiases();
  GiveOwnBiases(one, {FindLinearLayers(one).layers[0]});
  EXPECT_EQ(one.nodes[1].inputs[2], "shared");
  EXPECT_EQ(one.nodes[0].inputs.size(), 3U);
}

}  // namespace
}  // namespace adaround
