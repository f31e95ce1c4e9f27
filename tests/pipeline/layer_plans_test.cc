// Quantization by plans: layers with grids of their own, and outliers split before.
#include <gtest/gtest.h>

#include <cmath>

#include "adaround/io/quantized_model_io.h"
#include "adaround/pipeline/evaluate.h"
#include "io/test_files.h"
#include "support/small_networks.h"

namespace adaround {
namespace {

using testing::ExpectError;
using testing::Given;
using testing::GivenList;
using testing::IntegersOf;
using testing::QuickQuantizeOptions;
using testing::RandomTensor;
using testing::SmallConvNet;

CalibrationSet ExampleSamples(const Graph& graph) {
  return CalibrationSet(GivenList(Given("input", RandomTensor({24, 3, 8, 8}, 50))), graph);
}

QuantizeResult Quantize(const QuantizeOptions& options, const Graph& graph = SmallConvNet()) {
  return QuantizeModel(graph, ExampleSamples(graph), options);
}

LayerPlan Entry(const std::string& name) {
  LayerPlan layer;
  layer.name = name;
  return layer;
}

std::string TextOf(const std::vector<LayerPlan>& plan) {
  std::string text;
  for (const LayerPlan& layer : plan) text += layer.ToText() + "\n";
  return text;
}

void ExpectSameModel(const QuantizeResult& first, const QuantizeResult& second) {
  EXPECT_EQ(IntegersOf(first.model), IntegersOf(second.model));
  for (const auto& [name, tensor] : first.model.weights) {
    EXPECT_EQ(tensor.grid.scale, second.model.weights.at(name).grid.scale) << name;
    EXPECT_EQ(tensor.grid.zero_point, second.model.weights.at(name).grid.zero_point) << name;
  }
}

TEST(LayerPlans, GiveLayersTheirOwnGrids) {
  QuantizeOptions options = QuickQuantizeOptions();
  options.method = "nearest";
  LayerPlan stem = Entry("stem");
  stem.bits = 8;
  stem.granularity = Granularity::kPerTensor;
  LayerPlan pointwise = Entry("pointwise");
  pointwise.symmetric = false;
  pointwise.granularity = Granularity::kPerGroup;
  pointwise.group_size = 3;
  LayerPlan head = Entry("logits");
  head.keep_float = true;
  options.plan = {stem, pointwise, head};
  const QuantizeResult result = Quantize(options);
  ASSERT_EQ(result.model.weights.size(), 3u);
  const QuantGrid& stem_grid = result.model.weights.at("stem.w").grid;
  EXPECT_EQ(stem_grid.bit_width, 8);
  EXPECT_EQ(stem_grid.scale.size(), 1u);
  const QuantGrid& pointwise_grid = result.model.weights.at("pointwise.w").grid;
  EXPECT_EQ(pointwise_grid.q_min, 0);
  EXPECT_EQ(pointwise_grid.scale.size(), 8u * 3u);
  const QuantGrid& other = result.model.weights.at("depthwise.w").grid;
  EXPECT_EQ(other.bit_width, 4);
  EXPECT_EQ(other.scale.size(), 8u);
  ASSERT_EQ(result.left.size(), 1u);
  EXPECT_EQ(result.left[0].name, "logits");
  EXPECT_EQ(result.left[0].reason, "kept in float by the plan");
  EXPECT_EQ(TextOf(result.plan),
            "stem: bits 8, symmetric, granularity tensor, range_estimator mse\n"
            "depthwise: bits 4, symmetric, granularity channel, range_estimator mse\n"
            "pointwise: bits 4, asymmetric, granularity group, group_size 3, range_estimator mse\n"
            "logits: float\n");
}

TEST(LayerPlans, TheDecisionsOfARunRepeatIt) {
  QuantizeOptions options = QuickQuantizeOptions();
  options.bits = 3;
  options.granularity = Granularity::kPerTensor;
  options.layer_bits = {{"stem", 8}, {"logits", 5}};
  options.exclude = {"depthwise"};
  const QuantizeResult first = Quantize(options);
  QuantizeOptions repeated = QuickQuantizeOptions();  // other defaults: all is in the plan
  repeated.plan = first.plan;
  const QuantizeResult second = Quantize(repeated);
  ExpectSameModel(first, second);
  EXPECT_EQ(TextOf(first.plan), TextOf(second.plan));
  // Both are told by the same options, which give the same result once more.
  const QuantizeOptions told = WithDecisions(options, first.plan);
  const QuantizeOptions told_again = WithDecisions(repeated, second.plan);
  EXPECT_EQ(TextOf(told.plan), TextOf(told_again.plan));
  EXPECT_TRUE(told.DefaultGrid().SameAs(told_again.DefaultGrid()));
  EXPECT_TRUE(told.layer_bits.empty() && told.exclude.empty());
  ExpectSameModel(first, Quantize(told));
}

// Bias correction and outlier splitting look at the layers before the last choice of them.
TEST(LayerPlans, HoldEachLayerOnce) {
  QuantizeOptions options = QuickQuantizeOptions();
  options.method = "nearest";
  options.layer_bits = {{"stem", 8}};
  options.exclude = {"depthwise"};
  options.bias_correction = BiasCorrection::kEmpirical;
  options.transform.split_outliers = 0.1;
  const QuantizeResult first = Quantize(options);
  const testing::ScratchFolder folder;
  WriteLayerPlan(folder / "plan.json", first.plan);
  QuantizeOptions repeated = options;
  repeated.layer_bits.clear();
  repeated.exclude.clear();
  repeated.plan = ReadLayerPlan(folder / "plan.json");
  EXPECT_EQ(repeated.plan.size(), 4u);
  const QuantizeResult second = Quantize(repeated);
  ExpectSameModel(first, second);
  EXPECT_EQ(TextOf(first.plan), TextOf(second.plan));
}

TEST(LayerPlans, WithDecisionsKeepsTheUsualGridOutOfThePlan) {
  QuantizeOptions options;
  options.bits = 3;
  LayerGrid usual;
  usual.bits = 5;
  LayerGrid other;
  other.bits = 8;
  const QuantizeOptions told =
      WithDecisions(options, {LayerPlan::Of("a", other), LayerPlan::Of("b", usual),
                              LayerPlan::Of("c", usual)});
  EXPECT_EQ(told.bits, 5);
  EXPECT_EQ(TextOf(told.plan), "a: bits 8, symmetric, granularity channel, range_estimator mse\n");
}

TEST(LayerPlans, WhatDoesNotFitTheModelIsRefused) {
  const auto refused = [](std::vector<LayerPlan> plan, const std::vector<std::string>& fragments,
                          ErrorCode code = ErrorCode::kMalformed,
                          const QuantizeOptions& base = QuickQuantizeOptions()) {
    QuantizeOptions options = base;
    options.plan = std::move(plan);
    ExpectError(code, fragments, [&] { Quantize(options); });
  };
  LayerPlan unknown = Entry("stemm");
  unknown.place = "p.json: layers[0].name";
  refused({unknown}, {"p.json: layers[0].name: the model has no layer 'stemm'; did you mean "
                      "'stem'?"});
  refused({Entry("stem"), Entry("stem")}, {"two entries for layer 'stem'"},
          ErrorCode::kInvalidArgument);
  LayerPlan group = Entry("stem");
  group.group_size = 4;
  refused({group}, {"layer 'stem' has a group_size, but granularity channel"});
  LayerPlan percentile = Entry("stem");
  percentile.percentile = 99;
  refused({percentile}, {"layer 'stem' has a percentile, but range_estimator mse"});
  QuantizeOptions narrow = QuickQuantizeOptions();
  narrow.narrow_range = true;
  LayerPlan asymmetric = Entry("stem");
  asymmetric.symmetric = false;
  refused({asymmetric}, {"layer 'stem' is asymmetric", "--narrow-range"}, ErrorCode::kMalformed,
          narrow);
  QuantizeOptions patterns = QuickQuantizeOptions();
  patterns.exclude = {"stem"};
  refused({Entry("logits")}, {"--exclude", "edit the plan"}, ErrorCode::kInvalidArgument, patterns);
  LayerPlan bits = Entry("stem");
  bits.bits = 9;
  refused({bits}, {"the plan's layer 'stem': bits is 9"}, ErrorCode::kInvalidArgument);
  std::vector<LayerPlan> all;
  for (const char* name : {"stem", "depthwise", "pointwise", "logits"}) {
    all.push_back(Entry(name));
    all.back().keep_float = true;
  }
  refused(all, {"the plan keeps every layer in float"}, ErrorCode::kInvalidArgument);
}

TEST(LayerPlans, LayersThatShareAWeightNeedOneGrid) {
  Graph graph;
  graph.inputs = {testing::FloatInput("input", {-1, 6, 5, 5})};
  graph.nodes.push_back(testing::Op("Conv", {"input", "w"}, {"first"}));
  graph.nodes.push_back(testing::Op("Conv", {"first", "w"}, {"second"}));
  graph.initializers["w"] = RandomTensor({6, 6, 1, 1}, 1);
  graph.outputs = {"second"};
  const CalibrationSet samples(GivenList(Given("input", RandomTensor({24, 6, 5, 5}, 50))), graph);
  QuantizeOptions options = QuickQuantizeOptions();
  LayerPlan first = Entry("first");
  first.bits = 8;
  options.plan = {first};
  ExpectError(ErrorCode::kInvalidArgument, {"'first' and 'second' share a weight", "the plan"},
              [&] { QuantizeModel(graph, samples, options); });
  LayerPlan second = first;
  second.name = "second";
  options.plan.push_back(second);
  const QuantizeResult result = QuantizeModel(graph, samples, options);
  EXPECT_EQ(result.model.weights.at("w").grid.bit_width, 8);
}

class TransformRecorder final : public QuantizeObserver {
 public:
  void OnProgress(const std::string&, int64_t, int64_t) override {}
  void OnWarning(const std::string&) override {}
  bool ShouldStop() const override { return false; }
  void OnLayer(const LayerReport&, int64_t, int64_t, double) override {}
  void OnTransform(const TransformStep& step, const Graph& graph) override {
    steps.push_back(step);
    last = graph;
  }

