// Forward passes through the executor, one sample at a time on one thread.
#include <benchmark/benchmark.h>

#include <filesystem>
#include <iostream>
#include <memory>

#include "adaround/io/model_file.h"
#include "adaround/runtime/executor.h"
#include "bench/counters.h"
#include "bench/registration.h"
#include "graph/passes/fold_batch_norm.h"
#include "support/graph_testing.h"

namespace adaround::bench {
namespace {

using testing::FloatInput;
using testing::IntList;
using testing::Op;
using testing::RandomTensor;

// Operations: two for each multiply-accumulate of the graph.
void RunForward(benchmark::State& state, const Graph& graph) {
  const Executor executor(graph);
  const GraphInput& input = graph.inputs.front();
  Shape shape = input.shape;
  shape[0] = 1;
  const TensorMap given = {{input.name, RandomTensor(shape, 1)}};
  const ExecutionPlan plan =
      executor.Plan({input.name}, {graph.outputs.begin(), graph.outputs.end()});
  executor.Run(plan, given);  // the first run prepares what later ones keep
  const int64_t macs = executor.num_macs();
  for (auto _ : state) benchmark::DoNotOptimize(executor.Run(plan, given));
  CountFlops(state, 2.0 * static_cast<double>(macs));
}

// Appends layers to a graph.
class GraphBuilder {
 public:
  explicit GraphBuilder(const Shape& input) { graph_.inputs = {FloatInput("x", input)}; }

  std::string Conv(const std::string& x, int64_t in_channels, int64_t out_channels, int64_t kernel,
                   int64_t stride, int64_t groups = 1) {
    const int64_t pad = kernel / 2;
    return Layer("Conv", x, {out_channels, in_channels / groups, kernel, kernel},
                 {{"pads", IntList({pad, pad, pad, pad})},
                  {"strides", IntList({stride, stride})},
                  {"group", groups}});
  }
  std::string Gemm(const std::string& x, int64_t in_features, int64_t out_features) {
    return Layer("Gemm", x, {out_features, in_features}, {{"transB", int64_t{1}}});
  }
  std::string Add(const std::string& op, const std::vector<std::string>& inputs,
                  const std::map<std::string, Attribute>& attributes = {}) {
    const std::string output = "t" + std::to_string(graph_.nodes.size());
    graph_.nodes.push_back(Op(op, inputs, {output}, attributes));
    return output;
  }
  Graph Finish(const std::string& output) {
    graph_.outputs = {output};
    return graph_;
  }

 private:
  std::string Layer(const std::string& op, const std::string& x, const Shape& weight,
                    const std::map<std::string, Attribute>& attributes) {
    const std::string name = "w" + std::to_string(graph_.nodes.size());
    const float bound = 1.0F / static_cast<float>(NumElements(weight) / weight[0]);
    graph_.initializers[name] = RandomTensor(weight, 2, -bound, bound);
    graph_.initializers[name + "_bias"] = RandomTensor({weight[0]}, 3);
    return Add(op, {x, name, name + "_bias"}, attributes);
  }

  Graph graph_;
};

Graph OneConv(int64_t in_channels, int64_t out_channels, int64_t extent, int64_t kernel,
              int64_t stride = 1, int64_t groups = 1) {
  GraphBuilder builder({1, in_channels, extent, extent});
  return builder.Finish(builder.Conv("x", in_channels, out_channels, kernel, stride, groups));
}

Graph OneGemm(int64_t in_features, int64_t out_features) {
  GraphBuilder builder({1, in_features});
  return builder.Finish(builder.Gemm("x", in_features, out_features));
}

// ResNet-18 (He et al., arXiv:1512.03385) with its BatchNormalization folded and random weights.
Graph ResNet18() {
  GraphBuilder builder({1, 3, 224, 224});
  std::string x = builder.Add("Relu", {builder.Conv("x", 3, 64, 7, 2)});
  x = builder.Add("MaxPool", {x},
                  {{"kernel_shape", IntList({3, 3})},
                   {"pads", IntList({1, 1, 1, 1})},
                   {"strides", IntList({2, 2})}});
  int64_t channels = 64;
  for (const int64_t wider : {64, 128, 256, 512}) {
    for (const bool first : {true, false}) {
      const int64_t stride = first && wider != channels ? 2 : 1;
      std::string y = builder.Add("Relu", {builder.Conv(x, channels, wider, 3, stride)});
      y = builder.Conv(y, wider, wider, 3, 1);
      if (stride == 2) x = builder.Conv(x, channels, wider, 1, 2);
      x = builder.Add("Relu", {builder.Add("Add", {y, x})});
      channels = wider;
    }
  }
  x = builder.Add("Flatten", {builder.Add("GlobalAveragePool", {x})});
  return builder.Finish(builder.Gemm(x, channels, 1000));
}

void Register(const std::string& name, Graph graph) {
  benchmark::RegisterBenchmark(("forward/" + name).c_str(), RunForward, std::move(graph))
      ->Unit(benchmark::kMicrosecond);
}

}  // namespace

void RegisterForward() {
  Register("conv3x3_64_at_56", OneConv(64, 64, 56, 3));
  Register("conv3x3_256_at_14", OneConv(256, 256, 14, 3));
  Register("conv7x7_stride2_3_to_64_at_224", OneConv(3, 64, 224, 7, 2));
  Register("conv1x1_256_to_64_at_56", OneConv(256, 64, 56, 1));
  Register("depthwise3x3_144_at_56", OneConv(144, 144, 56, 3, 1, 144));
  Register("linear_2048_to_1000", OneGemm(2048, 1000));
  Register("resnet18", ResNet18());
  // Trained networks that are no part of the project.
  for (const std::string name : {"cifar10_resnet20", "imagenet_mobilenetv2"}) {
    const std::filesystem::path folder = std::filesystem::path(ADAROUND_EVAL) / name;
    if (!std::filesystem::exists(folder)) {
      std::cerr << folder.string() << " is not there: forward/" << name << " is left out\n";
      continue;
    }
    Graph graph = ReadFloatModel(folder);
    FoldConstants(graph);
    FoldBatchNorm(graph);
    Register(name, std::move(graph));
  }
}

}  // namespace adaround::bench
