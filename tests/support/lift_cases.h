// Graphs of operators whose meaning moved between opsets.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "support/graph_testing.h"

namespace adaround::testing {

struct LiftCase {
  std::string name;
  int64_t opset;
  Shape input;
  std::vector<Node> nodes;  // "x" to "y"
  std::map<std::string, Tensor> initializers = {};
  std::vector<std::string> outputs = {"y"};
};

inline Graph GraphOf(const LiftCase& one) {
  Graph graph;
  graph.opset = one.opset;
  Shape shape = one.input;
  shape[0] = -1;
  graph.inputs = {FloatInput("x", shape)};
  graph.outputs = one.outputs;
  graph.nodes = one.nodes;
  graph.initializers = one.initializers;
  return graph;
}

inline std::vector<LiftCase> LiftCases() {
  const Shape cube = {2, 3, 4};
  const Shape image = {1, 3, 4, 5};
  const Tensor vector3 = RandomTensor({3}, 11, 0.5F, 1.5F);
  std::vector<LiftCase> cases = {
      {"clip", 6, cube, {Op("Clip", {"x"}, {"y"}, {{"min", -0.5}, {"max", 0.25}})}},
      {"clip_below", 6, cube, {Op("Clip", {"x"}, {"y"}, {{"min", -0.5}})}},
      {"clip_above", 6, cube, {Op("Clip", {"x"}, {"y"}, {{"max", 0.25}})}},
      {"pad",
       6,
       image,
       {Op("Pad", {"x"}, {"y"}, {{"pads", IntList({0, 0, 1, 2, 0, 0, 2, 1})}, {"value", 1.5}})}},
      {"pad_reflect",
       6,
       image,
       {Op("Pad", {"x"}, {"y"},
           {{"pads", IntList({0, 0, 1, 2, 0, 0, 2, 1})}, {"mode", std::string("reflect")}})}},
      {"slice",
       6,
       cube,
       {Op("Slice", {"x"}, {"y"},
           {{"starts", IntList({1, 0})}, {"ends", IntList({3, -1})}, {"axes", IntList({1, 2})}})}},
      {"slice_first_axes",
       6,
       cube,
       {Op("Slice", {"x"}, {"y"}, {{"starts", IntList({0, 1})}, {"ends", IntList({1, 3})}})}},
      {"squeeze", 6, {2, 1, 3, 1}, {Op("Squeeze", {"x"}, {"y"}, {{"axes", IntList({1})}})}},
      {"squeeze_all", 6, {2, 1, 3, 1}, {Op("Squeeze", {"x"}, {"y"})}},
      {"unsqueeze", 6, cube, {Op("Unsqueeze", {"x"}, {"y"}, {{"axes", IntList({0, 2})}})}},
      {"reduce_sum", 6, cube, {Op("ReduceSum", {"x"}, {"y"}, {{"axes", IntList({1})}})}},
      {"reduce_sum_all", 6, cube, {Op("ReduceSum", {"x"}, {"y"}, {{"keepdims", int64_t{0}}})}},
      {"reduce_empty", 6, cube, {Op("ReduceSum", {"x"}, {"y"}, {{"axes", IntList({})}})}},
      {"reduce_mean",
       6,
       cube,
       {Op("ReduceMean", {"x"}, {"y"}, {{"axes", IntList({0, 2})}, {"keepdims", int64_t{0}}})}},
      {"reduce_max", 6, cube, {Op("ReduceMax", {"x"}, {"y"}, {{"axes", IntList({2})}})}},
      {"softmax", 6, cube, {Op("Softmax", {"x"}, {"y"})}},
      {"softmax_last", 6, cube, {Op("Softmax", {"x"}, {"y"}, {{"axis", int64_t{2}}})}},
      {"softmax_first", 6, cube, {Op("Softmax", {"x"}, {"y"}, {{"axis", int64_t{0}}})}},
      {"softmax_from_the_end", 11, cube, {Op("Softmax", {"x"}, {"y"}, {{"axis", int64_t{-2}}})}},
      {"log_softmax", 6, image, {Op("LogSoftmax", {"x"}, {"y"}, {{"axis", int64_t{2}}})}},
      {"hardmax", 6, cube, {Op("Hardmax", {"x"}, {"y"})}},
      {"dropout",
       6,
       cube,
       {Op("Dropout", {"x"}, {"y"}, {{"ratio", 0.3}, {"is_test", int64_t{1}}})}},
      {"dropout_10", 10, cube, {Op("Dropout", {"x"}, {"y"}, {{"ratio", 0.3}})}},
      {"add",
       6,
       cube,
       {Op("Add", {"x", "c"}, {"y"}, {{"broadcast", int64_t{1}}})},
       {{"c", RandomTensor({4}, 12)}}},
      {"prelu_per_channel", 6, image, {Op("PRelu", {"x", "c"}, {"y"})}, {{"c", vector3}}},
      {"prelu", 6, image, {Op("PRelu", {"x", "c"}, {"y"})}, {{"c", Floats({1}, {0.25F})}}},
      {"batch_norm",
       6,
       image,
       {Op("BatchNormalization", {"x", "c", "c", "c", "c"}, {"y"},
           {{"is_test", int64_t{1}}, {"spatial", int64_t{1}}})},
       {{"c", vector3}}},
      {"gemm",
       6,
       {2, 4},
       {Op("Gemm", {"x", "w", "c"}, {"y"}, {{"broadcast", int64_t{1}}})},
       {{"w", RandomTensor({4, 3}, 13)}, {"c", vector3}}},
      {"resize",
       11,
       image,
       {Op("Resize", {"x", "roi", "scales"}, {"y"}, {{"mode", std::string("linear")}})},
       {{"roi", Tensor()}, {"scales", Floats({4}, {1, 1, 2, 1.5F})}}},
      {"topk",
       6,
       cube,
       {Op("TopK", {"x"}, {"y", "indices"}, {{"axis", int64_t{2}}, {"k", int64_t{2}}})}},
      {"log_softmax_last", 6, cube, {Op("LogSoftmax", {"x"}, {"y"}, {{"axis", int64_t{2}}})}},
      {"average_pool",
       7,
       image,
       {Op("AveragePool", {"x"}, {"y"},
           {{"kernel_shape", IntList({2, 3})}, {"pads", IntList({1, 1, 1, 1})}})}},
      {"one_hot",
       9,
       {6},
       {Op("Floor", {"x"}, {"indices"}), Op("OneHot", {"indices", "depth", "values"}, {"y"})},
       {{"depth", Tensor::Scalar(int64_t{3})}, {"values", Floats({2}, {0, 1})}}},
      {"arg_max",
       6,
       cube,
       {Op("ArgMax", {"x"}, {"best"}, {{"axis", int64_t{1}}}),
        Op("Cast", {"best"}, {"y"}, {{"to", int64_t{1}}})}},
      // Where the input's rank is not known, and the names that come in are taken.
      {"softmax_behind_reshape",
       6,
       cube,
       {Op("Shape", {"x"}, {"y_shape"}),
        Op("Slice", {"y_shape"}, {"part"}, {{"starts", IntList({0})}, {"ends", IntList({3})}}),
        Op("Reshape", {"x", "part"}, {"y_flat"}), Op("Softmax", {"y_flat"}, {"y"})}},
      {"chain",
       6,
       cube,
       {Op("Clip", {"x"}, {"a"}, {{"min", 0.0}}), Op("Softmax", {"a"}, {"b"}),
        Op("Unsqueeze", {"b"}, {"c"}, {{"axes", IntList({3})}}),
        Op("ReduceMean", {"c"}, {"y"}, {{"axes", IntList({1, 3})}})}},
  };
  LiftCase split{
      "split",
      6,
      cube,
      {Op("Split", {"x"}, {"y", "z"}, {{"axis", int64_t{2}}, {"split", IntList({1, 3})}})}};
  split.outputs = {"y", "z"};
  cases.push_back(split);
  split.name = "split_evenly";
  split.nodes = {Op("Split", {"x"}, {"y", "z"}, {{"axis", int64_t{2}}})};
  cases.push_back(split);
  return cases;
}

}  // namespace adaround::testing
