#include "graph/passes/fold_batch_norm.h"

#include <gtest/gtest.h>

#include "support/error_testing.h"
#include "support/graph_testing.h"

namespace adaround {
namespace {

using testing::FloatInput;
using testing::IntList;
using testing::Op;
using testing::RandomTensor;
using testing::RelativeDifference;
using testing::RunGraph;

// layer -> BatchNormalization, with statistics for `channels`.
Graph NormedGraph(Node layer, Shape input_shape, int64_t channels) {
  Graph graph;
  graph.opset = 13;
  graph.inputs = {FloatInput("x", std::move(input_shape))};
  layer.outputs = {"z"};
  graph.nodes = {std::move(layer),
                 Op("BatchNormalization", {"z", "gamma", "beta", "mean", "variance"}, {"y"},
                    {{"epsilon", 1e-3}})};
  graph.outputs = {"y"};
  graph.initializers["gamma"] = RandomTensor({channels}, 1);
  graph.initializers["beta"] = RandomTensor({channels}, 2);
  graph.initializers["mean"] = RandomTensor({channels}, 3);
  graph.initializers["variance"] = RandomTensor({channels}, 4, 0.1F, 2.0F);
  return graph;
}

void ExpectFoldsExactly(Graph graph, const Shape& input_shape) {
  const TensorMap given = {{"x", RandomTensor(input_shape, 9)}};
  const Tensor before = RunGraph(graph, given, {"y"}).at("y");
  EXPECT_EQ(FoldBatchNorm(graph), 1);
  EXPECT_TRUE(graph.Validate().empty());
  ASSERT_EQ(graph.nodes.size(), 1u);
  for (const char* name : {"gamma", "beta", "mean", "variance"}) {
    EXPECT_FALSE(graph.initializers.contains(name)) << name;
  }
  EXPECT_LT(RelativeDifference(RunGraph(graph, given, {"y"}).at("y"), before), 1e-5);
}

TEST(FoldBatchNorm, ConvKeepsItsOutput) {
  for (const int64_t groups : {1, 2, 6}) {
    for (const bool with_bias : {false, true}) {
      SCOPED_TRACE("groups " + std::to_string(groups) + " bias " + std::to_string(with_bias));
      Node conv =
          Op("Conv", {"x", "w"}, {"z"}, {{"group", groups}, {"pads", IntList({1, 1, 1, 1})}});
      if (with_bias) conv.inputs.push_back("b");
      Graph graph = NormedGraph(conv, {-1, 6, 5, 5}, 12);
      graph.initializers["w"] = RandomTensor({12, 6 / groups, 3, 3}, 5);
      if (with_bias) graph.initializers["b"] = RandomTensor({12}, 6);
      ExpectFoldsExactly(graph, {1, 6, 5, 5});
    }
  }
}

TEST(FoldBatchNorm, ConvTransposeKeepsItsOutput) {
  for (const int64_t groups : {1, 2, 3}) {
    for (const bool with_bias : {false, true}) {
      SCOPED_TRACE("groups " + std::to_string(groups));
      Node conv =
          Op("ConvTranspose", {"x", "w"}, {"z"}, {{"group", groups}, {"strides", IntList({2, 2})}});
      if (with_bias) conv.inputs.push_back("b");
      Graph graph = NormedGraph(conv, {-1, 6, 4, 4}, 4 * groups);
      graph.initializers["w"] = RandomTensor({6, 4, 3, 3}, 5);
      if (with_bias) graph.initializers["b"] = RandomTensor({4 * groups}, 6);
      ExpectFoldsExactly(graph, {1, 6, 4, 4});
    }
  }
}

TEST(FoldBatchNorm, GemmKeepsItsOutput) {
  for (const int64_t transposed : {0, 1}) {
    for (const double beta : {1.0, 0.5}) {
      for (const double alpha : {1.0, 2.0}) {
        const Node gemm = Op("Gemm", {"x", "w", "b"}, {"z"},
                             {{"transB", transposed}, {"beta", beta}, {"alpha", alpha}});
        Graph graph = NormedGraph(gemm, {-1, 7}, 5);
        graph.initializers["w"] = RandomTensor(transposed != 0 ? Shape{5, 7} : Shape{7, 5}, 5);
        graph.initializers["b"] = RandomTensor({5}, 6);
        ExpectFoldsExactly(graph, {1, 7});
        graph.nodes[0].inputs.pop_back();
        graph.initializers.erase("b");
        ExpectFoldsExactly(graph, {1, 7});
      }
    }
  }
}

// Folds nothing, and changes nothing.
void ExpectLeftAlone(Graph graph) {
  ASSERT_TRUE(graph.Validate().empty());
  const TensorMap given = {{"x", RandomTensor({1, 6, 5, 5}, 9)}};
  const std::set<std::string> wanted(graph.outputs.begin(), graph.outputs.end());
  const TensorMap before = RunGraph(graph, given, wanted);
  const size_t num_nodes = graph.nodes.size();
  EXPECT_EQ(FoldBatchNorm(graph), 0);
  EXPECT_EQ(graph.nodes.size(), num_nodes);
  const TensorMap after = RunGraph(graph, given, wanted);
  for (const auto& [name, value] : before) {
    EXPECT_EQ(RelativeDifference(after.at(name), value), 0.0);
  }
}

Graph ConvGraph() {
  Graph graph = NormedGraph(Op("Conv", {"x", "w", "b"}, {"z"}), {-1, 6, 5, 5}, 6);
  graph.initializers["w"] = RandomTensor({6, 6, 3, 3}, 5);
  graph.initializers["b"] = RandomTensor({6}, 6);
  return graph;
}

TEST(FoldBatchNorm, OutputWithASecondReaderStays) {
  Graph graph = ConvGraph();
  graph.nodes.push_back(Op("Relu", {"z"}, {"other"}));
  graph.outputs.push_back("other");
  ExpectLeftAlone(graph);
}

TEST(FoldBatchNorm, GraphOutputStays) {
  Graph graph = ConvGraph();
  graph.outputs.push_back("z");
  ExpectLeftAlone(graph);
}

TEST(FoldBatchNorm, SharedWeightStays) {
  Graph graph = ConvGraph();
  graph.nodes.push_back(Op("Conv", {"x", "w"}, {"other"}));
  graph.outputs.push_back("other");
  ExpectLeftAlone(graph);
}

TEST(FoldBatchNorm, ComputedStatisticsStay) {
  Graph graph = ConvGraph();
  graph.nodes.insert(graph.nodes.begin(), Op("Relu", {"mean0"}, {"mean"}));
  graph.initializers["mean0"] = graph.initializers.at("mean");
  graph.initializers.erase("mean");
  ExpectLeftAlone(graph);
}

TEST(FoldBatchNorm, WithoutALayerBeforeItStays) {
  Graph graph = ConvGraph();
  graph.nodes.insert(graph.nodes.begin() + 1, Op("Relu", {"z"}, {"r"}));
  graph.nodes[2].inputs[0] = "r";
  ExpectLeftAlone(graph);
}

TEST(FoldBatchNorm, SharedBiasIsKeptForItsOtherReader) {
  Graph graph = ConvGraph();
  graph.nodes.push_back(Op("Relu", {"b"}, {"other"}));
  graph.outputs.push_back("other");
  const TensorMap given = {{"x", RandomTensor({1, 6, 5, 5}, 9)}};
  const TensorMap before = RunGraph(graph, given, {"y", "other"});
  FoldBatchNorm(graph);
  const TensorMap after = RunGraph(graph, given, {"y", "other"});
  EXPECT_LT(RelativeDifference(after.at("y"), before.at("y")), 1e-5);
  EXPECT_EQ(RelativeDifference(after.at("other"), before.at("other")), 0.0);
}

TEST(FoldBatchNorm, ChainFoldsLayerByLayer) {
  Graph graph = ConvGraph();
  graph.outputs = {"y2"};
  graph.nodes.push_back(Op("Conv", {"y", "w2"}, {"z2"}));
  graph.nodes.push_back(
      Op("BatchNormalization", {"z2", "gamma", "beta", "mean", "variance"}, {"y2"}));
  graph.initializers["w2"] = RandomTensor({6, 6, 1, 1}, 15);
  const TensorMap given = {{"x", RandomTensor({1, 6, 5, 5}, 9)}};
  const Tensor before = RunGraph(graph, given, {"y2"}).at("y2");
  EXPECT_EQ(FoldBatchNorm(graph), 2);
  EXPECT_EQ(graph.nodes.size(), 2u);
  EXPECT_LT(RelativeDifference(RunGraph(graph, given, {"y2"}).at("y2"), before), 1e-5);
}

TEST(FoldBatchNorm, VarianceWithoutARootIsMalformed) {
  Graph graph = ConvGraph();
  graph.initializers["variance"] = RandomTensor({6}, 4, -2.0F, -1.0F);
  testing::ExpectErrorWith(ErrorCode::kMalformed, {"'y'", "variance"},
                           [&] { FoldBatchNorm(graph); });
}

TEST(FoldBatchNorm, OneNumberAsBiasIsBroadcast) {
  Graph graph = NormedGraph(Op("Gemm", {"x", "w", "b"}, {"z"}, {{"beta", 0.5}}), {-1, 7}, 5);
  graph.initializers["w"] = RandomTensor({7, 5}, 5);
  graph.initializers["b"] = RandomTensor({}, 6);
  ExpectFoldsExactly(graph, {1, 7});
}

TEST(FoldBatchNorm, FurtherOutputsThatAreReadKeepTheNode) {
  Graph graph = ConvGraph();
  graph.opset = 9;
  graph.nodes[1].outputs = {"y", "running_mean"};
  graph.outputs.push_back("running_mean");
  EXPECT_EQ(FoldBatchNorm(graph), 0);
  EXPECT_EQ(graph.nodes.size(), 2u);
}

TEST(FoldBatchNorm, OldNodesThatTrainOrNormalizeByPositionStay) {
  Graph training = ConvGraph();
  training.opset = 6;
  EXPECT_EQ(FoldBatchNorm(training), 0);  // is_test is 0 where it is left out
  training.nodes[1].attributes["is_test"] = int64_t{1};
  EXPECT_EQ(FoldBatchNorm(training), 1);
  Graph by_position = ConvGraph();
  by_position.opset = 8;
  by_position.nodes[1].attributes["spatial"] = int64_t{0};
  EXPECT_EQ(FoldBatchNorm(by_position), 0);
}

TEST(FoldBatchNorm, StatisticsThatAreGraphOutputsAreKept) {
  Graph graph = ConvGraph();
  graph.outputs.push_back("mean");
  EXPECT_EQ(FoldBatchNorm(graph), 1);
  EXPECT_TRUE(graph.Validate().empty());
}

// Followers of one node, named t0, t1, ... whose last output is y.
Graph FollowedGraph(Node layer, const Shape& input_shape, std::vector<Node> followers) {
  Graph graph;
  graph.opset = 13;
  graph.inputs = {FloatInput("x", input_shape)};
  layer.outputs = {"t0"};
  graph.nodes = {std::move(layer)};
  for (size_t i = 0; i < followers.size(); ++i) {
    Node node = std::move(followers[i]);
    for (std::string& input : node.inputs) {
      if (input.empty()) input = "t" + std::to_string(i);
    }
    node.outputs = {i + 1 == followers.size() ? "y" : "t" + std::to_string(i + 1)};
    node.name = node.outputs[0];
    graph.nodes.push_back(std::move(node));
  }
  graph.outputs = {"y"};
  return graph;
}

void ExpectNodesLeft(Graph graph, Shape sample_shape, const std::vector<std::string>& ops,
                     int64_t num_norms = 0) {
  sample_shape[0] = 1;
  ASSERT_TRUE(graph.Validate().empty());
  const TensorMap given = {{"x", RandomTensor(sample_shape, 9)}};
  const Tensor before = RunGraph(graph, given, {"y"}).at("y");
  EXPECT_EQ(FoldBatchNorm(graph), num_norms);
  EXPECT_TRUE(graph.Validate().empty());
  std::vector<std::string> left;
  for (const Node& node : graph.nodes) left.push_back(node.op);
  EXPECT_EQ(left, ops);
  EXPECT_LT(RelativeDifference(RunGraph(graph, given, {"y"}).at("y"), before), 1e-5);
}

Node Follower(const std::string& op, std::vector<std::string> inputs) {
  return Op(op, std::move(inputs), {"renamed"});
}

TEST(FoldBatchNorm, FrozenNormWrittenAsArithmeticIsFolded) {
  for (const bool transposed : {false, true}) {
    SCOPED_TRACE(transposed ? "ConvTranspose" : "Conv");
    const int64_t groups = transposed ? 2 : 1;
    Graph graph = FollowedGraph(
        Op(transposed ? "ConvTranspose" : "Conv", {"x", "w"}, {"z"}, {{"group", groups}}),
        {-1, 6, 5, 5},
        {Follower("Mul", {"", "factor"}), Follower("Add", {"shift", ""}),
         Follower("Div", {"", "one"}), Follower("Sub", {"", "offset"}), Follower("Relu", {""})});
    graph.initializers["w"] = RandomTensor(transposed ? Shape{6, 4, 3, 3} : Shape{8, 6, 3, 3}, 5);
    graph.initializers["factor"] = RandomTensor({1, 8, 1, 1}, 1);
    graph.initializers["shift"] = RandomTensor({8, 1, 1}, 2);
    graph.initializers["one"] = testing::Floats({}, {-0.3F});
    graph.initializers["offset"] = RandomTensor({8, 1, 1}, 3);
    ExpectNodesLeft(graph, {1, 6, 5, 5}, {transposed ? "ConvTranspose" : "Conv", "Relu"});
    FoldBatchNorm(graph);
    EXPECT_EQ(graph.initializers.size(), 2u) << "weight and bias";
  }
}

TEST(FoldBatchNorm, GemmTakesArithmeticAndNorm) {
  Graph graph =
      FollowedGraph(Op("Gemm", {"x", "w"}, {"z"}, {{"alpha", 2.0}}), {-1, 7},
                    {Follower("Mul", {"", "factor"}),
                     Follower("BatchNormalization", {"", "factor", "shift", "shift", "variance"}),
                     Follower("Add", {"", "shift"})});
  graph.initializers["w"] = RandomTensor({7, 5}, 5);
  graph.initializers["factor"] = RandomTensor({5}, 1);
  graph.initializers["shift"] = RandomTensor({5}, 2);
  graph.initializers["variance"] = RandomTensor({5}, 3, 0.1F, 2.0F);
  ExpectNodesLeft(graph, {1, 7}, {"Gemm"}, 1);
}

TEST(FoldBatchNorm, OtherArithmeticStays) {
  struct Case {
    const char* what;
    Node follower;
    Tensor constant;
  };
  const Case cases[] = {
      {"constant minus output", Follower("Sub", {"c", ""}), RandomTensor({6, 1, 1}, 1)},
      {"constant over output", Follower("Div", {"c", ""}), RandomTensor({6, 1, 1}, 1)},
      {"one number per column", Follower("Mul", {"", "c"}), RandomTensor({6}, 1)},
      {"one number per sample and channel", Follower("Mul", {"", "c"}),
       RandomTensor({6, 6, 1, 1}, 1)},
      {"larger rank", Follower("Add", {"", "c"}), RandomTensor({1, 1, 6, 1, 1}, 1)},
      {"the output with itself", Follower("Add", {"", ""}), RandomTensor({6, 1, 1}, 1)},
      {"division by zero", Follower("Div", {"", "c"}), testing::Floats({}, {0.0F})},
      {"overflow", Follower("Mul", {"", "c"}), testing::Floats({}, {3e38F})},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.what);
    // 6 columns, so that a constant of 6 numbers fits channels and columns.
    Graph graph = FollowedGraph(Op("Conv", {"x", "w"}, {"z"}), {-1, 6, 1, 6}, {one.follower});
    graph.initializers["w"] = RandomTensor({6, 6, 1, 1}, 5, 2.0F, 3.0F);
    graph.initializers["c"] = one.constant;
    ASSERT_TRUE(graph.Validate().empty());
    EXPECT_EQ(FoldBatchNorm(graph), 0);
    EXPECT_EQ(graph.nodes.size(), 2u);
    EXPECT_EQ(
        RelativeDifference(graph.initializers.at("w"), RandomTensor({6, 6, 1, 1}, 5, 2.0F, 3.0F)),
        0.0);
  }
}

TEST(FoldBatchNorm, MatMulOfMatricesBecomesGemm) {
  for (const bool with_bias : {false, true}) {
    std::vector<Node> followers = {
        Follower("BatchNormalization", {"", "gamma", "beta", "beta", "variance"})};
    if (with_bias) followers.insert(followers.begin(), Follower("Add", {"bias", ""}));
    Graph graph = FollowedGraph(Op("MatMul", {"r", "w"}, {"z"}), {-1, 7, 1}, followers);
    graph.nodes.insert(graph.nodes.begin(),
                       {Op("Flatten", {"x"}, {"f"}), Op("Relu", {"f"}, {"r"})});
    graph.initializers["w"] = RandomTensor({7, 5}, 5);
    graph.initializers["bias"] = RandomTensor({5}, 1);
    graph.initializers["gamma"] = RandomTensor({5}, 2);
    graph.initializers["beta"] = RandomTensor({5}, 3);
    graph.initializers["variance"] = RandomTensor({5}, 4, 0.1F, 2.0F);
    ExpectNodesLeft(graph, {1, 7, 1}, {"Flatten", "Relu", "Gemm"}, 1);
  }
}

TEST(FoldBatchNorm, MatMulOfOtherRanksStays) {
  // Channels of the normalization are the five tokens here, not the five columns.
  Graph graph =
      FollowedGraph(Op("MatMul", {"x", "w"}, {"z"}), {-1, 5, 7},
                    {Follower("BatchNormalization", {"", "gamma", "beta", "beta", "variance"})});
  graph.initializers["w"] = RandomTensor({7, 5}, 5);
  graph.initializers["gamma"] = RandomTensor({5}, 2);
  graph.initializers["beta"] = RandomTensor({5}, 3);
  graph.initializers["variance"] = RandomTensor({5}, 4, 0.1F, 2.0F);
  ExpectNodesLeft(graph, {1, 5, 7}, {"MatMul", "BatchNormalization"});
}

TEST(FoldBatchNorm, BiasBehindMatMulStaysWithoutANorm) {
  Graph graph = FollowedGraph(Op("MatMul", {"x", "w"}, {"z"}), {-1, 7},
                              {Follower("Add", {"", "bias"}), Follower("Relu", {""})});
  graph.initializers["w"] = RandomTensor({7, 5}, 5);
  graph.initializers["bias"] = RandomTensor({5}, 1);
  ExpectNodesLeft(graph, {1, 7}, {"MatMul", "Add", "Relu"});
}

}  // namespace
}  // namespace adaround