  std::vector<TransformStep> steps;
  Graph last;
};

TEST(SplitOutliers, IsToldAndComputesTheSame) {
  const Graph graph = SmallConvNet();
  QuantizeOptions options = QuickQuantizeOptions();
  options.transform.split_outliers = 0.2;
  TransformRecorder recorder;
  const CalibrationSet samples = ExampleSamples(graph);
  const QuantizeResult result = QuantizeModel(graph, samples, options, &recorder);
  ASSERT_EQ(recorder.steps.size(), 1u);
  EXPECT_EQ(recorder.steps[0].name, "split-outliers");
  // One of 3 channels and two of 8 channels twice; the stem has 9 weights a channel and output.
  EXPECT_EQ(recorder.steps[0].detail,
            "5 channels of 3 layers split, 98 weights added; left as they are: depthwise: it has "
            "groups");
  EXPECT_EQ(result.model.weights.at("stem.w").shape, (Shape{8, 4, 3, 3}));
  EXPECT_EQ(result.model.weights.at("head.w").shape, (Shape{5, 10}));
  const Evaluation evaluation = EvaluateModel(recorder.last, &graph, samples, nullptr, 1);
  // What another order of additions leaves of 24-bit numbers.
  EXPECT_GT(*evaluation.distance->sqnr_db, 110.0);
  // Files hold it, and it runs with quantized activations.
  const testing::ScratchFolder folder;
  WriteQuantizedModel(folder / "out", result.model);
  EXPECT_EQ(IntegersOf(ReadQuantizedModel(folder / "out")), IntegersOf(result.model));
  options.act_bits = 8;
  options.method = "nearest";
  const QuantizeResult with_activations = QuantizeModel(graph, samples, options);
  EXPECT_GT(*EvaluateModel(with_activations.model, &graph, samples, nullptr, 1).distance->sqnr_db,
            5.0);
}

// Layers are split for their own grids, whatever says them, and only those that are quantized.
TEST(SplitOutliers, FollowsTheLayersGrids) {
  QuantizeOptions options = QuickQuantizeOptions();
  options.method = "nearest";
  options.bits = 3;
  options.transform.split_outliers = 0.2;
  options.layer_bits = {{"stem", 8}};
  options.exclude = {"logits"};
  const QuantizeResult first = Quantize(options);
  QuantizeOptions repeated = options;
  repeated.bits = 8;
  repeated.layer_bits.clear();
  repeated.exclude.clear();
  repeated.plan = first.plan;
  const QuantizeResult second = Quantize(repeated);
  for (const auto& [name, tensor] : first.float_graph.initializers) {
    if (tensor.dtype() != DType::kFloat32) continue;
    EXPECT_EQ(testing::RelativeDifference(second.float_graph.initializers.at(name), tensor), 0.0)
        << name;
  }
  ExpectSameModel(first, second);
  EXPECT_EQ(first.float_graph.initializers.at("head.w").shape(), (Shape{5, 8}));
  // As a network of the layer's bits alone is split.
  options.bits = 8;
  options.layer_bits.clear();
  EXPECT_EQ(testing::RelativeDifference(
                Quantize(options).float_graph.initializers.at("stem.w"),
                first.float_graph.initializers.at("stem.w")),
            0.0);
}

TEST(SplitOutliers, RatiosOutsideZeroToOneAreRefused) {
  for (const double ratio : {-0.1, 1.1, std::nan("")}) {
    QuantizeOptions options = QuickQuantizeOptions();
    options.transform.split_outliers = ratio;
    ExpectError(ErrorCode::kInvalidArgument, {"split-outliers must be 0 to 1"},
                [&] { Quantize(options); });
  }
}

}  // namespace
}  // namespace adaround
