#include "pipeline/transform_network.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "adaround/base/error.h"
#include "adaround/io/model_file.h"
#include "adaround/io/npy.h"
#include "graph/linear_layer.h"
#include "graph/passes/cross_layer_equalization.h"
#include "graph/passes/fold_batch_norm.h"
#include "pipeline/measure_moments.h"
#include "support/small_networks.h"

namespace adaround {
namespace {

using testing::Given;
using testing::GivenList;
using testing::QuickQuantizeOptions;
using testing::RandomTensor;
using testing::RelativeDifference;
using testing::RunGraph;
using testing::SmallConvNet;

CalibrationSet Samples(const Graph& graph) {
  return CalibrationSet(GivenList(Given("input", RandomTensor({12, 3, 8, 8}, 50))), graph);
}

class StepObserver final : public QuantizeObserver {
 public:
  void OnProgress(const std::string&, int64_t, int64_t) override {}
  void OnWarning(const std::string&) override {}
  void OnLayer(const LayerReport&, int64_t, int64_t, double) override {}
  void OnTransform(const TransformStep& step, const Graph& graph) override {
    names.push_back(step.name);
    graphs.push_back(graph);
  }
  bool ShouldStop() const override { return false; }

  std::vector<std::string> names;
  std::vector<Graph> graphs;
};

TEST(FoldBatchNormMoments, AreBetaAndTheMagnitudeOfGamma) {
  Graph graph = SmallConvNet();
  const Tensor beta = graph.initializers.at("stem_bn.beta");
  Tensor gamma = graph.initializers.at("stem_bn.gamma").Clone();
  gamma.mutable_data<float>()[3] *= -1.0F;
  graph.initializers["stem_bn.gamma"] = gamma;
  ChannelMomentsMap moments;
  EXPECT_EQ(FoldBatchNorm(graph, &moments), 2);
  ASSERT_EQ(moments.size(), 2U);
  for (size_t c = 0; c < 8; ++c) {
    EXPECT_EQ(moments.at("stem_bn").mean[c], beta.data<float>()[c]);
    EXPECT_EQ(moments.at("stem_bn").std[c], std::abs(gamma.data<float>()[c]));
  }
}

TEST(FoldBatchNormMoments, FollowWhatIsFoldedBehind) {
  Graph graph = SmallConvNet();
  for (Node& node : graph.nodes) {
    for (std::string& input : node.inputs) {
      if (input == "stem_bn" && node.op == "Relu") input = "scaled";
    }
  }
  graph.nodes.push_back(testing::Op("Mul", {"stem_bn", "minus_two"}, {"scaled"}));
  graph.initializers["minus_two"] = Tensor::Scalar(-2.0F);
  graph.SortTopologically();
  const Tensor beta = graph.initializers.at("stem_bn.beta");
  const Tensor gamma = graph.initializers.at("stem_bn.gamma");
  ChannelMomentsMap moments;
  FoldBatchNorm(graph, &moments);
  EXPECT_FALSE(moments.contains("stem_bn"));
  EXPECT_DOUBLE_EQ(moments.at("scaled").mean[1], -2.0 * beta.data<float>()[1]);
  EXPECT_DOUBLE_EQ(moments.at("scaled").std[1], 2.0 * gamma.data<float>()[1]);
}

// Conv, Relu, Reshape to [-1, n], Gemm.
Graph Flattened(int64_t n) {
  Graph graph;
  graph.inputs = {testing::FloatInput("input", {-1, 3, 8, 8})};
  graph.outputs = {"y"};
  graph.nodes = {testing::Op("Conv", {"input", "a.w"}, {"a"}),
                 testing::Op("Relu", {"a"}, {"f"}), testing::Op("Reshape", {"f", "shape"}, {"g"}),
                 testing::Op("MatMul", {"g", "y.w"}, {"y"})};
  graph.initializers = {{"a.w", RandomTensor({4, 3, 1, 1}, 1)},
                        {"shape", Tensor::FromVector<int64_t>({2}, {-1, n})},
                        {"y.w", RandomTensor({n, 5}, 2)}};
  return graph;
}

TEST(TransformNetwork, ReshapeOfAllThatASampleHoldsIsFlatten) {
  for (const int64_t n : {256, 128}) {
    const Graph graph = Flattened(n);
    const CalibrationSet samples = Samples(graph);
    QuantizeOptions options = QuickQuantizeOptions();
    options.transform.equalize = true;
    ChannelMomentsMap moments;
    MomentPasses passes;
    const Graph transformed =
        TransformNetwork(graph, samples, options, moments, passes, nullptr);
    const bool is_whole = n == 256;  // else a sample becomes two rows
    EXPECT_EQ(transformed.nodes[2].op, is_whole ? "Flatten" : "Reshape");
    EXPECT_TRUE(transformed.Validate().empty());
    // A pair: its weights are others.
    EXPECT_EQ(RelativeDifference(transformed.initializers.at("a.w"),
                                 graph.initializers.at("a.w")) > 1e-3,
              is_whole);
    const Tensor x = RandomTensor({2, 3, 8, 8}, 7);
    EXPECT_LT(RelativeDifference(RunGraph(transformed, {{"input", x}}, {"y"}).at("y"),
                                 RunGraph(graph, {{"input", x}}, {"y"}).at("y")),
              2e-5);
  }
}

TEST(TransformNetwork, ComesAfterTheSamplesAreFoundUsable) {
  const Graph graph = SmallConvNet();
  const CalibrationSet same(
      GivenList(Given("input", Tensor::Zeros(DType::kFloat32, {4, 3, 8, 8}))), graph);
  QuantizeOptions options = QuickQuantizeOptions();
  options.transform.equalize = true;
  StepObserver observer;
  EXPECT_THROW(QuantizeModel(graph, same, options, &observer), Error);
  EXPECT_TRUE(observer.names.empty());
}

// A prediction runs one sample: what the others hold is not looked at.
TEST(TransformNetwork, PredictionsMeasureNoMoments) {
  Graph graph = SmallConvNet();
  Tensor inputs = RandomTensor({4, 3, 8, 8}, 50).Clone();
  inputs.mutable_data<float>()[2 * 3 * 64] = std::numeric_limits<float>::quiet_NaN();
  const CalibrationSet samples(GivenList(Given("input", inputs)), graph);
  QuantizeOptions options = QuickQuantizeOptions();
  options.transform.absorb_bias = true;
  EXPECT_EQ(PredictQuantization(graph, samples, options).layers.size(), 4U);
  EXPECT_THROW(QuantizeModel(graph, samples, options), Error);
}

TEST(TransformNetwork, DoesNothingUnlessAsked) {
  Graph graph = SmallConvNet();
  FoldBatchNorm(graph);
  StepObserver observer;
  ChannelMomentsMap moments;
  MomentPasses passes;
  const Graph same =
      TransformNetwork(graph, Samples(graph), QuickQuantizeOptions(), moments, passes, &observer);
  EXPECT_EQ(passes.num_macs, 0);
  EXPECT_TRUE(observer.names.empty());
  for (const auto& [name, tensor] : graph.initializers) {
    EXPECT_EQ(RelativeDifference(same.initializers.at(name), tensor), 0.0) << name;
  }
}

TEST(TransformNetwork, MomentsAreThoseOfTheTransformedNetwork) {
  Graph graph = SmallConvNet();
  FoldBatchNorm(graph);
  // So high that some of it is absorbed.
  for (const char* bias : {"depthwise.w.folded_bias"}) {
    Tensor high = graph.initializers.at(bias).Clone();
    for (int64_t c = 0; c < 8; c += 2) high.mutable_data<float>()[c] += 9.0F;
    graph.initializers[bias] = high;
  }
  const CalibrationSet samples = Samples(graph);
  QuantizeOptions options = QuickQuantizeOptions();
  options.transform.equalize = true;
  options.transform.absorb_bias = true;
  StepObserver observer;
  ChannelMomentsMap moments;
  MomentPasses passes;
  const SampleSplit split = SplitSamples(12, 0.0);
  MeasureMoments(graph, FindLinearLayers(graph).layers, samples, split, 1, nullptr, moments,
                 passes);
  const ChannelMomentsMap before = moments;
  const Graph transformed = TransformNetwork(graph, samples, options, moments, passes, &observer);
  EXPECT_EQ(observer.names, (std::vector<std::string>{"equalize", "absorb-bias"}));
  ChannelMomentsMap measured;
  MeasureMoments(transformed, FindLinearLayers(transformed).layers, samples, split, 1, nullptr,
                 measured, passes);
  ASSERT_EQ(measured.size(), moments.size());
  for (const auto& [name, found] : moments) {
    for (size_t c = 0; c < found.mean.size(); ++c) {
      const double size = 1e-5 * (1 + std::abs(found.mean[c]) + found.std[c]);
      EXPECT_NEAR(found.mean[c], measured.at(name).mean[c], size) << name;
      // A variance is a difference of two squares.
      EXPECT_NEAR(found.std[c], measured.at(name).std[c], 10 * size) << name;
    }
  }
  // Both steps did something.
  EXPECT_FALSE(moments.contains("depthwise_bn"));
  EXPECT_TRUE(before.contains("depthwise_bn"));
  const TensorMap input = {{"input", samples.FloatSample("input", 0)}};
  const Tensor wanted = RunGraph(graph, input, {"logits"}).at("logits");
  for (const Graph& step : observer.graphs) {
    EXPECT_LT(RelativeDifference(RunGraph(step, input, {"logits"}).at("logits"), wanted), 1e-5);
  }
  EXPECT_GT(RelativeDifference(observer.graphs[0].initializers.at("pointwise.b"),
                               observer.graphs[1].initializers.at("pointwise.b")),
            1e-3);
}

// `folder` holds a network and inputs; equalization leaves what it computes.
void ExpectKept(const std::filesystem::path& folder, size_t num_pairs) {
  SCOPED_TRACE(folder.string());
  const Graph original = ReadFloatModel(folder / "model.json");
  Graph graph = original;
  FoldConstants(graph);
  FoldBatchNorm(graph);
  const EqualizationResult result = EqualizeCrossLayer(graph, {});
  EXPECT_EQ(result.pairs.size(), num_pairs);
  EXPECT_TRUE(result.has_converged);
  const testing::InMemorySource inputs(ReadNpy(folder / "sample_input.npy"));
  const TensorMap given = {{original.inputs[0].name, inputs.ReadSamples(0, 1)}};
  const std::string& output = original.outputs[0];
  // Some 50 layers of float32 sums in another scale each.
  EXPECT_LT(RelativeDifference(RunGraph(graph, given, {output}).at(output),
                               RunGraph(original, given, {output}).at(output)),
            1e-4);
}

TEST(TransformNetwork, ShippedModelsComputeTheSame) {
  // One pair in each of nine residual blocks.
  ExpectKept(std::filesystem::path(ADAROUND_MODELS) / "fashion_resnet", 9);
  // The stem, 10 depthwise and 9 expanding layers, the head before the pool, and the only
  // projection that no residual reads.
  ExpectKept(std::filesystem::path(ADAROUND_MODELS) / "fashion_mobilenet", 22);
}

TEST(TransformNetwork, EvalNetworksComputeTheSame) {
  const std::filesystem::path folder = ADAROUND_EVAL;
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  ExpectKept(folder / "cifar10_resnet20", 9);
  ExpectKept(folder / "imagenet_mobilenetv1_025", 27);
  // Linear bottlenecks without a residual, and the classifier behind GlobalAveragePool, included.
  ExpectKept(folder / "imagenet_mobilenetv2", 37);
}

}  // namespace
}  // namespace adaround
