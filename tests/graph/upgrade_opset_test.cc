// Lifted graphs against the unlifted ones, and against ONNX's definitions where the executor has
// only one of the two.
#include "graph/passes/upgrade_opset.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/error_testing.h"
#include "support/graph_testing.h"

namespace adaround {
namespace {

using testing::ExpectErrorWith;
using testing::Floats;
using testing::IntList;
using testing::Op;
using testing::RandomTensor;

struct LiftCase {
  std::string name;
  int64_t opset;
  Shape input;
  std::vector<Node> nodes;  // "x" to "y"
  std::map<std::string, Tensor> initializers = {};
  // The numbers of "y"'s further outputs "y1", "y2".
  std::vector<std::string> outputs = {"y"};
};

Graph GraphOf(const LiftCase& one) {
  Graph graph;
  graph.opset = one.opset;
  Shape shape = one.input;
  shape[0] = -1;
  graph.inputs = {testing::FloatInput("x", shape)};
  graph.outputs = one.outputs;
  graph.nodes = one.nodes;
  graph.initializers = one.initializers;
  return graph;
}

std::vector<LiftCase> LiftCases() {
  const Shape cube = {2, 3, 4};
  const Shape image = {1, 3, 4, 5};
  const Tensor vector3 = RandomTensor({3}, 11, 0.5F, 1.5F);
  std::vector<LiftCase> cases = {
      {"clip", 6, cube, {Op("Clip", {"x"}, {"y"}, {{"min", -0.5}, {"max", 0.25}})}},
      {"clip_below", 6, cube, {Op("Clip", {"x"}, {"y"}, {{"min", -0.5}})}},
      {"clip_above", 6, cube, {Op("Clip", {"x"}, {"y"}, {{"max", 0.25}})}},
      {"pad", 6, image,
       {Op("Pad", {"x"}, {"y"},
           {{"pads", IntList({0, 0, 1, 2, 0, 0, 2, 1})}, {"value", 1.5}})}},
      {"pad_reflect", 6, image,
       {Op("Pad", {"x"}, {"y"},
           {{"pads", IntList({0, 0, 1, 2, 0, 0, 2, 1})}, {"mode", std::string("reflect")}})}},
      {"slice", 6, cube,
       {Op("Slice", {"x"}, {"y"},
           {{"starts", IntList({1, 0})}, {"ends", IntList({3, -1})}, {"axes", IntList({1, 2})}})}},
      {"slice_first_axes", 6, cube,
       {Op("Slice", {"x"}, {"y"}, {{"starts", IntList({0, 1})}, {"ends", IntList({1, 3})}})}},
      {"squeeze", 6, {2, 1, 3, 1},
       {Op("Squeeze", {"x"}, {"y"}, {{"axes", IntList({1})}})}},
      {"squeeze_all", 6, {2, 1, 3, 1}, {Op("Squeeze", {"x"}, {"y"})}},
      {"unsqueeze", 6, cube, {Op("Unsqueeze", {"x"}, {"y"}, {{"axes", IntList({0, 2})}})}},
      {"reduce_sum", 6, cube, {Op("ReduceSum", {"x"}, {"y"}, {{"axes", IntList({1})}})}},
      {"reduce_sum_all", 6, cube, {Op("ReduceSum", {"x"}, {"y"}, {{"keepdims", int64_t{0}}})}},
      {"reduce_empty", 6, cube, {Op("ReduceSum", {"x"}, {"y"}, {{"axes", IntList({})}})}},
      {"reduce_mean", 6, cube,
       {Op("ReduceMean", {"x"}, {"y"},
           {{"axes", IntList({0, 2})}, {"keepdims", int64_t{0}}})}},
      {"reduce_max", 6, cube, {Op("ReduceMax", {"x"}, {"y"}, {{"axes", IntList({2})}})}},
      {"softmax", 6, cube, {Op("Softmax", {"x"}, {"y"})}},
      {"softmax_last", 6, cube, {Op("Softmax", {"x"}, {"y"}, {{"axis", int64_t{2}}})}},
      {"softmax_first", 6, cube, {Op("Softmax", {"x"}, {"y"}, {{"axis", int64_t{0}}})}},
      {"softmax_from_the_end", 11, cube, {Op("Softmax", {"x"}, {"y"}, {{"axis", int64_t{-2}}})}},
      {"log_softmax", 6, image, {Op("LogSoftmax", {"x"}, {"y"}, {{"axis", int64_t{2}}})}},
      {"hardmax", 6, cube, {Op("Hardmax", {"x"}, {"y"})}},
      {"dropout", 6, cube,
       {Op("Dropout", {"x"}, {"y"}, {{"ratio", 0.3}, {"is_test", int64_t{1}}})}},
      {"dropout_10", 10, cube, {Op("Dropout", {"x"}, {"y"}, {{"ratio", 0.3}})}},
      {"add", 6, cube,
       {Op("Add", {"x", "c"}, {"y"}, {{"broadcast", int64_t{1}}})},
       {{"c", RandomTensor({4}, 12)}}},
      {"prelu_per_channel", 6, image, {Op("PRelu", {"x", "c"}, {"y"})}, {{"c", vector3}}},
      {"prelu", 6, image, {Op("PRelu", {"x", "c"}, {"y"})}, {{"c", Floats({1}, {0.25F})}}},
      {"batch_norm", 6, image,
       {Op("BatchNormalization", {"x", "c", "c", "c", "c"}, {"y"},
           {{"is_test", int64_t{1}}, {"spatial", int64_t{1}}})},
       {{"c", vector3}}},
      {"gemm", 6, {2, 4},
       {Op("Gemm", {"x", "w", "c"}, {"y"}, {{"broadcast", int64_t{1}}})},
       {{"w", RandomTensor({4, 3}, 13)}, {"c", vector3}}},
      {"resize", 11, image,
       {Op("Resize", {"x", "roi", "scales"}, {"y"}, {{"mode", std::string("linear")}})},
       {{"roi", Tensor()}, {"scales", Floats({4}, {1, 1, 2, 1.5F})}}},
      // Where the input's rank is not known, and the names that come in are taken.
      {"softmax_behind_reshape", 6, cube,
       {Op("Shape", {"x"}, {"y_shape"}), Op("Slice", {"y_shape"}, {"part"},
                                            {{"starts", IntList({0})}, {"ends", IntList({3})}}),
        Op("Reshape", {"x", "part"}, {"y_flat"}), Op("Softmax", {"y_flat"}, {"y"})}},
      {"chain", 6, cube,
       {Op("Clip", {"x"}, {"a"}, {{"min", 0.0}}),
        Op("Softmax", {"a"}, {"b"}),
        Op("Unsqueeze", {"b"}, {"c"}, {{"axes", IntList({3})}}),
        Op("ReduceMean", {"c"}, {"y"}, {{"axes", IntList({1, 3})}})}},
  };
  LiftCase split{"split", 6, cube,
                 {Op("Split", {"x"}, {"y", "z"},
                     {{"axis", int64_t{2}}, {"split", IntList({1, 3})}})}};
  split.outputs = {"y", "z"};
  cases.push_back(split);
  split.name = "split_evenly";
  split.nodes = {Op("Split", {"x"}, {"y", "z"}, {{"axis", int64_t{2}}})};
  cases.push_back(split);
  return cases;
}

TEST(UpgradeOpset, LiftedGraphsComputeTheSame) {
  for (const LiftCase& one : LiftCases()) {
    const Graph graph = GraphOf(one);
    const std::set<std::string> outputs(one.outputs.begin(), one.outputs.end());
    const TensorMap given = {{"x", RandomTensor(one.input, 1, -2.0F, 2.0F)}};
    const TensorMap wanted = testing::RunGraph(graph, given, outputs);
    for (int64_t target = one.opset; target <= kNewestLiftedOpset; ++target) {
      SCOPED_TRACE(one.name + " to opset " + std::to_string(target));
      Graph lifted = graph;
      UpgradeOpset(lifted, target);
      EXPECT_EQ(lifted.opset, target);
      ASSERT_EQ(lifted.Validate(), std::vector<std::string>());
      const TensorMap found = testing::RunGraph(lifted, given, outputs);
      for (const std::string& output : one.outputs) {
        EXPECT_LT(testing::RelativeDifference(found.at(output), wanted.at(output)), 1e-6);
      }
    }
  }
}

// Attributes that an opset no longer knows make a file unreadable elsewhere.
TEST(UpgradeOpset, LeavesNoAttributeBehind) {
  const std::map<std::string, std::set<std::string>> gone = {
      {"Clip", {"min", "max"}},        {"Pad", {"pads", "value"}},
      {"Slice", {"starts", "ends", "axes"}}, {"Squeeze", {"axes"}},
      {"Unsqueeze", {"axes"}},         {"ReduceSum", {"axes"}},
      {"ReduceMean", {"axes"}},        {"ReduceMax", {"axes"}},
      {"Split", {"split"}},            {"Dropout", {"ratio", "is_test"}},
      {"Add", {"axis", "broadcast"}},  {"BatchNormalization", {"is_test", "spatial"}},
      {"Gemm", {"broadcast"}}};
  for (const LiftCase& one : LiftCases()) {
    SCOPED_TRACE(one.name);
    Graph lifted = GraphOf(one);
    UpgradeOpset(lifted, kNewestLiftedOpset);
    for (const Node& node : lifted.nodes) {
      const auto found = gone.find(node.op);
      if (found == gone.end()) continue;
      for (const std::string& key : found->second) EXPECT_FALSE(node.HasAttribute(key)) << key;
    }
  }
}

TEST(UpgradeOpset, UpsampleRepeatsPixels) {
  for (const int64_t opset : {7, 9}) {
    LiftCase one{"upsample", opset, {1, 1, 2, 2}, {Op("Upsample", {"x"}, {"y"})}};
    if (opset == 7) {
      one.nodes[0].attributes["scales"] = std::vector<double>{1.0, 1.0, 2.0, 3.0};
    } else {
      one.nodes[0].inputs.push_back("scales");
      one.initializers["scales"] = Floats({4}, {1, 1, 2, 3});
    }
    for (const int64_t target : {11, 13, 18, 21}) {
      Graph graph = GraphOf(one);
      UpgradeOpset(graph, target);
      const Tensor x = Floats({1, 1, 2, 2}, {1, 2, 3, 4});
      const Tensor found = testing::RunGraph(graph, {{"x", x}}, {"y"}).at("y");
      const Tensor wanted = Floats({1, 1, 4, 6}, {1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2,
                                                  3, 3, 3, 4, 4, 4, 3, 3, 3, 4, 4, 4});
      EXPECT_EQ(testing::RelativeDifference(found, wanted), 0.0) << target;
    }
  }
}

// At x / scale, without the half pixel that opset 11 adds by default.
TEST(UpgradeOpset, LinearUpsampleIsAsymmetric) {
  LiftCase one{"upsample", 9, {1, 1, 1, 2},
               {Op("Upsample", {"x", "scales"}, {"y"}, {{"mode", std::string("linear")}})},
               {{"scales", Floats({4}, {1, 1, 1, 2})}}};
  Graph graph = GraphOf(one);
  UpgradeOpset(graph, 21);
  const Tensor found =
      testing::RunGraph(graph, {{"x", Floats({1, 1, 1, 2}, {1, 3})}}, {"y"}).at("y");
  EXPECT_LT(testing::RelativeDifference(found, Floats({1, 1, 1, 4}, {1, 2, 3, 3})), 1e-6);
}

// Mean and variance over the channels of a group; one scale and bias for the group.
TEST(UpgradeOpset, GroupNormalizationKeepsItsScalesPerGroup) {
  const Shape shape = {2, 4, 3};
  LiftCase one{"group_norm", 18, shape,
               {Op("GroupNormalization", {"x", "scale", "bias"}, {"y"},
                   {{"num_groups", int64_t{2}}, {"epsilon", 1e-3}})},
               {{"scale", Floats({2}, {2.0F, -1.0F})}, {"bias", Floats({2}, {0.5F, 3.0F})}}};
  Graph graph = GraphOf(one);
  UpgradeOpset(graph, 21);
  const Tensor x = RandomTensor(shape, 5);
  Tensor wanted(DType::kFloat32, shape);
  for (int64_t part = 0; part < 4; ++part) {
    const float* in = x.data<float>() + part * 6;
    double mean = 0.0, variance = 0.0;
    for (int i = 0; i < 6; ++i) mean += in[i] / 6.0;
    for (int i = 0; i < 6; ++i) variance += (in[i] - mean) * (in[i] - mean) / 6.0;
    const double scale = part % 2 == 0 ? 2.0 : -1.0;
    const double bias = part % 2 == 0 ? 0.5 : 3.0;
    for (int i = 0; i < 6; ++i) {
      wanted.mutable_data<float>()[part * 6 + i] =
          static_cast<float>((in[i] - mean) / std::sqrt(variance + 1e-3) * scale + bias);
    }
  }
  const Tensor found = testing::RunGraph(graph, {{"x", x}}, {"y"}).at("y");
  EXPECT_LT(testing::RelativeDifference(found, wanted), 1e-5);
}

TEST(UpgradeOpset, KeepsOtherDomains) {
  LiftCase one{"other", 9, {2, 2}, {Op("com.example::Thing", {"x"}, {"y"}, {{"axes", IntList({1})}})}};
  Graph graph = GraphOf(one);
  UpgradeOpset(graph, 21);
  EXPECT_EQ(graph.nodes[0].op, "com.example::Thing");
  EXPECT_TRUE(graph.nodes[0].HasAttribute("axes"));
}

TEST(UpgradeOpset, RefusesWhatNewerOpsetsCannotSay) {
  const auto refuses = [](const LiftCase& one, const std::vector<std::string>& fragments) {
    SCOPED_TRACE(one.name);
    Graph graph = GraphOf(one);
    ExpectErrorWith(ErrorCode::kUnsupported, fragments, [&] { UpgradeOpset(graph, 21); });
  };
  const std::map<std::string, Tensor> c = {{"c", RandomTensor({3}, 1)}};
  refuses({"axis", 6, {2, 3, 4},
           {Op("Add", {"x", "c"}, {"y"}, {{"broadcast", int64_t{1}}, {"axis", int64_t{1}}})}, c},
          {"'y'", "Add", "axis"});
  refuses({"spatial", 7, {2, 3, 4},
           {Op("BatchNormalization", {"x", "c", "c", "c", "c"}, {"y"}, {{"spatial", int64_t{0}}})},
           c},
          {"'y'", "spatial"});
  refuses({"mask", 7, {2, 3}, {Op("Dropout", {"x"}, {"y", "mask"})}}, {"'y'", "mask"});
  refuses({"unknown", 9, {2, 3}, {Op("Frobnicate", {"x"}, {"y"})}}, {"'y'", "Frobnicate"});
  refuses({"slope", 6, {2, 3}, {Op("PRelu", {"x", "x"}, {"y"})}}, {"'y'", "slope"});
  refuses({"pads", 9, {2, 3}, {Op("Pad", {"x"}, {"y"})}}, {"'y'", "'pads'"});
}

}  // namespace
}  // namespace adaround
