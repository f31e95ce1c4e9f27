#include "graph/tensor_types.h"

#include <gtest/gtest.h>

#include "support/graph_testing.h"

namespace adaround {
namespace {

using testing::Floats;
using testing::IntList;
using testing::Op;

Tensor Whole(const std::vector<int64_t>& values) {
  return Tensor::FromVector<int64_t>({static_cast<int64_t>(values.size())}, values);
}

// Reads "f", floats [2, 3], and initializers: "i" and "i32", integers [2, 3], and small ones.
Graph GraphOfOne(const Node& node, int64_t opset) {
  Graph graph;
  graph.opset = opset;
  graph.inputs = {testing::FloatInput("f", {-1, 3})};
  graph.nodes = {node};
  for (const std::string& output : node.outputs) graph.outputs.push_back(output);
  const Tensor i = Tensor::FromVector<int64_t>({2, 3}, {0, 1, 2, 1, 0, 1});
  graph.initializers = {{"i", i},
                        {"i32", ConvertTo(i, DType::kInt32)},
                        {"flags", Tensor::FromVector<bool>({2, 3}, {1, 0, 1, 0, 0, 1})},
                        {"depth", Tensor::Scalar(int64_t{4})},
                        {"numbers", Whole({5, 6})},
                        {"ends", Floats({2}, {0.0F, 1.0F})},
                        {"k", Whole({2})},
                        {"scale", Tensor::Scalar(0.5F)},
                        {"signed_zero", ConvertTo(Tensor::Scalar(0.0F), DType::kInt8)},
                        {"zero", Tensor::Scalar(int64_t{0})},
                        {"two", Tensor::Scalar(int64_t{2})}};
  return graph;
}

TEST(TensorTypes, AreThoseThatTheExecutorMakes) {
  const Attribute to_int32 = int64_t{OnnxCode(DType::kInt32)};
  const Attribute to_int8 = int64_t{OnnxCode(DType::kInt8)};
  const std::vector<Node> nodes = {
      Op("Add", {"i", "i"}, {"y"}),
      Op("ArgMax", {"f"}, {"y"}),
      Op("ArgMin", {"i32"}, {"y"}),
      Op("Cast", {"f"}, {"y"}, {{"to", to_int32}}),
      Op("CastLike", {"f", "i32"}, {"y"}),
      Op("Compress", {"i", "flags_row"}, {"y"}),
      Op("Concat", {"i", "i"}, {"y"}, {{"axis", int64_t{0}}}),
      Op("Constant", {}, {"y"}, {{"value_ints", IntList({1, 2})}}),
      Op("Constant", {}, {"y"}, {{"value_float", 1.0}}),
      Op("Constant", {}, {"y"}, {{"value", Whole({3})}}),
      Op("ConstantOfShape", {"k"}, {"y"}),
      Op("ConstantOfShape", {"k"}, {"y"}, {{"value", Whole({3})}}),
      Op("DequantizeLinear", {"i32", "scale"}, {"y"}),
      Op("Dropout", {"f"}, {"y", "mask"}),
      Op("Equal", {"f", "f"}, {"y"}),
      Op("Expand", {"i32", "numbers_of_rows"}, {"y"}),
      Op("EyeLike", {"f"}, {"y"}, {{"dtype", to_int32}}),
      Op("EyeLike", {"i"}, {"y"}),
      Op("Gather", {"f", "k_zero"}, {"y"}),
      Op("GatherElements", {"i32", "i_small"}, {"y"}),
      Op("Greater", {"i", "i"}, {"y"}),
      Op("IsInf", {"f"}, {"y"}),
      Op("IsNaN", {"f"}, {"y"}),
      Op("LessOrEqual", {"f", "f"}, {"y"}),
      Op("Mul", {"i32", "i32"}, {"y"}),
      Op("NonZero", {"f"}, {"y"}),
      Op("Not", {"flags"}, {"y"}),
      Op("OneHot", {"f", "depth", "numbers"}, {"y"}),
      Op("OneHot", {"i", "depth", "ends"}, {"y"}),
      Op("QuantizeLinear", {"f", "scale"}, {"y"}),
      Op("QuantizeLinear", {"f", "scale"}, {"y"}, {{"output_dtype", to_int8}}),
      Op("QuantizeLinear", {"f", "scale", "signed_zero"}, {"y"}),
      Op("Range", {"zero", "two", "two"}, {"y"}),
      Op("ReduceMax", {"f"}, {"y"}),
      Op("Reshape", {"i", "six"}, {"y"}),
      Op("Shape", {"f"}, {"y"}),
      Op("Size", {"f"}, {"y"}),
      Op("TopK", {"f", "k"}, {"y", "indices"}),
      Op("Transpose", {"i"}, {"y"}),
      Op("Where", {"flags", "i", "i"}, {"y"}),
  };
  for (const Node& node : nodes) {
    SCOPED_TRACE(node.op + " of " + (node.inputs.empty() ? "nothing" : node.inputs.back()));
    Graph graph = GraphOfOne(node, 21);
    graph.initializers["flags_row"] = Tensor::FromVector<bool>({2}, {true, false});
    graph.initializers["numbers_of_rows"] = Whole({2, 3});
    graph.initializers["k_zero"] = Whole({0});
    graph.initializers["i_small"] = Tensor::FromVector<int64_t>({1, 3}, {0, 1, 0});
    graph.initializers["six"] = Whole({6});
    ASSERT_EQ(graph.Validate(), std::vector<std::string>());
    const std::set<std::string> wanted(node.outputs.begin(), node.outputs.end());
    const TensorMap made =
        testing::RunGraph(graph, {{"f", testing::RandomTensor({2, 3}, 1)}}, wanted);
    const std::map<std::string, TensorType> types = InferTypes(graph);
    for (const std::string& output : node.outputs) {
      const TensorType& type = types.at(output);
      ASSERT_TRUE(type.dtype.has_value()) << output;
      EXPECT_EQ(DTypeName(*type.dtype), DTypeName(made.at(output).dtype())) << output;
      if (type.rank) {
        EXPECT_EQ(*type.rank, made.at(output).rank()) << output;
      }
    }
  }
}

TEST(TensorTypes, NothingIsKnownOfOtherOperators) {
  for (const char* op : {"com.example::Relu", "Frobnicate"}) {
    Graph graph = GraphOfOne(Op(op, {"f"}, {"z"}), 21);
    graph.nodes.push_back(Op("Relu", {"z"}, {"y"}));
    graph.nodes.push_back(Op("Shape", {"z"}, {"shape"}));
    const std::map<std::string, TensorType> types = InferTypes(graph);
    EXPECT_FALSE(types.at("z").dtype.has_value());
    EXPECT_FALSE(types.at("z").rank.has_value());
    EXPECT_FALSE(types.at("y").dtype.has_value());
    EXPECT_EQ(types.at("shape").dtype, DType::kInt64);
  }
  // A dtype that tensors here do not have.
  EXPECT_FALSE(InferTypes(GraphOfOne(Op("Cast", {"f"}, {"y"}, {{"to", int64_t{8}}}), 21))
                   .at("y")
                   .dtype.has_value());
}

}  // namespace
}  // namespace adaround
