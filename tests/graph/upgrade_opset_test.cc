// Lifted graphs against the unlifted ones, and against ONNX's definitions where the executor has
// only one of the two.
#include "graph/passes/upgrade_opset.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/error_testing.h"
#include "support/graph_testing.h"
#include "support/lift_cases.h"

namespace adaround {
namespace {

using testing::ExpectErrorWith;
using testing::Floats;
using testing::GraphOf;
using testing::IntList;
using testing::LiftCase;
using testing::LiftCases;
using testing::Op;
using testing::RandomTensor;

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
      {"Clip", {"min", "max"}},
      {"Pad", {"pads", "value"}},
      {"Slice", {"starts", "ends", "axes"}},
      {"Squeeze", {"axes"}},
      {"Unsqueeze", {"axes"}},
      {"ReduceSum", {"axes"}},
      {"ReduceMean", {"axes"}},
      {"ReduceMax", {"axes"}},
      {"Split", {"split"}},
      {"Dropout", {"ratio", "is_test"}},
      {"Add", {"axis", "broadcast"}},
      {"BatchNormalization", {"is_test", "spatial"}},
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
      const Tensor wanted = Floats(
          {1, 1, 4, 6}, {1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 3, 3, 3, 4, 4, 4});
      EXPECT_EQ(testing::RelativeDifference(found, wanted), 0.0) << target;
    }
  }
}

// ONNX Runtime's rounding before opset 11: up where an axis shrinks, down where it grows.
TEST(UpgradeOpset, ShrinkingNearestResizeRoundsUp) {
  LiftCase one{"resize",
               10,
               {1, 1, 1, 5},
               {Op("Resize", {"x", "scales"}, {"y"})},
               {{"scales", Floats({4}, {1, 1, 1, 0.4F})}}};
  Graph graph = GraphOf(one);
  UpgradeOpset(graph, 21);
  // Positions 0 and 1 / 0.4 = 2.5.
  const Tensor found =
      testing::RunGraph(graph, {{"x", Floats({1, 1, 1, 5}, {10, 11, 12, 13, 14})}}, {"y"}).at("y");
  EXPECT_EQ(testing::RelativeDifference(found, Floats({1, 1, 1, 2}, {10, 13})), 0.0);

  for (const std::vector<float>& scales : {std::vector<float>{1, 1, 2, 0.5F}, {}}) {
    LiftCase refused = one;
    if (scales.empty()) {
      refused.nodes.insert(refused.nodes.begin(), Op("Identity", {"scales"}, {"computed"}));
      refused.nodes[1].inputs[1] = "computed";
    } else {
      refused.initializers["scales"] = Floats({4}, scales);
    }
    Graph unliftable = GraphOf(refused);
    EXPECT_THROW(UpgradeOpset(unliftable, 21), Error);
  }
}

// At x / scale, without the half pixel that opset 11 adds by default.
TEST(UpgradeOpset, LinearUpsampleIsAsymmetric) {
  LiftCase one{"upsample",
               9,
               {1, 1, 1, 2},
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
  LiftCase one{"group_norm",
               18,
               shape,
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
  LiftCase one{
      "other", 9, {2, 2}, {Op("com.example::Thing", {"x"}, {"y"}, {{"axes", IntList({1})}})}};
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
  refuses({"axis",
           6,
           {2, 3, 4},
           {Op("Add", {"x", "c"}, {"y"}, {{"broadcast", int64_t{1}}, {"axis", int64_t{1}}})},
           c},
          {"'y'", "Add", "axis"});
  refuses({"spatial",
           7,
           {2, 3, 4},
           {Op("BatchNormalization", {"x", "c", "c", "c", "c"}, {"y"}, {{"spatial", int64_t{0}}})},
           c},
          {"'y'", "spatial"});
  for (const std::map<std::string, Attribute>& attributes :
       {std::map<std::string, Attribute>{}, {{"is_test", int64_t{0}}}}) {
    refuses({"training", 6, {2, 3}, {Op("Dropout", {"x"}, {"y"}, attributes)}},
            {"'y'", "Dropout", "is_test"});
    refuses({"training norm",
             6,
             {2, 3, 4},
             {Op("BatchNormalization", {"x", "c", "c", "c", "c"}, {"y"}, attributes)},
             c},
            {"'y'", "BatchNormalization", "is_test"});
  }
  refuses({"mask", 7, {2, 3}, {Op("Dropout", {"x"}, {"y", "mask"})}}, {"'y'", "mask"});
  refuses({"unknown", 9, {2, 3}, {Op("Frobnicate", {"x"}, {"y"})}}, {"'y'", "Frobnicate"});
  refuses({"slope", 6, {2, 3}, {Op("PRelu", {"x", "x"}, {"y"})}}, {"'y'", "slope"});
  refuses({"pads", 9, {2, 3}, {Op("Pad", {"x"}, {"y"})}}, {"'y'", "'pads'"});
}

}  // namespace
}  // namespace adaround
