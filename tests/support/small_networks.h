// Small random networks to quantize in tests.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "adaround/pipeline/quantize.h"
#include "support/graph_testing.h"
#include "support/in_memory_source.h"

namespace adaround::testing {

inline void AddBatchNorm(Graph& graph, const std::string& input, const std::string& output,
                         int64_t channels, uint32_t seed) {
  const std::string p = output + ".";
  graph.nodes.push_back(Op("BatchNormalization",
                           {input, p + "gamma", p + "beta", p + "mean", p + "variance"}, {output}));
  graph.initializers[p + "gamma"] = RandomTensor({channels}, seed, 0.5F, 1.5F);
  graph.initializers[p + "beta"] = RandomTensor({channels}, seed + 1, -0.5F, 0.5F);
  graph.initializers[p + "mean"] = RandomTensor({channels}, seed + 2, -0.5F, 0.5F);
  graph.initializers[p + "variance"] = RandomTensor({channels}, seed + 3, 0.5F, 2.0F);
}

// Conv-BN-ReLU, depthwise-BN-ReLU6, pointwise with a residual, pooling, Gemm:
// [N, 3, 8, 8] -> [N, 5].
inline Graph SmallConvNet() {
  Graph graph;
  graph.inputs = {FloatInput("input", {-1, 3, 8, 8})};
  graph.outputs = {"logits"};
  const Attribute pads = IntList({1, 1, 1, 1});
  graph.nodes.push_back(Op("Conv", {"input", "stem.w"}, {"stem"}, {{"pads", pads}}));
  AddBatchNorm(graph, "stem", "stem_bn", 8, 10);
  graph.nodes.push_back(Op("Relu", {"stem_bn"}, {"stem_relu"}));
  graph.nodes.push_back(Op("Conv", {"stem_relu", "depthwise.w"}, {"depthwise"},
                           {{"pads", pads}, {"group", int64_t{8}}}));
  AddBatchNorm(graph, "depthwise", "depthwise_bn", 8, 20);
  graph.nodes.push_back(Op("Clip", {"depthwise_bn", "zero", "six"}, {"depthwise_clip"}));
  graph.nodes.push_back(
      Op("Conv", {"depthwise_clip", "pointwise.w", "pointwise.b"}, {"pointwise"}));
  graph.nodes.push_back(Op("Add", {"stem_relu", "pointwise"}, {"sum"}));
  graph.nodes.push_back(Op("GlobalAveragePool", {"sum"}, {"pooled"}));
  graph.nodes.push_back(Op("Flatten", {"pooled"}, {"flat"}));
  graph.nodes.push_back(Op("Gemm", {"flat", "head.w", "head.b"}, {"logits"}, {{"transB", 1}}));
  graph.initializers["zero"] = Tensor::Scalar(0.0F);
  graph.initializers["six"] = Tensor::Scalar(6.0F);
  graph.initializers["stem.w"] = RandomTensor({8, 3, 3, 3}, 1);
  graph.initializers["depthwise.w"] = RandomTensor({8, 1, 3, 3}, 2);
  graph.initializers["pointwise.w"] = RandomTensor({8, 8, 1, 1}, 3);
  graph.initializers["pointwise.b"] = RandomTensor({8}, 4);
  graph.initializers["head.w"] = RandomTensor({5, 8}, 5);
  graph.initializers["head.b"] = RandomTensor({5}, 6);
  return graph;
}

// More layers in a row than one segment may hold, every third output added to an earlier one:
// [N, 6, 5, 5] -> [N, 6, 5, 5].
inline Graph DeepConvNet(int num_layers) {
  Graph graph;
  graph.inputs = {FloatInput("input", {-1, 6, 5, 5})};
  std::string last = "input";
  std::string skip = "input";
  for (int i = 0; i < num_layers; ++i) {
    const std::string name = "conv" + std::to_string(i);
    graph.nodes.push_back(Op("Conv", {last, name + ".w"}, {name}));
    graph.initializers[name + ".w"] = RandomTensor({6, 6, 1, 1}, static_cast<uint32_t>(i + 1));
    graph.nodes.push_back(Op("Relu", {name}, {name + ".relu"}));
    last = name + ".relu";
    if (i % 3 != 2) continue;
    graph.nodes.push_back(Op("Add", {last, skip}, {name + ".sum"}));
    last = name + ".sum";
    skip = last;
  }
  graph.outputs = {last};
  return graph;
}

inline QuantizeOptions QuickQuantizeOptions() {
  QuantizeOptions options;
  options.rounding.adaround.iterations = 60;
  options.rounding.adaround.learning_rate = 3e-2;
  options.rounding.adaround.batch_size = 16;
  options.search_columns = 256;
  options.held_out_columns = 64;
  options.spill_directory = "/nonexistent";
  return options;
}

inline std::map<std::string, std::vector<int16_t>> IntegersOf(const QuantizedModel& model) {
  std::map<std::string, std::vector<int16_t>> integers;
  for (const auto& [name, tensor] : model.weights) integers[name] = tensor.integers;
  return integers;
}

}  // namespace adaround::testing
