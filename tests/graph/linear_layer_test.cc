#include "graph/linear_layer.h"

#include <gtest/gtest.h>

#include "support/graph_testing.h"

namespace adaround {
namespace {

using testing::IntList;
using testing::Op;
using testing::RandomTensor;

Graph WithNodes(std::vector<Node> nodes, const std::map<std::string, Shape>& initializers) {
  Graph graph;
  graph.inputs = {testing::FloatInput("x", {-1, 6})};
  graph.nodes = std::move(nodes);
  graph.outputs = {"y"};
  for (const auto& [name, shape] : initializers) graph.initializers[name] = RandomTensor(shape, 1);
  return graph;
}

LinearLayer OnlyLayer(const Graph& graph) {
  const LinearLayers found = FindLinearLayers(graph);
  EXPECT_EQ(found.skipped.size(), 0u);
  EXPECT_EQ(found.layers.size(), 1u);
  return found.layers.empty() ? LinearLayer{} : found.layers[0];
}

void ExpectSkipped(const Graph& graph, const std::string& fragment) {
  const LinearLayers found = FindLinearLayers(graph);
  EXPECT_EQ(found.layers.size(), 0u);
  ASSERT_EQ(found.skipped.size(), 1u);
  EXPECT_NE(found.skipped[0].reason.find(fragment), std::string::npos) << found.skipped[0].reason;
}

TEST(FindLinearLayers, DescribesConv) {
  const LinearLayer layer = OnlyLayer(WithNodes(
      {Op("Conv", {"x", "w", "b"}, {"y"}, {{"group", 2}})}, {{"w", {8, 3, 3, 5}}, {"b", {8}}}));
  EXPECT_EQ(layer.kind, LinearKind::kConv);
  EXPECT_EQ(layer.input, "x");
  EXPECT_EQ(layer.output, "y");
  EXPECT_EQ(layer.bias, "b");
  EXPECT_EQ(layer.weight_axis, 0);
  EXPECT_EQ(layer.num_rows, 8);
  EXPECT_EQ(layer.row_length, 45);
  EXPECT_EQ(layer.num_groups, 2);
  EXPECT_EQ(layer.kernel_shape, (std::vector<int64_t>{3, 5}));
}

TEST(FindLinearLayers, DescribesConvTranspose) {
  const LinearLayer layer = OnlyLayer(
      WithNodes({Op("ConvTranspose", {"x", "w"}, {"y"}, {{"group", 2}})}, {{"w", {6, 4, 3}}}));
  EXPECT_EQ(layer.kind, LinearKind::kConvTranspose);
  EXPECT_EQ(layer.weight_axis, 1);
  EXPECT_EQ(layer.weight_groups, 2);
  EXPECT_EQ(layer.num_rows, 8);
  EXPECT_EQ(layer.row_length, 9);
}

TEST(FindLinearLayers, DescribesGemm) {
  for (const int64_t transposed : {0, 1}) {
    const Graph graph = WithNodes({Op("Gemm", {"x", "w", "b"}, {"y"},
                                      {{"transB", transposed}, {"alpha", 2.0}, {"beta", 0.5}})},
                                  {{"w", {6, 4}}, {"b", {transposed != 0 ? 6 : 4}}});
    const LinearLayer layer = OnlyLayer(graph);
    EXPECT_EQ(layer.kind, LinearKind::kGemm);
    EXPECT_EQ(layer.weight_axis, transposed != 0 ? 0 : 1);
    EXPECT_EQ(layer.num_rows, transposed != 0 ? 6 : 4);
    EXPECT_EQ(layer.row_length, transposed != 0 ? 4 : 6);
    EXPECT_EQ(layer.input_factor, 2.0);
    const std::vector<float> bias = LayerBias(graph, layer);
    for (size_t i = 0; i < bias.size(); ++i) {
      EXPECT_FLOAT_EQ(bias[i], 0.5F * graph.initializers.at("b").data<float>()[i]);
    }
  }
}

TEST(FindLinearLayers, ABiasAddBelongsToMatMul) {
  for (const bool swapped : {false, true}) {
    Node add = Op("Add", {"z", "b"}, {"y"});
    if (swapped) std::swap(add.inputs[0], add.inputs[1]);
    const Graph graph =
        WithNodes({Op("MatMul", {"x", "w"}, {"z"}), add}, {{"w", {6, 4}}, {"b", {4}}});
    const LinearLayer layer = OnlyLayer(graph);
    EXPECT_EQ(layer.kind, LinearKind::kMatMul);
    EXPECT_EQ(layer.num_rows, 4);
    EXPECT_EQ(layer.bias, "b");
    EXPECT_EQ(layer.output, "y");
    EXPECT_EQ(LayerBias(graph, layer)[3], graph.initializers.at("b").data<float>()[3]);
  }
}

TEST(FindLinearLayers, OtherAddsDoNot) {
  const std::vector<Node> nodes = {Op("MatMul", {"x", "w"}, {"z"}), Op("Add", {"z", "b"}, {"y"})};
  const auto output = [](const Graph& graph) {
    const LinearLayer layer = OnlyLayer(graph);
    EXPECT_EQ(layer.bias, "");
    EXPECT_EQ(LayerBias(graph, layer), std::vector<float>(4, 0.0F));
    return layer.output;
  };
  EXPECT_EQ(output(WithNodes(nodes, {{"w", {6, 4}}, {"b", {5, 4}}})), "z");
  EXPECT_EQ(output(WithNodes(nodes, {{"w", {6, 4}}, {"b", {1}}})), "z");
  EXPECT_EQ(output(WithNodes(nodes, {{"w", {6, 4}}, {"b", {1, 1, 4}}})), "z");
  Graph graph = WithNodes(nodes, {{"w", {6, 4}}, {"b", {4}}});
  graph.outputs.push_back("z");
  EXPECT_EQ(output(graph), "z");
  graph = WithNodes(nodes, {{"w", {6, 4}}, {"b", {4}}});
  graph.nodes.push_back(Op("Relu", {"z"}, {"other"}));
  EXPECT_EQ(output(graph), "z");
  graph =
      WithNodes({Op("MatMul", {"x", "w"}, {"z"}), Op("Add", {"z", "x"}, {"y"})}, {{"w", {6, 4}}});
  EXPECT_EQ(output(graph), "z");
}

TEST(FindLinearLayers, SkipsWhatIsNoRowTimesColumn) {
  ExpectSkipped(WithNodes({Op("Gemm", {"x", "w"}, {"y"}, {{"transA", 1}})}, {{"w", {6, 4}}}),
                "transA");
  ExpectSkipped(WithNodes({Op("MatMul", {"w", "x"}, {"y"})}, {{"w", {4, 6}}}), "left operand");
  ExpectSkipped(WithNodes({Op("MatMul", {"x", "w"}, {"y"})}, {{"w", {2, 6, 4}}}), "[2, 6, 4]");
  ExpectSkipped(WithNodes({Op("MatMul", {"x", "w"}, {"y"})}, {{"w", {6, 0}}}), "empty");
  ExpectSkipped(WithNodes({Op("Conv", {"x", "w"}, {"y"}, {{"group", 3}})}, {{"w", {8, 2, 3}}}),
                "groups");
  ExpectSkipped(
      WithNodes({Op("Relu", {"x"}, {"b"}), Op("Gemm", {"x", "w", "b"}, {"y"})}, {{"w", {6, 4}}}),
      "bias");
  ExpectSkipped(WithNodes({Op("Gemm", {"x", "w", "b"}, {"y"})}, {{"w", {6, 4}}, {"b", {4, 1}}}),
                "bias");
  Graph graph = WithNodes({Op("MatMul", {"x", "w"}, {"y"})}, {});
  graph.initializers["w"] = Tensor::FromVector<int32_t>({6, 1}, {1, 2, 3, 4, 5, 6});
  ExpectSkipped(graph, "int32");
}

TEST(FindLinearLayers, ABiasOfOneRowBelongsToMatMul) {
  const LinearLayer layer =
      OnlyLayer(WithNodes({Op("MatMul", {"x", "w"}, {"z"}), Op("Add", {"z", "b"}, {"y"})},
                          {{"w", {6, 4}}, {"b", {1, 4}}}));
  EXPECT_EQ(layer.bias, "b");
  EXPECT_EQ(layer.output, "y");
}

TEST(FindLinearLayers, OtherOperatorsWithWeightsAreNamed) {
  ExpectSkipped(
      WithNodes({Op("Einsum", {"x", "w"}, {"y"}, {{"equation", "ab,bc->ac"}})}, {{"w", {6, 4}}}),
      "Einsum");
  ExpectSkipped(WithNodes({Op("LSTM", {"x", "w", "r"}, {"y"}, {{"hidden_size", 2}})},
                          {{"w", {1, 8, 6}}, {"r", {1, 8, 2}}}),
                "LSTM");
  const LinearLayers found = FindLinearLayers(WithNodes({Op("Einsum", {"x", "x"}, {"y"})}, {}));
  EXPECT_EQ(found.layers.size() + found.skipped.size(), 0u);
}

TEST(FindLinearLayers, ComputedWeightsAreNoLayers) {
  const LinearLayers found =
      FindLinearLayers(WithNodes({Op("Relu", {"x"}, {"r"}), Op("MatMul", {"x", "r"}, {"y"})}, {}));
  EXPECT_EQ(found.layers.size() + found.skipped.size(), 0u);
}

TEST(FindLinearLayers, OneBiasServesAllRows) {
  const Graph graph = WithNodes({Op("Gemm", {"x", "w", "b"}, {"y"})}, {{"w", {6, 4}}, {"b", {1}}});
  EXPECT_EQ(LayerBias(graph, OnlyLayer(graph)),
            std::vector<float>(4, graph.initializers.at("b").data<float>()[0]));
}

}  // namespace
}  // namespace adaround
