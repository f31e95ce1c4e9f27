#include <gtest/gtest.h>

#include "adaround/runtime/executor.h"
#include "support/graph_testing.h"

namespace adaround {
namespace {

using testing::Floats;
using testing::Op;

Tensor Extents(const std::vector<int64_t>& values) {
  return Tensor::FromVector<int64_t>({static_cast<int64_t>(values.size())}, values);
}

// Graph without inputs whose outputs are what all nodes make.
Graph ConstantGraph(std::vector<Node> nodes, std::map<std::string, Tensor> initializers) {
  Graph graph;
  graph.nodes = std::move(nodes);
  for (const Node& node : graph.nodes) graph.outputs.push_back(node.outputs[0]);
  for (auto& [name, tensor] : initializers) graph.initializers[name] = std::move(tensor);
  return graph;
}

TEST(FoldConstants, ReplacesNodesByTheirResults) {
  Graph graph = ConstantGraph({Op("Add", {"a", "b"}, {"c"}), Op("Neg", {"c"}, {"d"})},
                              {{"a", Floats({2}, {1, 2})}, {"b", Floats({2}, {10, 20})}});
  graph.outputs = {"d"};
  EXPECT_EQ(FoldConstants(graph), 2);
  EXPECT_TRUE(graph.nodes.empty());
  ASSERT_EQ(graph.initializers.size(), 1u);
  EXPECT_EQ(graph.initializers.at("d").data<float>()[1], -22.0F);
}

// Each of these would take gigabytes; what is beside them is folded still.
TEST(FoldConstants, ResultsBeyondTheBoundStayNodes) {
  constexpr int64_t kMany = int64_t{1} << 29;
  Graph graph = ConstantGraph(
      {Op("ConstantOfShape", {"many"}, {"zeros"}), Op("Expand", {"one", "many"}, {"ones"}),
       Op("Tile", {"one", "many"}, {"tiled"}), Op("Range", {"first", "last", "step"}, {"range"}),
       Op("Pad", {"one", "pads"}, {"padded"}), Op("Neg", {"one"}, {"minus"}),
       Op("Shape", {"zeros"}, {"extents"})},
      {{"many", Extents({kMany})},
       {"one", Floats({1}, {1})},
       {"pads", Extents({0, kMany})},
       {"first", Tensor::Scalar(int64_t{0})},
       {"last", Tensor::Scalar(kMany)},
       {"step", Tensor::Scalar(int64_t{1})}});
  EXPECT_EQ(FoldConstants(graph), 1);
  ASSERT_EQ(graph.nodes.size(), 6u);
  EXPECT_EQ(graph.nodes[0].op, "ConstantOfShape");
  EXPECT_EQ(graph.nodes[5].op, "Shape");
  EXPECT_EQ(graph.initializers.at("minus").data<float>()[0], -1.0F);
  EXPECT_EQ(Executor(graph).Run(Executor(graph).Plan({}, {"minus"}), {}).at("minus").num_elements(),
            1);
}

TEST(FoldConstants, BoundsTheSumOfAllResults) {
  constexpr int64_t kElements = int64_t{1} << 24;
  Node fill = Op("ConstantOfShape", {"shape"}, {"y"});
  fill.attributes["value"] = Extents({7});
  std::vector<Node> nodes;
  for (const char* output : {"a", "b", "c", "d", "e", "f"}) {
    fill.name = output;
    fill.outputs = {output};
    nodes.push_back(fill);
  }
  Graph graph = ConstantGraph(std::move(nodes), {{"shape", Extents({kElements})}});
  // 128 MiB each, 512 MiB in all.
  EXPECT_EQ(FoldConstants(graph), 4);
  ASSERT_EQ(graph.nodes.size(), 2u);
  EXPECT_EQ(graph.nodes[0].outputs[0], "e");
  EXPECT_EQ(graph.initializers.at("d").data<int64_t>()[kElements - 1], 7);
}

TEST(FoldConstants, TheBoundGrowsWithWhatTheGraphHolds) {
  constexpr int64_t kElements = int64_t{80} << 20;
  Graph graph = ConstantGraph({Op("Cast", {"stored"}, {"wide"}, {{"to", int64_t{7}}})},
                              {{"stored", Tensor::Zeros(DType::kUInt8, {kElements})}});
  EXPECT_EQ(FoldConstants(graph), 1);
  EXPECT_EQ(graph.initializers.at("wide").num_elements(), kElements);
}

}  // namespace
}  // namespace adaround
