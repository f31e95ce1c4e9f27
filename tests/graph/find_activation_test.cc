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
  EXPECT_TRUE(found.function.IsIdentity()) << found.function.Name();
  EXPECT_EQ(found.node, "");
}

// What the found function makes of a few values equals what the executor's node makes of them.
void ExpectSameAsNode(const std::vector<Node>& nodes,
                      const std::map<std::string, Tensor>& initializers) {
  SCOPED_TRACE(nodes.front().op);
  const LayerActivation found = Find(nodes, initializers);
  EXPECT_FALSE(found.function.IsIdentity());
  EXPECT_EQ(found.node, "y");
  Graph graph;
  graph.opset = 20;
  graph.inputs = {testing::FloatInput("z", {-1, 101})};
  graph.nodes = nodes;
  graph.initializers = initializers;
  graph.outputs = {"y"};
  const Tensor z = testing::RandomTensor({1, 101}, 1, -8.0F, 8.0F);
  Tensor wanted = z.Clone();
  found.function.Apply(z.data<float>(), wanted.mutable_data<float>(), 101);
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
  ExpectSameAsNode({Op("Gelu", {"z"}, {"y"})}, {});
  ExpectSameAsNode({Op("Gelu", {"z"}, {"y"}, {{"approximate", std::string("tanh")}})}, {});
  ExpectSameAsNode({Op("Clip", {"z", "low", "high"}, {"y"})},
                   {{"low", Tensor::Scalar(0.0F)}, {"high", Tensor::Scalar(6.0F)}});
  ExpectSameAsNode({Op("Clip", {"z", "", "high"}, {"y"})}, {{"high", Tensor::Scalar(1.0F)}});
  ExpectSameAsNode({Op("Clip", {"z", "low"}, {"y"})}, {{"low", Tensor::Scalar(-1.0F)}});
}

TEST(FindActivation, OldClipKeepsItsBoundsInAttributes) {
  const Activation found =
      Find({Op("Clip", {"z"}, {"y"}, {{"min", -1.0}, {"max", 2.0}})}).function;
  EXPECT_EQ(found.lower, -1.0F);
  EXPECT_EQ(found.upper, 2.0F);
  EXPECT_EQ(found.negative_slope, 1.0F);
}

TEST(FindActivation, SiluIsSpreadOverTwoNodes) {
  ExpectSameAsNode({Op("Sigmoid", {"z"}, {"s"}), Op("Mul", {"z", "s"}, {"y"})}, {});
  ExpectSameAsNode({Op("Sigmoid", {"z"}, {"s"}), Op("Mul", {"s", "z"}, {"y"})}, {});
  const std::vector<Node> silu = {Op("Sigmoid", {"z"}, {"s"}), Op("Mul", {"z", "s"}, {"y"})};
  EXPECT_EQ(Find(silu).function.kind, Activation::Kind::kSilu);
  // A gate that others see, a third reader, another product.
  ExpectIdentity(Find(silu, {}, {"y", "s"}));
  ExpectIdentity(Find({silu[0], silu[1], Op("Relu", {"s"}, {"r"})}));
  ExpectIdentity(Find({silu[0], silu[1], Op("Relu", {"z"}, {"r"})}));
  ExpectIdentity(Find({silu[0], Op("Mul", {"z", "z"}, {"y"})}));
  ExpectIdentity(Find({silu[0], Op("Add", {"z", "s"}, {"y"})}));
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

}  // namespace
}  // namespace adaround
