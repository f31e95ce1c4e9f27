#include "adaround/graph/graph.h"

#include <gtest/gtest.h>

#include "support/error_testing.h"
#include "support/graph_testing.h"

namespace adaround {
namespace {

using testing::Floats;
using testing::FloatInput;
using testing::Op;

// x -> a -> b, with weight w.
Graph SoundGraph() {
  Graph graph;
  graph.inputs = {FloatInput("x", {-1, 4})};
  graph.outputs = {"b"};
  graph.nodes = {Op("MatMul", {"x", "w"}, {"a"}), Op("Relu", {"a"}, {"b"})};
  graph.initializers = {{"w", Floats({4, 1}, {1, 2, 3, 4})}};
  return graph;
}

template <typename Change>
std::string Violations(Change change) {
  Graph graph = SoundGraph();
  change(graph);
  std::string joined;
  for (const std::string& violation : graph.Validate()) joined += violation + "\n";
  return joined;
}

void ExpectOne(const std::string& violations, const std::string& fragment) {
  EXPECT_EQ(std::count(violations.begin(), violations.end(), '\n'), 1) << violations;
  EXPECT_NE(violations.find(fragment), std::string::npos) << violations;
}

TEST(Graph, ValidateNamesEachViolation) {
  EXPECT_EQ(Violations([](Graph&) {}), "");
  ExpectOne(Violations([](Graph& g) { g.nodes[1].outputs = {"a"}; g.outputs = {"a"}; }), "'a'");
  ExpectOne(Violations([](Graph& g) { g.inputs.push_back(FloatInput("w", {1})); }), "'w'");
  ExpectOne(Violations([](Graph& g) { g.inputs.push_back(g.inputs[0]); }), "'x'");
  ExpectOne(Violations([](Graph& g) { g.nodes[0].inputs[0] = "y"; }), "'y'");
  ExpectOne(Violations([](Graph& g) { g.initializers.clear(); }), "'w'");
  ExpectOne(Violations([](Graph& g) { g.outputs.push_back("c"); }), "'c'");
  ExpectOne(Violations([](Graph& g) { g.nodes[0].inputs[0] = "b"; }), "cycle");
  ExpectOne(Violations([](Graph& g) { g.nodes[1].inputs[0] = "b"; }), "cycle");
}

TEST(Graph, OperatorsOfOtherDomainsBearBothNames) {
  for (const char* op : {"", "a::", "::Relu", "ai.onnx::Relu"}) {
    ExpectOne(Violations([&](Graph& g) { g.nodes[1].op = op; }),
              "'" + std::string(op) + "' names no operator");
  }
  for (const char* op : {"a::b", "com.microsoft::FusedConv", "a::b::c", "a:::b", "a::b:"}) {
    EXPECT_EQ(Violations([&](Graph& g) { g.nodes[1].op = op; }), "") << op;
  }
}

TEST(Graph, OptionalTensorsMayBeLeftOut) {
  EXPECT_EQ(Violations([](Graph& g) {
              g.nodes[1].inputs.push_back("");
              g.nodes[1].outputs.push_back("");
              g.nodes[0].outputs.push_back("");
            }),
            "");
}

TEST(Graph, ControlCharactersInNamesAreEscaped) {
  const std::string violations = Violations([](Graph& g) { g.nodes[0].inputs[0] = "y\x1b[31m"; });
  EXPECT_EQ(violations.find('\x1b'), std::string::npos);
}

TEST(Graph, SortFollowsEdgesAndKeepsTheOrderAmongEquals) {
  Graph graph;
  graph.inputs = {FloatInput("x", {-1})};
  graph.nodes = {Op("Add", {"c", "b"}, {"d"}), Op("Relu", {"a"}, {"c"}), Op("Relu", {"a"}, {"b"}),
                 Op("Relu", {"x"}, {"a"}), Op("Relu", {"x"}, {"e"})};
  graph.SortTopologically();
  std::vector<std::string> order;
  for (const Node& node : graph.nodes) order.push_back(node.name);
  EXPECT_EQ(order, (std::vector<std::string>{"a", "c", "b", "d", "e"}));
  graph.SortTopologically();
  EXPECT_EQ(graph.nodes[1].name, "c");
}

TEST(Graph, ConsumersNameANodeOnce) {
  Graph graph = SoundGraph();
  graph.nodes.push_back(Op("Mul", {"a", "a"}, {"square"}));
  const auto consumers = graph.Consumers();
  EXPECT_EQ(consumers.at("a"), (std::vector<size_t>{1, 2}));
  EXPECT_EQ(consumers.at("w"), std::vector<size_t>{0});
  EXPECT_FALSE(consumers.contains("b"));
  EXPECT_EQ(graph.Producers().at("square"), 2u);
  EXPECT_TRUE(graph.IsOutput("b"));
  EXPECT_FALSE(graph.IsOutput("a"));
}

TEST(Node, AttributesOfTheWrongTypeAreRefusedByName) {
  const Node node = Op("Conv", {}, {"y"}, {{"group", std::string("two")},
                                          {"pads", testing::IntList({1, 2})},
                                          {"epsilon", int64_t{1}},
                                          {"scales", std::vector<double>{}}});
  testing::ExpectErrorWith(ErrorCode::kMalformed, {"'y'", "'group'"},
                           [&] { node.GetInt("group", 1); });
  testing::ExpectErrorWith(ErrorCode::kMalformed, {"'pads'"}, [&] { node.GetString("pads", ""); });
  EXPECT_EQ(node.GetFloat("epsilon", 0.0), 1.0);
  EXPECT_EQ(node.GetFloats("pads", {}), (std::vector<double>{1.0, 2.0}));
  EXPECT_TRUE(node.GetInts("scales", {7}).empty());
  EXPECT_EQ(node.GetInts("strides", {7}), std::vector<int64_t>{7});
}

}  // namespace
}  // namespace adaround
