#include "graph/passes/cross_layer_equalization.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "graph/linear_layer.h"
#include "graph/passes/find_activation.h"
#include "support/error_testing.h"
#include "support/graph_testing.h"

namespace adaround {
namespace {

using testing::FloatInput;
using testing::Floats;
using testing::IntList;
using testing::Op;
using testing::RandomTensor;
using testing::RelativeDifference;
using testing::RunGraph;

// Rescaling rounds each weight and sum once more: 2^-24 a step over some hundred terms.
constexpr double kTolerance = 2e-5;

// Random weights whose slices along `axis` differ in size by up to 20.
Tensor Uneven(const Shape& shape, uint32_t seed, int64_t axis = 0) {
  Tensor tensor = RandomTensor(shape, seed).Clone();
  int64_t inner = 1;
  for (size_t d = static_cast<size_t>(axis) + 1; d < shape.size(); ++d) inner *= shape[d];
  const int64_t extent = shape[static_cast<size_t>(axis)];
  for (int64_t i = 0; i < tensor.num_elements(); ++i) {
    const int64_t slice = i / inner % extent;
    tensor.mutable_data<float>()[i] *=
        std::exp(1.5F * std::sin(static_cast<float>(slice * 7 + seed)));
  }
  return tensor;
}

Tensor Ints(const std::vector<int64_t>& values) {
  return Tensor::FromVector<int64_t>({static_cast<int64_t>(values.size())}, values);
}

Graph MakeGraph(Shape input, std::vector<Node> nodes, std::map<std::string, Tensor> initializers) {
  Graph graph;
  graph.inputs = {FloatInput("x", std::move(input))};
  graph.outputs = {nodes.back().outputs[0]};
  graph.nodes = std::move(nodes);
  graph.initializers = std::move(initializers);
  return graph;
}

// Largest magnitude of the weights that read (or, `of_output`, make) each channel, in plain loops
// over every element's index.
std::vector<double> NaiveRanges(const Graph& graph, const std::string& name, bool of_output,
                                int64_t channels) {
  for (const Node& node : graph.nodes) {
    if (node.name != name) continue;
    const Tensor& weight = graph.initializers.at(node.inputs[1]);
    const Shape& s = weight.shape();
    const int64_t groups = node.GetInt("group", 1);
    const bool is_conv = node.op == "Conv";
    const bool rows_first = is_conv || (node.op == "Gemm" && node.GetInt("transB", 0) != 0);
    std::vector<double> ranges(static_cast<size_t>(channels), 0.0);
    const int64_t inner = weight.num_elements() / s[0] / s[1];
    const int64_t all =
        rows_first ? (of_output ? s[0] : s[1] * groups) : (of_output ? s[1] * groups : s[0]);
    for (int64_t i = 0; i < weight.num_elements(); ++i) {
      const int64_t a = i / inner / s[1];
      const int64_t b = i / inner % s[1];
      const int64_t group = a / (s[0] / groups);
      const int64_t out = rows_first ? a : group * s[1] + b;
      const int64_t in = rows_first ? group * s[1] + b : a;
      double& range = ranges[static_cast<size_t>((of_output ? out : in) / (all / channels))];
      range = std::max(range, std::abs(static_cast<double>(weight.data<float>()[i])));
    }
    return ranges;
  }
  ADD_FAILURE() << "no node " << name;
  return {};
}

// The outputs stay, ranges become equal in each of `num_pairs` pairs. Returns the new graph.
Graph ExpectEqualized(const Graph& graph, size_t num_pairs, const Shape& input) {
  EXPECT_TRUE(graph.Validate().empty());
  Graph equalized = graph;
  const EqualizationResult result = EqualizeCrossLayer(equalized, {});
  EXPECT_TRUE(equalized.Validate().empty());
  EXPECT_EQ(result.pairs.size(), num_pairs);
  EXPECT_TRUE(result.has_converged);
  const Tensor x = RandomTensor(input, 99, -2.0F, 2.0F);
  const std::string& output = graph.outputs[0];
  const Tensor wanted = RunGraph(graph, {{"x", x}}, {output}).at(output);
  const Tensor found = RunGraph(equalized, {{"x", x}}, {output}).at(output);
  EXPECT_LT(RelativeDifference(found, wanted), kTolerance);
  for (const EqualizedPair& pair : result.pairs) {
    const auto channels = static_cast<int64_t>(pair.scale.size());
    const std::vector<double> made = NaiveRanges(equalized, pair.layer, true, channels);
    std::vector<double> read(made.size(), 0.0);
    for (const std::string& reader : pair.readers) {
      const std::vector<double> own = NaiveRanges(equalized, reader, false, channels);
      for (size_t c = 0; c < read.size(); ++c) read[c] = std::max(read[c], own[c]);
    }
    for (size_t c = 0; c < read.size(); ++c) {
      // A sweep changes the scales of a pair and then those of its neighbours by up to the
      // tolerance.
      EXPECT_NEAR(made[c] / read[c], 1.0, 4 * kEqualizationTolerance)
          << pair.layer << " channel " << c;
    }
  }
  return equalized;
}

Node Conv(const std::string& input, const std::string& output, int64_t group = 1,
          const std::vector<int64_t>& pads = {}) {
  Node node = Op("Conv", {input, output + ".w", output + ".b"}, {output}, {{"group", group}});
  if (!pads.empty()) node.attributes["pads"] = IntList(pads);
  return node;
}

// Two pointwise convolutions, [N, 3, 5, 5] -> [N, 6, 5, 5] -> [N, 4, 5, 5], with `between`, which
// reads "a" and makes "f".
Graph TwoConvs(std::vector<Node> between, std::map<std::string, Tensor> constants = {}) {
  std::vector<Node> nodes = {Conv("x", "a")};
  for (Node& node : between) nodes.push_back(std::move(node));
  nodes.push_back(Conv(nodes.size() > 1 ? "f" : "a", "y"));
  constants["a.w"] = Uneven({6, 3, 1, 1}, 1);
  constants["a.b"] = RandomTensor({6}, 2);
  constants["y.w"] = Uneven({4, 6, 1, 1}, 3, 1);
  constants["y.b"] = RandomTensor({4}, 4);
  return MakeGraph({-1, 3, 5, 5}, std::move(nodes), std::move(constants));
}

const Shape kImage = {1, 3, 5, 5};

TEST(CrossLayerEqualization, PositivelyHomogeneousFunctionsBetween) {
  ExpectEqualized(TwoConvs({Op("Relu", {"a"}, {"f"})}), 1, kImage);
  ExpectEqualized(TwoConvs({Op("LeakyRelu", {"a"}, {"f"}, {{"alpha", 0.3}})}), 1, kImage);
  ExpectEqualized(TwoConvs({Op("PRelu", {"a", "slope"}, {"f"})}, {{"slope", Floats({1}, {0.2F})}}),
                  1, kImage);
  ExpectEqualized(
      TwoConvs({Op("PRelu", {"a", "slope"}, {"f"})}, {{"slope", RandomTensor({6, 1, 1}, 9)}}), 1,
      kImage);
  ExpectEqualized(TwoConvs({Op("Identity", {"a"}, {"f"})}), 1, kImage);
}

TEST(CrossLayerEqualization, LinearBottlenecksArePairs) {
  ExpectEqualized(TwoConvs({}), 1, kImage);
}

TEST(CrossLayerEqualization, ReLU6GetsABoundPerChannel) {
  for (const Shape& shape : {Shape{}, Shape{1}}) {
    const Graph equalized = ExpectEqualized(
        TwoConvs({Op("Clip", {"a", "low", "high"}, {"f"})},
                 {{"low", Floats(shape, {0.0F})}, {"high", Floats(shape, {0.7F})}}),
        1, kImage);
    ASSERT_EQ(equalized.nodes.size(), 4U);
    EXPECT_EQ(equalized.nodes[1].op, "Relu");
    EXPECT_EQ(equalized.nodes[2].op, "Min");
    const Tensor& bound = equalized.initializers.at(equalized.nodes[2].inputs[1]);
    EXPECT_EQ(bound.shape(), (Shape{1, 6, 1, 1}));
    EXPECT_FALSE(equalized.initializers.contains("high"));
    // The layer's activation is the two of them, with the bounds that keep 0.7 / s.
    const LinearLayers layers = FindLinearLayers(equalized);
    const LayerActivation found = FindActivation(equalized, equalized.Consumers(),
                                                 layers.layers[0].output,
                                                 OutputChannels(layers.layers[0]));
    EXPECT_EQ(found.node, equalized.nodes[2].name);
    EXPECT_EQ(found.activation.function.lower, 0.0F);
    ASSERT_EQ(found.activation.upper.size(), 6U);
    for (size_t c = 0; c < 6; ++c) EXPECT_EQ(found.activation.upper[c], bound.data<float>()[c]);
  }
}

TEST(CrossLayerEqualization, OtherBoundsArePerChannelToo) {
  const std::map<std::string, Tensor> bounds = {{"low", Tensor::Scalar(-0.4F)},
                                                {"high", Tensor::Scalar(0.9F)}};
  ExpectEqualized(TwoConvs({Op("Clip", {"a", "low", "high"}, {"f"})}, bounds), 1, kImage);
  ExpectEqualized(TwoConvs({Op("Clip", {"a", "", "high"}, {"f"})}, bounds), 1, kImage);
  ExpectEqualized(TwoConvs({Op("Clip", {"a", "low"}, {"f"})}, bounds), 1, kImage);
  ExpectEqualized(TwoConvs({Op("Relu", {"a"}, {"r"}), Op("Min", {"high", "r"}, {"f"})}, bounds), 1,
                  kImage);
  ExpectEqualized(TwoConvs({Op("Max", {"a", "lows"}, {"m"}), Op("Min", {"m", "highs"}, {"f"})},
                           {{"lows", RandomTensor({1, 6, 1, 1}, 5, -1.0F, -0.1F)},
                            {"highs", RandomTensor({6, 1, 1}, 6, 0.1F, 1.0F)}}),
                  1, kImage);
  // Bounds as attributes.
  Graph old = TwoConvs({Op("Clip", {"a"}, {"f"}, {{"min", 0.0}, {"max", 0.8}})});
  old.opset = 10;
  ExpectEqualized(old, 1, kImage);
  // Min and Max do not broadcast yet.
  old.opset = 7;
  ExpectEqualized(old, 0, kImage);
}

TEST(CrossLayerEqualization, EqualizingTwiceChangesNothing) {
  Graph graph = TwoConvs({Op("Clip", {"a", "low", "high"}, {"f"})},
                         {{"low", Tensor::Scalar(0.0F)}, {"high", Tensor::Scalar(0.7F)}});
  EqualizeCrossLayer(graph, {});
  const EqualizationResult again = EqualizeCrossLayer(graph, {});
  ASSERT_EQ(again.pairs.size(), 1U);
  EXPECT_EQ(again.num_sweeps, 1);
  for (const double scale : again.pairs[0].scale) EXPECT_NEAR(scale, 1.0, 1e-5);
}

TEST(CrossLayerEqualization, DeadOutputChannelsTakeTheMedianOfTheLive) {
  Graph graph = TwoConvs({Op("Relu", {"a"}, {"f"})});
  Tensor weight = graph.initializers.at("a.w").Clone();
  std::fill_n(weight.mutable_data<float>() + 2 * 3, 3, 0.0F);  // row 2
  graph.initializers["a.w"] = weight;
  Tensor reader = graph.initializers.at("y.w").Clone();
  for (int64_t m = 0; m < 4; ++m) reader.mutable_data<float>()[m * 6 + 2] = 1000.0F;
  graph.initializers["y.w"] = reader;
  Graph equalized = graph;
  const EqualizationResult result = EqualizeCrossLayer(equalized, {});
  EXPECT_EQ(result.num_dead_channels, 1);
  std::vector<double> read = NaiveRanges(equalized, "y", false, 6);
  const double dead = read[2];
  read.erase(read.begin() + 2);
  std::sort(read.begin(), read.end());
  EXPECT_NEAR(dead / read[2], 1.0, 1e-5);
  const Tensor x = RandomTensor(kImage, 7);
  EXPECT_LT(RelativeDifference(RunGraph(equalized, {{"x", x}}, {"y"}).at("y"),
                               RunGraph(graph, {{"x", x}}, {"y"}).at("y")),
            kTolerance);
}

TEST(CrossLayerEqualization, InputChannelsThatNobodyReadsTakeTheMedianToo) {
  Graph graph = TwoConvs({Op("Relu", {"a"}, {"f"})});
  Tensor weight = graph.initializers.at("y.w").Clone();
  for (int64_t m = 0; m < 4; ++m) weight.mutable_data<float>()[m * 6 + 4] = 0.0F;
  graph.initializers["y.w"] = weight;
  EqualizeCrossLayer(graph, {});
  std::vector<double> made = NaiveRanges(graph, "a", true, 6);
  const double unread = made[4];
  made.erase(made.begin() + 4);
  std::sort(made.begin(), made.end());
  EXPECT_NEAR(unread / made[2], 1.0, 1e-5);
}

// TwoConvs with one of its channels' weights multiplied, on either side.
Graph WithFactor(const std::string& layer, int64_t channel, float factor) {
  Graph graph = TwoConvs({Op("Relu", {"a"}, {"f"})});
  Tensor weight = graph.initializers.at(layer + ".w").Clone();
  for (int64_t i = 0; i < weight.num_elements(); ++i) {
    if ((layer == "a" ? i / 3 : i % 6) == channel) weight.mutable_data<float>()[i] *= factor;
  }
  graph.initializers[layer + ".w"] = weight;
  return graph;
}

TEST(CrossLayerEqualization, WeightsOfNextToNothingCountAsZeros) {
  for (const std::string layer : {"a", "y"}) {
    Graph zero = WithFactor(layer, 2, 0.0F);
    const EqualizationResult wanted = EqualizeCrossLayer(zero, {});
    for (const float factor : {1e-30F, 1e-12F, 1e-9F, 1e-6F, 1e-4F}) {
      Graph graph = WithFactor(layer, 2, factor);
      const Graph before = graph;
      const EqualizationResult result = EqualizeCrossLayer(graph, {});
      EXPECT_TRUE(result.has_converged);
      EXPECT_EQ(result.num_dead_channels, 1);
      for (size_t c = 0; c < 6; ++c) {
        EXPECT_NEAR(result.pairs[0].scale[c] / wanted.pairs[0].scale[c], 1.0, 1e-5)
            << layer << " channel " << c << " with " << factor;
      }
      const Tensor x = RandomTensor(kImage, 7);
      EXPECT_LT(RelativeDifference(RunGraph(graph, {{"x", x}}, {"y"}).at("y"),
                                   RunGraph(before, {{"x", x}}, {"y"}).at("y")),
                kTolerance);
    }
  }
}

// Tiny on one side and as large on the other: the channel is as good as any.
TEST(CrossLayerEqualization, TinyWeightsThatAreReadByLargeOnesAreLive) {
  Graph graph = WithFactor("a", 2, 1e-5F);
  Tensor reader = graph.initializers.at("y.w").Clone();
  for (int64_t m = 0; m < 4; ++m) reader.mutable_data<float>()[m * 6 + 2] *= 1e5F;
  graph.initializers["y.w"] = reader;
  EXPECT_EQ(EqualizeCrossLayer(graph, {}).num_dead_channels, 0);
  EXPECT_NEAR(NaiveRanges(graph, "a", true, 6)[2] / NaiveRanges(graph, "y", false, 6)[2], 1.0,
              1e-4);
}

TEST(CrossLayerEqualization, StopsOnRequest) {
  Graph graph = TwoConvs({Op("Relu", {"a"}, {"f"})});
  int asked = 0;
  testing::ExpectErrorWith(ErrorCode::kCancelled, {"stopped"}, [&] {
    EqualizeCrossLayer(graph, {}, [&] { return ++asked == 4; });
  });
  EXPECT_EQ(asked, 4);
}

TEST(CrossLayerEqualization, AllZeroLayersStayAsTheyAre) {
  Graph graph = TwoConvs({Op("Relu", {"a"}, {"f"})});
  graph.initializers["a.w"] = Tensor::Zeros(DType::kFloat32, {6, 3, 1, 1});
  const Tensor reader = graph.initializers.at("y.w");
  EqualizeCrossLayer(graph, {});
  EXPECT_EQ(RelativeDifference(graph.initializers.at("y.w"), reader), 0.0);
}

TEST(CrossLayerEqualization, ExtremeRangesStayFinite) {
  for (const float factor : {1e-38F, 1e-30F, 1e30F, 3e38F}) {
    Graph graph = TwoConvs({Op("Clip", {"a", "low", "high"}, {"f"})},
                           {{"low", Tensor::Scalar(0.0F)}, {"high", Tensor::Scalar(6.0F)}});
    Tensor weight = graph.initializers.at("a.w").Clone();
    for (int64_t k = 0; k < 3; ++k) weight.mutable_data<float>()[k] = factor;
    graph.initializers["a.w"] = weight;
    const EqualizationResult result = EqualizeCrossLayer(graph, {});
    for (const double scale : result.pairs[0].scale) {
      EXPECT_LE(scale, kMaxEqualizationScale);
      EXPECT_GE(scale, 1.0 / kMaxEqualizationScale);
    }
    for (const auto& [name, tensor] : graph.initializers) {
      for (int64_t i = 0; i < tensor.num_elements(); ++i) {
        EXPECT_TRUE(std::isfinite(tensor.data<float>()[i])) << name << " with " << factor;
      }
    }
  }
}

// Pointwise, depthwise, pointwise with ReLU6, as in MobileNets.
TEST(CrossLayerEqualization, ChainsThroughDepthwiseLayers) {
  const Graph graph = MakeGraph(
      {-1, 3, 6, 6},
      {Conv("x", "a"), Op("Clip", {"a", "low", "high"}, {"a6"}), Conv("a6", "d", 8, {1, 1, 1, 1}),
       Op("Clip", {"d", "low", "high"}, {"d6"}), Conv("d6", "y")},
      {{"low", Tensor::Scalar(0.0F)},
       {"high", Tensor::Scalar(6.0F)},
       {"a.w", Uneven({8, 3, 1, 1}, 1)},
       {"a.b", RandomTensor({8}, 2)},
       {"d.w", Uneven({8, 1, 3, 3}, 3)},
       {"d.b", RandomTensor({8}, 4)},
       {"y.w", Uneven({5, 8, 1, 1}, 5, 1)},
       {"y.b", RandomTensor({5}, 6)}});
  ExpectEqualized(graph, 2, {1, 3, 6, 6});
}

TEST(CrossLayerEqualization, GlobalAveragePoolPairs) {
  const std::map<std::string, Tensor> weights = {{"a.w", Uneven({6, 3, 3, 3}, 1)},
                                                 {"a.b", RandomTensor({6}, 2)},
                                                 {"head.w", Uneven({4, 6}, 3, 1)},
                                                 {"head.t", Uneven({6, 4}, 3)},
                                                 {"head.b", RandomTensor({4}, 4)},
                                                 {"axes", Ints({2, 3})},
                                                 {"flat", Ints({0, -1})},
                                                 {"rows", Ints({-1, 6})}};
  const Node gemm = Op("Gemm", {"f", "head.w", "head.b"}, {"y"}, {{"transB", int64_t{1}}});
  const std::vector<std::vector<Node>> ways = {
      {Op("GlobalAveragePool", {"r"}, {"p"}), Op("Flatten", {"p"}, {"f"}), gemm},
      {Op("GlobalAveragePool", {"r"}, {"p"}), Op("Reshape", {"p", "flat"}, {"f"}), gemm},
      {Op("GlobalAveragePool", {"r"}, {"p"}), Op("Reshape", {"p", "rows"}, {"f"}), gemm},
      {Op("GlobalAveragePool", {"r"}, {"p"}), Op("Squeeze", {"p", "axes"}, {"f"}), gemm},
      {Op("ReduceMean", {"r"}, {"f"}, {{"axes", IntList({2, 3})}, {"keepdims", int64_t{0}}}), gemm},
      {Op("ReduceMean", {"r"}, {"p"}, {{"axes", IntList({-1, -2})}}), Op("Flatten", {"p"}, {"f"}),
       Op("MatMul", {"f", "head.t"}, {"m"}), Op("Add", {"m", "head.b"}, {"y"})},
      {Op("GlobalAveragePool", {"r"}, {"p"}),
       Op("Transpose", {"p"}, {"t"}, {{"perm", IntList({0, 2, 3, 1})}}),
       Op("Reshape", {"t", "flat"}, {"f"}), gemm},
  };
  for (const std::vector<Node>& way : ways) {
    SCOPED_TRACE(way[0].op + " " + way[1].op);
    std::vector<Node> nodes = {Conv("x", "a"), Op("Relu", {"a"}, {"r"})};
    nodes.insert(nodes.end(), way.begin(), way.end());
    ExpectEqualized(MakeGraph({-1, 3, 5, 5}, nodes, weights), 1, kImage);
  }
}

TEST(CrossLayerEqualization, FlattenedMapsAreReadSideBySide) {
  const std::map<std::string, Tensor> weights = {
      {"a.w", Uneven({6, 3, 3, 3}, 1)}, {"a.b", RandomTensor({6}, 2)},
      {"y.w", Uneven({54, 4}, 3)},      {"y.b", RandomTensor({4}, 4)},
      {"shape", Ints({1, -1})}};
  for (const Node& flatten :
       {Op("Flatten", {"r"}, {"f"}), Op("Reshape", {"r", "shape"}, {"f"})}) {
    ExpectEqualized(MakeGraph({-1, 3, 5, 5},
                              {Conv("x", "a"), Op("Relu", {"a"}, {"r"}), flatten,
                               Op("Gemm", {"f", "y.w", "y.b"}, {"y"})},
                              weights),
                    1, kImage);
  }
}

TEST(CrossLayerEqualization, PoolsPaddingAndResizingBetween) {
  const Attribute two = IntList({2, 2});
  ExpectEqualized(TwoConvs({Op("MaxPool", {"a"}, {"f"}, {{"kernel_shape", two}})}), 1, kImage);
  ExpectEqualized(TwoConvs({Op("AveragePool", {"a"}, {"f"}, {{"kernel_shape", two}})}), 1, kImage);
  const Tensor spatial = Ints({0, 0, 1, 1, 0, 0, 1, 1});
  ExpectEqualized(TwoConvs({Op("Pad", {"a", "pads"}, {"f"})}, {{"pads", spatial}}), 1, kImage);
  ExpectEqualized(TwoConvs({Op("Pad", {"a", "pads"}, {"f"}, {{"mode", std::string("reflect")}})},
                           {{"pads", spatial}}),
                  1, kImage);
  ExpectEqualized(TwoConvs({Op("Pad", {"a", "pads", "one"}, {"f"})},
                           {{"pads", spatial}, {"one", Tensor::Scalar(1.0F)}}),
                  0, kImage);
  ExpectEqualized(TwoConvs({Op("Resize", {"a", "", "scales"}, {"f"})},
                           {{"scales", Floats({4}, {1, 1, 2, 2})}}),
                  1, kImage);
}

TEST(CrossLayerEqualization, GroupsAndTransposedConvolutions) {
  std::map<std::string, Tensor> weights = {
      {"a.w", Uneven({6, 2, 3, 3}, 1)},    {"a.b", RandomTensor({6}, 2)},
      {"b.w", Uneven({8, 3, 1, 1}, 3, 1)}, {"b.b", RandomTensor({8}, 4)},
      {"c.w", Uneven({8, 3, 2, 2}, 5)},    {"c.b", RandomTensor({6}, 6)},
      {"y.w", Uneven({4, 6, 1, 1}, 7, 1)}, {"y.b", RandomTensor({4}, 8)}};
  const Graph graph = MakeGraph(
      {-1, 4, 5, 5},
      {Conv("x", "a", 2), Op("Relu", {"a"}, {"ar"}), Conv("ar", "b", 2),
       Op("Relu", {"b"}, {"br"}),
       Op("ConvTranspose", {"br", "c.w", "c.b"}, {"c"},
          {{"group", int64_t{2}}, {"strides", IntList({2, 2})}}),
       Op("LeakyRelu", {"c"}, {"cr"}), Conv("cr", "y")},
      weights);
  ExpectEqualized(graph, 3, {1, 4, 5, 5});
}

TEST(CrossLayerEqualization, OneAndThreeDimensionalConvolutions) {
  for (const Shape& kernel : {Shape{3}, Shape{2, 3, 2}}) {
    Shape first = {6, 3};
    Shape second = {4, 6};
    Shape input = {1, 3};
    for (const int64_t extent : kernel) {
      first.push_back(extent);
      second.push_back(1);
      input.push_back(5);
    }
    const Graph graph = MakeGraph(
        input, {Conv("x", "a"), Op("Clip", {"a", "low", "high"}, {"f"}), Conv("f", "y")},
        {{"low", Tensor::Scalar(0.0F)},
         {"high", Tensor::Scalar(1.0F)},
         {"a.w", Uneven(first, 1)},
         {"a.b", RandomTensor({6}, 2)},
         {"y.w", Uneven(second, 3, 1)},
         {"y.b", RandomTensor({4}, 4)}});
    ExpectEqualized(graph, 1, input);
  }
}

TEST(CrossLayerEqualization, MatrixProductsOfEitherForm) {
  for (const int64_t trans : {int64_t{0}, int64_t{1}}) {
    const Graph gemm = MakeGraph(
        {-1, 5},
        {Op("Gemm", {"x", "a.w", "a.b"}, {"a"}, {{"transB", trans}, {"beta", 0.5}}),
         Op("Clip", {"a", "low", "high"}, {"f"}),
         Op("Gemm", {"f", "y.w", "y.b"}, {"y"}, {{"transB", trans}, {"alpha", 2.0}})},
        {{"low", Tensor::Scalar(0.0F)},
         {"high", Tensor::Scalar(0.5F)},
         {"a.w", trans != 0 ? Uneven({6, 5}, 1) : Uneven({5, 6}, 1, 1)},
         {"a.b", Floats({1}, {0.3F})},  // one for all: becomes one each
         {"y.w", trans != 0 ? Uneven({4, 6}, 2, 1) : Uneven({6, 4}, 2)},
         {"y.b", RandomTensor({4}, 4)}});
    ExpectEqualized(gemm, 1, {1, 5});
  }
  const Graph matmul = MakeGraph(
      {-1, 7, 5},
      {Op("MatMul", {"x", "a.w"}, {"a"}), Op("Add", {"a.b", "a"}, {"ab"}),
       Op("Clip", {"ab", "low", "high"}, {"f"}), Op("MatMul", {"f", "y.w"}, {"y"})},
      {{"low", Tensor::Scalar(0.0F)},
       {"high", Tensor::Scalar(0.5F)},
       {"a.w", Uneven({5, 6}, 1, 1)},
       {"a.b", RandomTensor({6}, 3)},
       {"y.w", Uneven({6, 4}, 2)}});
  ExpectEqualized(matmul, 1, {1, 7, 5});
}

TEST(CrossLayerEqualization, SeveralReadersShareOneScale) {
  std::map<std::string, Tensor> weights = {
      {"a.w", Uneven({6, 3, 1, 1}, 1)},    {"a.b", RandomTensor({6}, 2)},
      {"b.w", Uneven({4, 6, 1, 1}, 3, 1)}, {"b.b", RandomTensor({4}, 4)},
      {"c.w", Uneven({4, 6, 1, 1}, 5, 1)}, {"c.b", RandomTensor({4}, 6)},
      {"high", Tensor::Scalar(0.5F)}};
  const std::vector<Node> nodes = {Conv("x", "a"), Op("Relu", {"a"}, {"f"}), Conv("f", "b"),
                                   Op("Clip", {"a", "", "high"}, {"g"}), Conv("g", "c"),
                                   Op("Add", {"b", "c"}, {"y"})};
  ExpectEqualized(MakeGraph({-1, 3, 5, 5}, nodes, weights), 1, kImage);
}

TEST(CrossLayerEqualization, WhatCannotBeRescaledIsNoPair) {
  const auto relu = [] { return TwoConvs({Op("Relu", {"a"}, {"f"})}); };
  // Another reader, and the network's caller.
  Graph residual = relu();
  residual.nodes.push_back(Op("Add", {"f", "f"}, {"sum"}));
  residual.outputs.push_back("sum");
  ExpectEqualized(residual, 0, kImage);
  for (const char* output : {"a", "f"}) {
    Graph seen = relu();
    seen.outputs.push_back(output);
    ExpectEqualized(seen, 0, kImage);
  }
  // Functions that are not positively homogeneous.
  for (const char* op : {"Sigmoid", "Tanh", "Softplus", "Exp"}) {
    ExpectEqualized(TwoConvs({Op(op, {"a"}, {"f"})}), 0, kImage);
  }
  // Given tensors keep their values.
  Graph given = relu();
  EXPECT_TRUE(EqualizeCrossLayer(given, {"f"}).pairs.empty());
  EXPECT_EQ(EqualizeCrossLayer(given, {"f"}).num_fixed_pairs, 1);
  EXPECT_TRUE(EqualizeCrossLayer(given, {"a"}).pairs.empty());
  // Channels that are padded.
  ExpectEqualized(TwoConvs({Op("Pad", {"a", "pads"}, {"p"}),
                            Op("Slice", {"p", "s", "e", "ax"}, {"f"})},
                           {{"pads", Ints({0, 1, 0, 0, 0, 0, 0, 0})},
                            {"s", Ints({1})},
                            {"e", Ints({7})},
                            {"ax", Ints({1})}}),
                  0, kImage);
}

TEST(CrossLayerEqualization, SaysWhichLayersItLeavesAndWhy) {
  Graph old = TwoConvs({Op("Clip", {"a"}, {"f"}, {{"min", 0.0}, {"max", 6.0}})});
  old.opset = 7;
  EqualizationResult result = EqualizeCrossLayer(old, {});
  EXPECT_TRUE(result.pairs.empty());
  ASSERT_EQ(result.left.size(), 1U);
  EXPECT_EQ(result.left[0],
            "a: bounds per channel in place of 'f' need operator set 8; the model has 7");
  // A weight that two layers read.
  Graph shared = TwoConvs({Op("Relu", {"a"}, {"f"})});
  shared.nodes.push_back(Op("Conv", {"x", "a.w", "a.b"}, {"b"}));
  shared.outputs.push_back("b");
  result = EqualizeCrossLayer(shared, {});
  EXPECT_TRUE(result.pairs.empty());
  ASSERT_EQ(result.left.size(), 1U);
  EXPECT_NE(result.left[0].find("a: its weight is read elsewhere"), std::string::npos);
}

TEST(CrossLayerEqualization, TheLargestFloatIsNoBound) {
  const float largest = std::numeric_limits<float>::max();
  const Graph equalized =
      ExpectEqualized(TwoConvs({Op("Clip", {"a", "low", "high"}, {"f"})},
                               {{"low", Tensor::Scalar(0.0F)}, {"high", Tensor::Scalar(largest)}}),
                      1, kImage);
  EXPECT_EQ(equalized.nodes[1].op, "Clip");
}

TEST(CrossLayerEqualization, RescaledTensorsGetOtherNames) {
  Graph graph = TwoConvs({Op("Clip", {"a", "low", "high"}, {"f"})},
                         {{"low", Tensor::Scalar(0.0F)}, {"high", Tensor::Scalar(0.7F)}});
  const EqualizationResult result = EqualizeCrossLayer(graph, {});
  ASSERT_EQ(result.pairs.size(), 1U);
  const auto producers = graph.Producers();
  EXPECT_FALSE(producers.contains("a"));
  EXPECT_FALSE(producers.contains("f"));
  EXPECT_TRUE(producers.contains(result.pairs[0].output));
  EXPECT_EQ(result.pairs[0].original_output, "a");
  EXPECT_TRUE(producers.contains("y"));
  // Nodes keep theirs: options name layers by them.
  EXPECT_EQ(graph.nodes.front().name, "a");
}

TEST(CrossLayerEqualization, SharedWeightsAndBiasesAreNoPair) {
  const std::map<std::string, Tensor> weights = {{"a.w", Uneven({3, 3, 1, 1}, 1)},
                                                 {"a.b", RandomTensor({3}, 2)},
                                                 {"b.w", Uneven({3, 3, 1, 1}, 3)},
                                                 {"b.b", RandomTensor({3}, 4)}};
  const auto graph = [&](const std::string& second_weight, const std::string& second_bias) {
    return MakeGraph({-1, 3, 5, 5},
                     {Conv("x", "a"), Op("Relu", {"a"}, {"f"}),
                      Op("Conv", {"f", second_weight, second_bias}, {"y"})},
                     weights);
  };
  ExpectEqualized(graph("b.w", "b.b"), 1, kImage);
  ExpectEqualized(graph("a.w", "b.b"), 0, kImage);
  ExpectEqualized(graph("b.w", "a.b"), 0, kImage);
}

}  // namespace
}  // namespace adaround
