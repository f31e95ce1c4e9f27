#include "graph/passes/find_activation.h"

#include <gtest/gtest.h>

#include "support/graph_testing.h"

namespace adaround {
namespace {

using testing::Floats;
using testing::Op;

// The activation found behind tensor "z" of these nodes.
LayerActivation Find(std::vector<Node> nodes, std::map<std::string, Tensor> initializers = {},
                     std::vector<std::string> outputs = {"y"}) {
  Graph graph;
  graph.nodes = {Op("Conv", {"x", "w"}, {"z"})};
  for (Node& node : nodes) graph.nodes.push_back(std::move(node));
  graph.initializers = std::move(initializers);
  graph.outputs = std::move(outputs);
  return FindActivation(graph, graph.Consumers(), "z");
}

void ExpectIdentity(const LayerActivation& found) {
  EXPECT_TRUE(found.activation.IsIdentity()) << found.activation.Name();
  EXPECT_EQ(found.node, "");
}

// What the found function makes of a few values equals what the executor's node makes of them.
void ExpectSameAsNode(const std::vector<Node>& nodes,
                      const std::map<std::string, Tensor>& initializers) {
  SCOPED_TRACE(nodes.front().op);
  const LayerActivation found = Find(nodes, initializers);
  EXPECT_FALSE(found.activation.IsIdentity());
  EXPECT_EQ(found.node, "y");
  Graph graph;
  graph.opset = 20;
  graph.inputs = {testing::FloatInput("z", {-1, 101})};
  graph.nodes = nodes;
  graph.initializers = initializers;
  graph.outputs = {"y"};
  const Tensor z = testing::RandomTensor({1, 101}, 1, -8.0F, 8.0F);
  Tensor wanted = z.Clone();
  found.activation.function.Apply(z.data<float>(), wanted.mutable_data<float>(), 101);
  const Tensor y = testing::RunGraph(graph, {{"z", z}}, {"y"}).at("y");
  EXPECT_LT(testing::RelativeDifference(y, wanted), 1e-6);
}

TEST(FindActivation, FoundFunctionsAreTheirNodes) {
  ExpectSameAsNode({Op("Relu", {"z"}, {"y"})}, {});
  ExpectSameAsNode({Op("LeakyRelu", {"z"}, {"y"})}, {});
  ExpectSameAsNode({Op("LeakyRelu", {"z"}, {"y"}, {{"alpha", 0.3}})}, {});
  ExpectSameAsNode({Op("PRelu", {"z", "slope"}, {"y"})}, {{"slope", Floats({1}, {0.25F})}});
  ExpectSameAsNode({Op("Sigmoid", {"z"}, {"y"})}, {});
  ExpectSameAsNode({Op("HardSigmoid", {"z"}, {"y"})}, {});
  ExpectSameAsNode({Op("HardSigmoid", {"z"}, {"y"}, {{"alpha", 0.4}, {"beta", 0.3}})}, {});
  ExpectSameAsNode({Op("HardSwish", {"z"}, {"y"})}, {});
  ExpectSameAsNode({Op("Tanh", {"z"}, {"y"})}, {});
  ExpectSameAsNode({Op("Mish", {"z"}, {"y"})}, {});
  ExpectSameAsNode({Op("Gelu", {"z"}, {"y"})}, {});
  ExpectSameAsNode({Op("Gelu", {"z"}, {"y"}, {{"approximate", std::string("tanh")}})}, {});
  ExpectSameAsNode({Op("Clip", {"z", "low", "high"}, {"y"})},
                   {{"low", Tensor::Scalar(0.0F)}, {"high", Tensor::Scalar(6.0F)}});
  ExpectSameAsNode({Op("Clip", {"z", "", "high"}, {"y"})}, {{"high", Tensor::Scalar(1.0F)}});
  ExpectSameAsNode({Op("Clip", {"z", "low"}, {"y"})}, {{"low", Tensor::Scalar(-1.0F)}});
}

TEST(FindActivation, OldClipKeepsItsBoundsInAttributes) {
  const Activation found =
      Find({Op("Clip", {"z"}, {"y"}, {{"min", -1.0}, {"max", 2.0}})}).activation.function;
  EXPECT_EQ(found.lower, -1.0F);
  EXPECT_EQ(found.upper, 2.0F);
  EXPECT_EQ(found.negative_slope, 1.0F);
}

TEST(FindActivation, SiluIsSpreadOverTwoNodes) {
  ExpectSameAsNode({Op("Sigmoid", {"z"}, {"s"}), Op("Mul", {"z", "s"}, {"y"})}, {});
  ExpectSameAsNode({Op("Sigmoid", {"z"}, {"s"}), Op("Mul", {"s", "z"}, {"y"})}, {});
  const std::vector<Node> silu = {Op("Sigmoid", {"z"}, {"s"}), Op("Mul", {"z", "s"}, {"y"})};
  EXPECT_EQ(Find(silu).activation.function.kind, Activation::Kind::kSilu);
  // A gate that others see, a third reader, another product.
  ExpectIdentity(Find(silu, {}, {"y", "s"}));
  ExpectIdentity(Find({silu[0], silu[1], Op("Relu", {"s"}, {"r"})}));
  ExpectIdentity(Find({silu[0], silu[1], Op("Relu", {"z"}, {"r"})}));
  ExpectIdentity(Find({silu[0], Op("Mul", {"z", "z"}, {"y"})}));
  ExpectIdentity(Find({silu[0], Op("Add", {"z", "s"}, {"y"})}));
}

// The kind found for these nodes, which is also checked against what they compute.
Activation::Kind KindOf(const std::vector<Node>& nodes,
                        const std::map<std::string, Tensor>& initializers = {}) {
  ExpectSameAsNode(nodes, initializers);
  return Find(nodes, initializers).activation.function.kind;
}

TEST(FindActivation, HardSwishInTheFormsOfExporters) {
  const auto kHardSwish = Activation::Kind::kHardSwish;
  EXPECT_EQ(KindOf({Op("HardSigmoid", {"z"}, {"h"}, {{"alpha", 1.0 / 6.0}, {"beta", 0.5}}),
                    Op("Mul", {"z", "h"}, {"y"})}),
            kHardSwish);
  // As a float32 attribute.
  EXPECT_EQ(KindOf({Op("HardSigmoid", {"z"}, {"h"}, {{"alpha", 0.1666666716337204}}),
                    Op("Mul", {"h", "z"}, {"y"})}),
            kHardSwish);
  const std::map<std::string, Tensor> constants = {{"three", Tensor::Scalar(3.0F)},
                                                   {"zero", Tensor::Scalar(0.0F)},
                                                   {"six", Floats({1}, {6.0F})},
                                                   {"sixth", Tensor::Scalar(1.0F / 6.0F)}};
  const Node add = Op("Add", {"z", "three"}, {"a"});
  const Node clip = Op("Clip", {"a", "zero", "six"}, {"c"});
  EXPECT_EQ(
      KindOf({add, clip, Op("Mul", {"z", "c"}, {"m"}), Op("Div", {"m", "six"}, {"y"})}, constants),
      kHardSwish);
  EXPECT_EQ(
      KindOf({add, clip, Op("Div", {"c", "six"}, {"d"}), Op("Mul", {"z", "d"}, {"y"})}, constants),
      kHardSwish);
  EXPECT_EQ(KindOf({add, clip, Op("Mul", {"c", "sixth"}, {"d"}), Op("Mul", {"d", "z"}, {"y"})},
                   constants),
            kHardSwish);
  // The order of nodes is the file's.
  EXPECT_EQ(KindOf({add, Op("Relu", {"a"}, {"r"}), Op("Min", {"r", "six"}, {"c"}),
                    Op("Mul", {"c", "sixth"}, {"d"}), Op("Mul", {"d", "z"}, {"y"})},
                   constants),
            kHardSwish);
  // Without the product it is the gate.
  EXPECT_EQ(KindOf({add, clip, Op("Div", {"c", "six"}, {"y"})}, constants),
            Activation::Kind::kHardSigmoid);
}

TEST(FindActivation, GeluInTheFormsOfExporters) {
  const std::map<std::string, Tensor> constants = {{"sqrt2", Tensor::Scalar(1.4142135381698608F)},
                                                   {"rsqrt2", Tensor::Scalar(0.70710678F)},
                                                   {"one", Tensor::Scalar(1.0F)},
                                                   {"half", Floats({1}, {0.5F})},
                                                   {"cubic", Tensor::Scalar(0.044715F)},
                                                   {"three", Tensor::Scalar(3.0F)},
                                                   {"root", Tensor::Scalar(0.79788458F)}};
  const Node div = Op("Div", {"z", "sqrt2"}, {"d"});
  const Node erf = Op("Erf", {"d"}, {"e"});
  const Node add = Op("Add", {"e", "one"}, {"a"});
  const auto kGelu = Activation::Kind::kGelu;
  EXPECT_EQ(KindOf({div, erf, add, Op("Mul", {"z", "a"}, {"m"}), Op("Mul", {"m", "half"}, {"y"})},
                   constants),
            kGelu);
  EXPECT_EQ(KindOf({div, erf, add, Op("Mul", {"half", "z"}, {"m"}), Op("Mul", {"m", "a"}, {"y"})},
                   constants),
            kGelu);
  EXPECT_EQ(KindOf({Op("Mul", {"z", "rsqrt2"}, {"d"}), erf, Op("Add", {"one", "e"}, {"a"}),
                    Op("Mul", {"a", "half"}, {"h"}), Op("Mul", {"z", "h"}, {"y"})},
                   constants),
            kGelu);
  const std::vector<Node> tanh_form = {
      Op("Pow", {"z", "three"}, {"p"}), Op("Mul", {"p", "cubic"}, {"q"}),
      Op("Add", {"z", "q"}, {"s"}),     Op("Mul", {"s", "root"}, {"r"}),
      Op("Tanh", {"r"}, {"t"}),         Op("Add", {"t", "one"}, {"a"}),
      Op("Mul", {"z", "half"}, {"h"}),  Op("Mul", {"h", "a"}, {"y"})};
  EXPECT_EQ(KindOf(tanh_form, constants), Activation::Kind::kGeluTanh);
}

TEST(FindActivation, OtherFormsSpreadOverNodes) {
  const std::map<std::string, Tensor> constants = {{"zero", Tensor::Scalar(0.0F)},
                                                   {"six", Tensor::Scalar(6.0F)},
                                                   {"one", Tensor::Scalar(1.0F)},
                                                   {"slope", Tensor::Scalar(0.2F)}};
  EXPECT_EQ(KindOf({Op("Softplus", {"z"}, {"s"}), Op("Tanh", {"s"}, {"t"}),
                    Op("Mul", {"z", "t"}, {"y"})}),
            Activation::Kind::kMish);
  EXPECT_EQ(
      KindOf({Op("Exp", {"z"}, {"e"}), Op("Add", {"e", "one"}, {"p"}), Op("Log", {"p"}, {"s"}),
              Op("Tanh", {"s"}, {"t"}), Op("Mul", {"z", "t"}, {"y"})},
             constants),
      Activation::Kind::kMish);
  EXPECT_EQ(KindOf({Op("Neg", {"z"}, {"n"}), Op("Exp", {"n"}, {"e"}),
                    Op("Add", {"e", "one"}, {"p"}), Op("Div", {"z", "p"}, {"y"})},
                   constants),
            Activation::Kind::kSilu);
  const std::vector<Node> relu6 = {Op("Relu", {"z"}, {"r"}), Op("Min", {"r", "six"}, {"y"})};
  EXPECT_EQ(KindOf(relu6, constants), Activation::Kind::kPiecewiseLinear);
  EXPECT_EQ(Find(relu6, constants).activation.Name(), "Clip(0, 6)");
  const std::vector<Node> leaky = {Op("Mul", {"z", "slope"}, {"m"}), Op("Max", {"m", "z"}, {"y"})};
  EXPECT_EQ(KindOf(leaky, constants), Activation::Kind::kPiecewiseLinear);
  EXPECT_NEAR(Find(leaky, constants).activation.function.negative_slope, 0.2F, 1e-6);
}

TEST(FindActivation, WhatIsNoActivationStaysOut) {
  const std::map<std::string, Tensor> constants = {{"half", Tensor::Scalar(0.5F)},
                                                   {"many", Floats({2}, {1.0F, 2.0F})},
                                                   {"one", Tensor::Scalar(1.0F)}};
  ExpectIdentity(
      Find({Op("Mul", {"z", "half"}, {"m"}), Op("Add", {"m", "one"}, {"y"})}, constants));
  // A Relu that others read stays the layer's, and what follows it is not looked at.
  const LayerActivation relu = Find(
      {Op("Relu", {"z"}, {"r"}), Op("Mul", {"r", "half"}, {"y"}), Op("Conv", {"r", "v"}, {"u"})},
      constants);
  EXPECT_EQ(relu.activation.Name(), "Relu");
  EXPECT_EQ(relu.node, "r");
  // Operands that differ by element.
  ExpectIdentity(Find(
      {Op("Sigmoid", {"z"}, {"s"}), Op("Mul", {"s", "many"}, {"m"}), Op("Mul", {"m", "z"}, {"y"})},
      constants));
  // A gate that is an output of the network.
  ExpectIdentity(
      Find({Op("Softplus", {"z"}, {"s"}), Op("Tanh", {"s"}, {"t"}), Op("Mul", {"z", "t"}, {"y"})},
           {}, {"y", "t"}));
}

// Bounds beyond the values that networks usually see are bounds all the same.
TEST(FindActivation, ABoundFarOutIsNoPartOfTheActivation) {
  const std::map<std::string, Tensor> constants = {
      {"nine", Tensor::Scalar(9.0F)},         {"ten", Tensor::Scalar(10.0F)},
      {"far", Tensor::Scalar(3000.0F)},       {"two", Tensor::Scalar(2.0F)},
      {"sixteen", Tensor::Scalar(16.0F)},     {"zero", Tensor::Scalar(0.0F)},
      {"half", Tensor::Scalar(0.5F)},         {"one", Tensor::Scalar(1.0F)},
      {"rsqrt2", Tensor::Scalar(0.70710678F)}};
  const auto expect = [&](const std::vector<Node>& nodes, Activation::Kind kind,
                          const std::string& last) {
    const LayerActivation found = Find(nodes, constants);
    EXPECT_EQ(found.activation.function.kind, kind);
    EXPECT_EQ(found.node, last);
  };
  const Node hard_swish = Op("HardSwish", {"z"}, {"h"});
  expect({hard_swish, Op("Min", {"h", "ten"}, {"y"})}, Activation::Kind::kHardSwish, "h");
  expect({hard_swish, Op("Min", {"h", "far"}, {"y"})}, Activation::Kind::kHardSwish, "h");
  expect(
      {Op("Sigmoid", {"z"}, {"s"}), Op("Mul", {"z", "s"}, {"m"}), Op("Min", {"m", "nine"}, {"y"})},
      Activation::Kind::kSilu, "m");
  expect({Op("Mul", {"z", "rsqrt2"}, {"d"}), Op("Erf", {"d"}, {"e"}),
          Op("Add", {"e", "one"}, {"a"}), Op("Mul", {"a", "half"}, {"q"}),
          Op("Mul", {"z", "q"}, {"g"}), Op("Clip", {"g", "", "ten"}, {"y"})},
         Activation::Kind::kGelu, "g");
  ExpectIdentity(Find({Op("Mul", {"z", "two"}, {"m"}), Op("Sub", {"m", "sixteen"}, {"s"}),
                       Op("Max", {"z", "s"}, {"y"})},
                      constants));
  // That of a clip is part of it.
  const LayerActivation clip =
      Find({Op("Relu", {"z"}, {"r"}), Op("Min", {"r", "far"}, {"y"})}, constants);
  EXPECT_EQ(clip.activation.Name(), "Clip(0, 3000)");
  EXPECT_EQ(clip.node, "y");
}

TEST(FindActivation, FormsThatOverflowFarOutAreFound) {
  EXPECT_EQ(KindOf({Op("Exp", {"z"}, {"e"}), Op("Add", {"e", "one"}, {"p"}),
                    Op("Div", {"e", "p"}, {"s"}), Op("Mul", {"z", "s"}, {"y"})},
                   {{"one", Tensor::Scalar(1.0F)}}),
            Activation::Kind::kSilu);
}

TEST(FindActivation, ScaledAndStackedFunctionsEndWhereTheyAreOnes) {
  const std::map<std::string, Tensor> constants = {{"half", Tensor::Scalar(0.5F)}};
  const LayerActivation silu = Find(
      {Op("Sigmoid", {"z"}, {"s"}), Op("Mul", {"z", "s"}, {"m"}), Op("Mul", {"m", "half"}, {"y"})},
      constants);
  EXPECT_EQ(silu.activation.function.kind, Activation::Kind::kSilu);
  EXPECT_EQ(silu.node, "m");
}

TEST(FindActivation, OtherReadersMakeItIdentity) {
  ExpectIdentity(Find({Op("Relu", {"z"}, {"y"}), Op("Add", {"z", "y"}, {"sum"})}));
  ExpectIdentity(Find({Op("Relu", {"z"}, {"y"}), Op("Relu", {"z"}, {"y2"})}));
  ExpectIdentity(Find({Op("Relu", {"z"}, {"y"})}, {}, {"y", "z"}));
  ExpectIdentity(Find({}));
}

TEST(FindActivation, OtherOperatorsComeFirst) {
  ExpectIdentity(Find({Op("Add", {"z", "other"}, {"sum"}), Op("Relu", {"sum"}, {"y"})}));
  ExpectIdentity(Find({Op("Softmax", {"z"}, {"y"})}));
  ExpectIdentity(Find({Op("Mul", {"z", "z"}, {"y"})}));
}

TEST(FindActivation, BoundsAndSlopesMustBeOneConstant) {
  ExpectIdentity(Find({Op("Clip", {"z", "low"}, {"y"})}));
  ExpectIdentity(Find({Op("Clip", {"z", "low"}, {"y"})}, {{"low", Floats({2}, {0, 0})}}));
  ExpectIdentity(Find({Op("Clip", {"z", "low", "high"}, {"y"})},
                      {{"low", Tensor::Scalar(1.0F)}, {"high", Tensor::Scalar(0.0F)}}));
  ExpectIdentity(
      Find({Op("PRelu", {"z", "slope"}, {"y"})}, {{"slope", Floats({2}, {0.1F, 0.2F})}}));
  // Here the layer's output is the bound, not the operand.
  ExpectIdentity(Find({Op("Clip", {"other", "z"}, {"y"})}));
  ExpectIdentity(Find({Op("PRelu", {"other", "z"}, {"y"})}));
}

// What is found behind a convolution with 3 channels equals what the nodes compute.
void ExpectPerChannel(const std::vector<Node>& nodes,
                      const std::map<std::string, Tensor>& initializers, const char* name) {
  SCOPED_TRACE(name);
  Graph graph;
  graph.inputs = {testing::FloatInput("z", {-1, 3, 4, 4})};
  graph.nodes = nodes;
  graph.initializers = initializers;
  graph.outputs = {"y"};
  const LayerActivation found = FindActivation(graph, graph.Consumers(), "z", {3, 3, 4});
  EXPECT_EQ(found.activation.Name(), name);
  EXPECT_EQ(found.node, "y");
  const Tensor z = testing::RandomTensor({1, 3, 4, 4}, 1, -8.0F, 8.0F);
  Tensor wanted = z.Clone();
  for (int64_t c = 0; c < 3; ++c) {
    found.activation.Of(c).Apply(z.data<float>() + c * 16, wanted.mutable_data<float>() + c * 16,
                                 16);
  }
  const Tensor y = testing::RunGraph(graph, {{"z", z}}, {"y"}).at("y");
  EXPECT_EQ(testing::RelativeDifference(y, wanted), 0.0);
}

TEST(FindActivation, BoundsAndSlopesPerChannel) {
  const std::map<std::string, Tensor> constants = {
      {"highs", Floats({1, 3, 1, 1}, {1.0F, 2.0F, 3.0F})},
      {"short", Floats({3, 1, 1}, {1.0F, 2.0F, 3.0F})},
      {"lows", Floats({1, 3, 1, 1}, {-1.0F, 0.0F, -3.0F})},
      {"slopes", Floats({3, 1, 1}, {0.1F, 0.2F, -0.3F})},
      {"zero", Tensor::Scalar(0.0F)},
      {"six", Floats({1}, {6.0F})}};
  const char* const relu6 = "Clip(0, per channel)";
  ExpectPerChannel({Op("Relu", {"z"}, {"r"}), Op("Min", {"r", "highs"}, {"y"})}, constants, relu6);
  ExpectPerChannel({Op("Relu", {"z"}, {"r"}), Op("Min", {"short", "r"}, {"y"})}, constants, relu6);
  ExpectPerChannel({Op("Max", {"zero", "z"}, {"r"}), Op("Min", {"r", "highs"}, {"y"})}, constants,
                   relu6);
  ExpectPerChannel({Op("Min", {"z", "highs"}, {"r"}), Op("Relu", {"r"}, {"y"})}, constants, relu6);
  ExpectPerChannel({Op("Max", {"z", "lows"}, {"r"}), Op("Min", {"r", "highs"}, {"y"})}, constants,
                   "Clip(per channel, per channel)");
  ExpectPerChannel({Op("Clip", {"z", "zero", "six"}, {"r"}), Op("Min", {"r", "highs"}, {"y"})},
                   constants, relu6);
  ExpectPerChannel({Op("PRelu", {"z", "slopes"}, {"y"})}, constants, "PRelu(per channel)");
}

TEST(FindActivation, OldSlopesLieAlongTheChannels) {
  const auto find = [](const Tensor& slope, const ChannelPlace& place) {
    Graph graph;
    graph.opset = 6;
    graph.nodes = {Op("Conv", {"x", "w"}, {"z"}), Op("PRelu", {"z", "slope"}, {"y"})};
    graph.initializers = {{"slope", slope}};
    graph.outputs = {"y"};
    return FindActivation(graph, graph.Consumers(), "z", place).activation;
  };
  const ChannelActivation own = find(Floats({3}, {0.1F, 0.2F, -0.3F}), {3, 3, 4});
  EXPECT_EQ(own.negative_slope, (std::vector<float>{0.1F, 0.2F, -0.3F}));
  EXPECT_EQ(find(Floats({1}, {0.1F}), {3, 3, 4}).function.negative_slope, 0.1F);
  EXPECT_EQ(find(Floats({3}, {0.1F, 0.1F, 0.1F}), {3, 3, 4}).function.negative_slope, 0.1F);
  // Along dimension 1 of three, where channels are last.
  EXPECT_TRUE(find(Floats({3}, {0.1F, 0.2F, 0.3F}), {3, 1, 3}).negative_slope.empty());
}

TEST(FindActivation, TheLargestFloatIsNoBound) {
  const float largest = std::numeric_limits<float>::max();
  const LayerActivation found =
      Find({Op("Clip", {"z", "low", "high"}, {"y"})},
           {{"low", Tensor::Scalar(0.0F)}, {"high", Tensor::Scalar(largest)}});
  EXPECT_EQ(found.activation.function.upper, std::numeric_limits<float>::infinity());
}

TEST(FindActivation, ConstantsAlongOtherDimensionsAreNotPerChannel) {
  const std::map<std::string, Tensor> constants = {{"rows", Floats({1, 1, 3, 1}, {1, 2, 3})},
                                                   {"last", Floats({3}, {1, 2, 3})},
                                                   {"more", Floats({1, 1, 3, 1, 1}, {1, 2, 3})}};
  for (const char* constant : {"rows", "last", "more"}) {
    Graph graph;
    graph.nodes = {Op("Conv", {"x", "w"}, {"z"}), Op("Min", {"z", constant}, {"y"})};
    graph.initializers = constants;
    graph.outputs = {"y"};
    ExpectIdentity(FindActivation(graph, graph.Consumers(), "z", {3, 3, 4}));
    // Behind a matrix product, channels are last.
    const LayerActivation found = FindActivation(graph, graph.Consumers(), "z", {3, 1, 2});
    EXPECT_EQ(found.activation.upper.size(), std::string(constant) == "last" ? 3U : 0U);
  }
}

}  // namespace
}  // namespace adaround
