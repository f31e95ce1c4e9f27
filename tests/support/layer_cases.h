// Quantized models of one layer each, of every kind and on every kind of grid.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "support/graph_testing.h"
#include "support/quantized_testing.h"

namespace adaround::testing {

struct LayerCase {
  std::string name;
  Shape input;  // of all samples
  Shape weight;
  ChannelLayout layout;
  std::string op;
  std::map<std::string, Attribute> attributes;
};

// Extents are odd, so that rows of 4-bit integers end in the middle of a byte, and groups of 16 and
// 32 leave a shorter last one.
inline std::vector<LayerCase> LayerCases() {
  const Attribute pads = IntList({1, 1, 1, 1});
  const Attribute strides = IntList({2, 2});
  return {
      {"conv", {2, 5, 6, 6}, {7, 5, 3, 3}, {0, 1}, "Conv", {{"pads", pads}}},
      {"grouped_conv", {2, 6, 5, 5}, {9, 2, 3, 3}, {0, 1}, "Conv", {{"group", int64_t{3}}}},
      {"depthwise_conv", {2, 7, 6, 6}, {7, 1, 5, 5}, {0, 1}, "Conv", {{"group", int64_t{7}}}},
      {"conv_1d", {2, 5, 9}, {3, 5, 3}, {0, 1}, "Conv", {}},
      {"conv_transpose",
       {2, 5, 4, 4},
       {5, 7, 3, 3},
       {1, 1},
       "ConvTranspose",
       {{"strides", strides}}},
      {"grouped_conv_transpose",
       {2, 6, 4, 4},
       {6, 5, 3, 3},
       {1, 3},
       "ConvTranspose",
       {{"group", int64_t{3}}, {"strides", strides}}},
      {"depthwise_conv_transpose",
       {2, 6, 4, 4},
       {6, 1, 5, 5},
       {1, 6},
       "ConvTranspose",
       {{"group", int64_t{6}}}},
      {"gemm", {3, 37}, {37, 11}, {1, 1}, "Gemm", {{"alpha", 0.5}, {"beta", 2.0}}},
      {"gemm_transposed", {3, 37}, {11, 37}, {0, 1}, "Gemm", {{"transB", int64_t{1}}}},
      {"gemm_square", {3, 64}, {64, 64}, {1, 1}, "Gemm", {}},
      {"matmul", {3, 37}, {37, 11}, {1, 1}, "MatMul", {}},
      {"matmul_3d", {2, 5, 37}, {37, 11}, {1, 1}, "MatMul", {}},
      {"matmul_4d_square", {2, 3, 4, 64}, {64, 64}, {1, 1}, "MatMul", {}},
  };
}

inline QuantizedModel LayerModel(const LayerCase& layer, const GridChoice& choice, bool with_bias) {
  QuantizedModel model;
  Shape shape = layer.input;
  shape[0] = -1;
  model.graph.inputs = {FloatInput("x", shape)};
  model.graph.outputs = {"y"};
  Node node = Op(layer.op, {"x", "w"}, {"y"}, layer.attributes);
  if (with_bias) {
    model.graph.initializers["b"] = RandomTensor({layer.layout.NumRows(layer.weight)}, 77);
    if (layer.op == "MatMul") {
      node.outputs = {"product"};
      model.graph.nodes.push_back(Op("Add", {"product", "b"}, {"y"}));
    } else {
      node.inputs.push_back("b");
    }
  }
  model.graph.nodes.insert(model.graph.nodes.begin(), node);
  model.weights["w"] = RandomQuantizedTensor(layer.weight, layer.layout, choice, 5);
  return model;
}

inline std::vector<GridChoice> GridChoices() {
  std::vector<GridChoice> choices;
  for (const int bit_width : {2, 3, 4, 5, 6, 7, 8}) {
    for (const bool symmetric : {true, false}) {
      choices.push_back({bit_width, symmetric, Granularity::kPerTensor, 0});
      choices.push_back({bit_width, symmetric, Granularity::kPerChannel, 0});
      choices.push_back({bit_width, symmetric, Granularity::kPerGroup, 16});
      choices.push_back({bit_width, symmetric, Granularity::kPerGroup, 32});
    }
  }
  return choices;
}

// A matrix that a MatMul, a Gemm and an Add read, next to names that the export might want.
inline QuantizedModel SharedWeightModel() {
  QuantizedModel model;
  model.graph.inputs = {FloatInput("x", {-1, 16})};
  model.graph.outputs = {"y"};
  model.graph.nodes = {
      Op("MatMul", {"x", "w"}, {"w_quantized"}),
      Op("Gemm", {"w_quantized", "w"}, {"w_scale"}),
      Op("ReduceSum", {"w", "axes"}, {"w_transposed"}),
      Op("Add", {"w_scale", "w_transposed"}, {"y"}),
  };
  model.graph.initializers["axes"] = Tensor::FromVector<int64_t>({1}, {0});
  model.weights["w"] =
      RandomQuantizedTensor({16, 16}, {1, 1}, {4, false, Granularity::kPerChannel, 0}, 9);
  return model;
}

}  // namespace adaround::testing
