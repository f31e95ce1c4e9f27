#include "adaround/pipeline/sensitivity.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "support/error_testing.h"
#include "support/small_networks.h"

namespace adaround {
namespace {

using testing::Given;
using testing::GivenList;
using testing::QuickQuantizeOptions;
using testing::RandomTensor;
using testing::SmallConvNet;

CalibrationSet ExampleSamples(const Graph& graph, uint32_t seed) {
  return CalibrationSet(GivenList(Given("input", RandomTensor({24, 3, 8, 8}, seed))), graph);
}

QuantizeOptions Options() {
  QuantizeOptions options = QuickQuantizeOptions();
  options.bits = 3;
  return options;
}

SensitivityResult Analyze(const QuantizeOptions& options, const SensitivityOptions& sensitivity,
                          const Graph& graph = SmallConvNet()) {
  return AnalyzeSensitivity(graph, ExampleSamples(graph, 50), ExampleSamples(graph, 60), nullptr,
                            options, sensitivity);
}

double Sqnr(const Evaluation& evaluation) { return *evaluation.distance->sqnr_db; }

const LayerSensitivity& Layer(const SensitivityResult& result, const std::string& name) {
  return *std::find_if(result.layers.begin(), result.layers.end(),
                       [&](const LayerSensitivity& layer) { return layer.name == name; });
}

// Against networks built by including and excluding layers: with nearest, layers do not depend on
// each other, so that one layer alone is what --include makes, and all but one what --exclude
// makes.
TEST(Sensitivity, IsThatOfNetworksMadeOneByOne) {
  const Graph graph = SmallConvNet();
  const CalibrationSet samples = ExampleSamples(graph, 50);
  const CalibrationSet data = ExampleSamples(graph, 60);
  QuantizeOptions options = Options();
  options.method = "nearest";
  const SensitivityResult result = Analyze(options, {});
  ASSERT_EQ(result.layers.size(), 4u);
  const auto measure = [&](const QuantizeOptions& of) {
    return EvaluateModel(QuantizeModel(graph, samples, of).model, &graph, data, nullptr, 1);
  };
  for (const LayerSensitivity& layer : result.layers) {
    QuantizeOptions alone = options;
    alone.include = {"^" + layer.name + "$"};
    const Evaluation wanted = measure(alone);
    EXPECT_EQ(Sqnr(layer.alone), Sqnr(wanted)) << layer.name;
    EXPECT_EQ(layer.alone.distance->kl_divergence, wanted.distance->kl_divergence);
    EXPECT_EQ(layer.alone.distance->agreement, wanted.distance->agreement);
    QuantizeOptions all_but = options;
    all_but.exclude = {"^" + layer.name + "$"};
    EXPECT_EQ(Sqnr(layer.all_but), Sqnr(measure(all_but))) << layer.name;
    EXPECT_NEAR(layer.noise, std::pow(10.0, -Sqnr(layer.alone) / 10), 1e-12);
  }
  EXPECT_EQ(Sqnr(result.quantized), Sqnr(measure(options)));
}

// What `quantize --html` shows: of a searching method, too, each layer as the result has it.
TEST(Sensitivity, LayersAloneAreNetworksWithOneWeightTakenOver) {
  const Graph graph = SmallConvNet();
  const CalibrationSet data = ExampleSamples(graph, 60);
  const QuantizeResult result = QuantizeModel(graph, ExampleSamples(graph, 50), Options());
  const std::vector<LayerAlone> layers = MeasureLayersAlone(result, data, 2);
  ASSERT_EQ(layers.size(), result.layers.size());
  const Graph rounded = result.model.Dequantized();
  for (size_t i = 0; i < layers.size(); ++i) {
    EXPECT_EQ(layers[i].name, result.layers[i].name);
    Graph one = result.float_graph;
    const std::string& weight = result.layers[i].weight;
    one.initializers[weight] = rounded.initializers.at(weight);
    const Evaluation wanted = EvaluateModel(one, &result.float_graph, data, nullptr, 1);
    EXPECT_EQ(Sqnr(layers[i].evaluation), Sqnr(wanted)) << layers[i].name;
    EXPECT_EQ(layers[i].evaluation.distance->agreement, wanted.distance->agreement);
  }
}

// A searching method's layers make up for those before them: without the layer that they made up
// for, networks are put together from layers that do not. The last layer draws what it would draw
// if the others were left out.
TEST(Sensitivity, AllButOneIsOfIndependentLayers) {
  const Graph graph = SmallConvNet();
  const CalibrationSet samples = ExampleSamples(graph, 50);
  const CalibrationSet data = ExampleSamples(graph, 60);
  QuantizeOptions options = Options();
  const SensitivityResult result = Analyze(options, {});
  QuantizeOptions all_but = options;
  all_but.asymmetric_reconstruction = false;
  all_but.exclude = {"^logits$"};
  const Evaluation wanted = EvaluateModel(QuantizeModel(graph, samples, all_but).model, &graph,
                                          data, nullptr, 1);
  EXPECT_EQ(Sqnr(Layer(result, "logits").all_but), Sqnr(wanted));
}

TEST(Sensitivity, RanksAreAPermutationInOrderOfNoise) {
  const SensitivityResult result = Analyze(Options(), {});
  std::vector<const LayerSensitivity*> ranked(result.layers.size(), nullptr);
  for (const LayerSensitivity& layer : result.layers) {
    ranked.at(static_cast<size_t>(layer.rank_by_noise - 1)) = &layer;
    EXPECT_FALSE(layer.rank_by_accuracy);  // without labels
  }
  for (size_t i = 0; i < ranked.size(); ++i) {
    ASSERT_NE(ranked[i], nullptr);
    if (i > 0) {
      EXPECT_GE(ranked[i - 1]->noise, ranked[i]->noise);
    }
  }
}

TEST(Sensitivity, LabelsRankByAccuracy) {
  const Graph graph = SmallConvNet();
  const CalibrationSet samples = ExampleSamples(graph, 50);
  Labels labels;
  for (int i = 0; i < 24; ++i) labels.classes.push_back(i % 5);
  const SensitivityResult result =
      AnalyzeSensitivity(graph, samples, samples, &labels, Options(), {});
  std::vector<double> accuracy(result.layers.size(), -1.0);
  for (const LayerSensitivity& layer : result.layers) {
    accuracy.at(static_cast<size_t>(*layer.rank_by_accuracy - 1)) = layer.alone.accuracy->top1;
  }
  EXPECT_TRUE(std::is_sorted(accuracy.begin(), accuracy.end()));
  EXPECT_GE(accuracy.front(), 0.0);
}

TEST(Sensitivity, TheSuggestionKeepsTheBudgetAndIsMeasured) {
  const Graph graph = SmallConvNet();
  for (const double budget : {3.0, 3.5, 5.0, 8.0}) {
    SensitivityOptions sensitivity;
    sensitivity.budget_bits = budget;
    const SensitivityResult result = Analyze(Options(), sensitivity);
    double bits = 0.0;
    double weights = 0.0;
    int64_t num_suggested = 0;
    for (const LayerSensitivity& layer : result.layers) {
      EXPECT_TRUE(layer.suggested_bits == 3 || layer.suggested_bits == 8);
      num_suggested += layer.suggested_bits == 8 ? 1 : 0;
      bits += static_cast<double>(layer.num_weights) * layer.suggested_bits;
      weights += static_cast<double>(layer.num_weights);
    }
    EXPECT_EQ(result.num_suggested, num_suggested);
    EXPECT_LE(bits / weights, budget * (1 + 1e-12));
    EXPECT_NEAR(result.suggested_average_bits, bits / weights, 1e-12);
    EXPECT_NEAR(result.average_bits, 3.0, 1e-12);
    EXPECT_EQ(num_suggested, budget == 3.0 ? 0 : budget == 8.0 ? 4 : num_suggested);
    // The plan, applied, is what was measured.
    QuantizeOptions planned = Options();
    planned.plan = result.plan;
    const Evaluation applied =
        EvaluateModel(QuantizeModel(graph, ExampleSamples(graph, 50), planned).model, &graph,
                      ExampleSamples(graph, 60), nullptr, 1);
    EXPECT_EQ(Sqnr(applied), Sqnr(result.suggested));
  }
}

// No other choice of layers within the budget removes more noise per byte first: against the naive
// greedy loop.
TEST(Sensitivity, TheSuggestionIsTheGreedyOne) {
  SensitivityOptions sensitivity;
  sensitivity.budget_bits = 4.0;
  const SensitivityResult result = Analyze(Options(), sensitivity);
  double left = 0.0;
  for (const LayerSensitivity& layer : result.layers) {
    left += static_cast<double>(layer.num_weights);  // one bit more each
  }
  std::vector<bool> passed(result.layers.size(), false);
  for (size_t turn = 0; turn < result.layers.size(); ++turn) {
    size_t best = result.layers.size();
    for (size_t i = 0; i < result.layers.size(); ++i) {
      const auto worth = [&](size_t k) {
        return result.layers[k].noise / static_cast<double>(result.layers[k].num_weights);
      };
      if (!passed[i] && (best == result.layers.size() || worth(i) > worth(best))) best = i;
    }
    passed[best] = true;
    const double cost = 5.0 * static_cast<double>(result.layers[best].num_weights);
    const bool fits = cost <= left;
    if (fits) left -= cost;
    EXPECT_EQ(result.layers[best].suggested_bits, fits ? 8 : 3) << result.layers[best].name;
  }
}

TEST(Sensitivity, ATargetEndsTheSuggestion) {
  SensitivityOptions sensitivity;
  sensitivity.budget_bits = 8.0;
  const SensitivityResult all = Analyze(Options(), sensitivity);
  sensitivity.target_sqnr_db = Sqnr(all.quantized) - 1.0;
  const SensitivityResult none = Analyze(Options(), sensitivity);
  EXPECT_EQ(none.num_suggested, 0);
  EXPECT_TRUE(none.target_reached);
  EXPECT_EQ(Sqnr(none.suggested), Sqnr(none.quantized));
  sensitivity.target_sqnr_db = 200.0;
  const SensitivityResult unreachable = Analyze(Options(), sensitivity);
  EXPECT_EQ(unreachable.num_suggested, 4);
  EXPECT_FALSE(unreachable.target_reached);
  sensitivity.target_sqnr_db = Sqnr(all.quantized) + 1.0;
  const SensitivityResult some = Analyze(Options(), sensitivity);
  EXPECT_GE(some.num_suggested, 1);
  EXPECT_LT(some.num_suggested, 4);
}

TEST(Sensitivity, LayersThatShareAWeightAreOne) {
  Graph graph;
  graph.inputs = {testing::FloatInput("input", {-1, 3, 8, 8})};
  graph.nodes.push_back(testing::Op("Conv", {"input", "w"}, {"first"}));
  graph.nodes.push_back(testing::Op("Conv", {"first", "w"}, {"second"}));
  graph.nodes.push_back(testing::Op("Conv", {"second", "v"}, {"third"}));
  graph.nodes.push_back(testing::Op("GlobalAveragePool", {"third"}, {"pooled"}));
  graph.nodes.push_back(testing::Op("Flatten", {"pooled"}, {"flat"}));
  graph.initializers["w"] = RandomTensor({3, 3, 1, 1}, 1);
  graph.initializers["v"] = RandomTensor({5, 3, 1, 1}, 2);
  graph.outputs = {"flat"};
  SensitivityOptions sensitivity;
  sensitivity.budget_bits = 8.0;
  const SensitivityResult result = Analyze(Options(), sensitivity, graph);
  ASSERT_EQ(result.layers.size(), 2u);
  EXPECT_EQ(Layer(result, "first").sharing, std::vector<std::string>{"second"});
  ASSERT_EQ(result.plan.size(), 3u);
  for (const LayerPlan& layer : result.plan) EXPECT_EQ(layer.bits, 8) << layer.name;
}

TEST(Sensitivity, ThreadsDoNotMatter) {
  QuantizeOptions options = Options();
  const SensitivityResult one = Analyze(options, {});
  options.num_threads = 2;
  const SensitivityResult two = Analyze(options, {});
  EXPECT_EQ(Sqnr(one.suggested), Sqnr(two.suggested));
  for (size_t i = 0; i < one.layers.size(); ++i) {
    EXPECT_EQ(one.layers[i].noise, two.layers[i].noise);
    EXPECT_EQ(one.layers[i].suggested_bits, two.layers[i].suggested_bits);
  }
}

TEST(Sensitivity, RefusesWhatItCannotDo) {
  QuantizeOptions options = Options();
  options.act_bits = 8;
  testing::ExpectErrorWith(ErrorCode::kInvalidArgument, {"act-bits"},
                           [&] { Analyze(options, {}); });
  for (const auto& [bits, budget] : {std::pair{2, 4.0}, {9, 4.0}, {8, 1.0}, {8, 9.0}}) {
    SensitivityOptions sensitivity;
    sensitivity.keep_bits = bits;
    sensitivity.budget_bits = budget;
    EXPECT_EQ(sensitivity.Validate().size(), 1u) << bits << " " << budget;
  }
}

TEST(Sensitivity, DefaultSamplesFallWithTheNetworksCost) {
  QuantizePrediction prediction;
  prediction.layers.resize(50);
  prediction.macs_per_sample = 1'000'000;
  EXPECT_EQ(DefaultEvaluationSamples(prediction), 1'000);
  prediction.macs_per_sample = 300'000'000;
  const int64_t some = DefaultEvaluationSamples(prediction);
  EXPECT_GT(some, 32);
  EXPECT_LT(some, 150);
  prediction.macs_per_sample = 300'000'000'000;
  EXPECT_EQ(DefaultEvaluationSamples(prediction), 32);
}

}  // namespace
}  // namespace adaround
