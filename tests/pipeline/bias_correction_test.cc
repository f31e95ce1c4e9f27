#include "pipeline/bias_correction.h"

#include <gtest/gtest.h>

#include <cmath>

#include "adaround/base/error.h"
#include "adaround/pipeline/quantize.h"
#include "pipeline/measure_moments.h"
#include "support/small_networks.h"

namespace adaround {
namespace {

using testing::FloatInput;
using testing::Given;
using testing::GivenList;
using testing::IntList;
using testing::Op;
using testing::QuickQuantizeOptions;
using testing::RandomTensor;
using testing::RelativeDifference;
using testing::RunGraph;
using testing::SmallConvNet;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// E[f(z)] by the midpoint rule over 10 standard deviations.
double Integrated(const Activation& f, double mean, double std) {
  constexpr int kSteps = 40'000;
  constexpr double kReach = 10.0;
  double sum = 0.0;
  double mass = 0.0;
  for (int i = 0; i < kSteps; ++i) {
    const double t = -kReach + 2 * kReach * (i + 0.5) / kSteps;
    const double density = std::exp(-0.5 * t * t);
    const auto z = static_cast<float>(mean + std * t);
    float value = 0.0F;
    f.Apply(&z, &value, 1);
    sum += density * value;
    mass += density;
  }
  return sum / mass;
}

TEST(NormalExpectation, MatchesNumericalIntegration) {
  for (const Activation& f : {MakeRelu(), MakeClip(0, 6), MakeClip(-1, 2), MakeClip(-kInfinity, 1),
                              MakeLeakyRelu(0.1F), MakeLeakyRelu(-0.5F), Activation{}}) {
    for (const double mean : {-7.0, -1.0, 0.0, 0.4, 3.0, 9.0}) {
      for (const double std : {0.01, 0.5, 2.0, 8.0}) {
        // Apply() works in float32.
        EXPECT_NEAR(*NormalExpectation(f, mean, std), Integrated(f, mean, std),
                    2e-6 * (1 + std::abs(mean) + std))
            << f.Name() << " " << mean << " " << std;
      }
    }
  }
}

TEST(NormalExpectation, WithoutDeviationItIsTheFunction) {
  EXPECT_EQ(*NormalExpectation(MakeClip(0, 6), 7.0, 0.0), 6.0);
  EXPECT_EQ(*NormalExpectation(MakeRelu(), -3.0, 0.0), 0.0);
  EXPECT_NEAR(*NormalExpectation(MakeLeakyRelu(0.1F), -3.0, 0.0), -0.3, 1e-7);
}

TEST(NormalExpectation, OtherFunctionsHaveNone) {
  Activation f;
  f.kind = Activation::Kind::kTanh;
  EXPECT_FALSE(NormalExpectation(f, 0.0, 1.0));
  f = MakeLeakyRelu(0.1F);
  f.upper = 6.0F;
  EXPECT_FALSE(NormalExpectation(f, 0.0, 1.0));
}

TEST(EmpiricalCorrection, MakesTheMeanErrorZero) {
  SampledColumns samples;
  samples.num_groups = 2;
  samples.num_rows = 4;
  samples.row_length = 3;
  samples.num_samples = 17;
  samples.x_hat = testing::RandomFloats(2 * 17 * 3, 1);
  samples.target = testing::RandomFloats(4 * 17, 2);
  const std::vector<float> weights = testing::RandomFloats(4 * 3, 3);
  const std::vector<float> bias = testing::RandomFloats(4, 4);
  const std::vector<double> correction = EmpiricalCorrection(samples, weights, bias);
  ASSERT_EQ(correction.size(), 4U);
  for (int64_t row = 0; row < 4; ++row) {
    double error = 0.0;
    for (int64_t n = 0; n < 17; ++n) {
      double output = bias[row] + correction[row];
      for (int64_t k = 0; k < 3; ++k) {
        output += weights[row * 3 + k] * samples.x_hat[(row / 2 * 17 + n) * 3 + k];
      }
      error += samples.target[row * 17 + n] - output;
    }
    EXPECT_NEAR(error / 17, 0.0, 1e-6);
  }
}

CalibrationSet Samples(const Graph& graph) {
  return CalibrationSet(GivenList(Given("input", RandomTensor({24, 3, 8, 8}, 50))), graph);
}

TEST(MeasureMoments, MatchANaiveComputationOverSearchSamples) {
  Graph graph = SmallConvNet();
  const LinearLayers layers = FindLinearLayers(graph);
  const CalibrationSet samples = Samples(graph);
  ChannelMomentsMap one;
  ChannelMomentsMap two;
  MomentPasses passes;
  const SampleSplit split = SplitSamples(samples.num_samples(), 0.3);
  MeasureMoments(graph, layers.layers, samples, split, 1, nullptr, one, passes);
  const int64_t num_macs = passes.num_macs;
  EXPECT_GT(num_macs, 0);
  MeasureMoments(graph, layers.layers, samples, split, 2, nullptr, two, passes);
  EXPECT_EQ(passes.num_macs, 2 * num_macs);
  // What is known is not measured again.
  MeasureMoments(graph, layers.layers, samples, split, 2, nullptr, two, passes);
  EXPECT_EQ(passes.num_macs, 2 * num_macs);
  ASSERT_EQ(one.size(), layers.layers.size());
  for (const LinearLayer& layer : layers.layers) {
    EXPECT_EQ(one.at(layer.output).mean, two.at(layer.output).mean);
    EXPECT_EQ(one.at(layer.output).std, two.at(layer.output).std);
    std::vector<std::vector<double>> values(static_cast<size_t>(layer.num_rows));
    for (int64_t sample = 0; sample < samples.num_samples(); ++sample) {
      if (split.held_out[static_cast<size_t>(sample)]) continue;
      const Tensor z = RunGraph(graph, {{"input", samples.FloatSample("input", sample)}},
                                {layer.output})
                           .at(layer.output);
      const int64_t positions = z.num_elements() / layer.num_rows;
      for (int64_t i = 0; i < z.num_elements(); ++i) {
        values[static_cast<size_t>(i / positions)].push_back(z.data<float>()[i]);
      }
    }
    for (size_t c = 0; c < values.size(); ++c) {
      double mean = 0.0;
      for (const double v : values[c]) mean += v / static_cast<double>(values[c].size());
      double variance = 0.0;
      for (const double v : values[c]) {
        variance += (v - mean) * (v - mean) / static_cast<double>(values[c].size());
      }
      EXPECT_NEAR(one.at(layer.output).mean[c], mean, 1e-6);
      EXPECT_NEAR(one.at(layer.output).std[c], std::sqrt(variance), 1e-5);
    }
  }
}

// Conv, Clip(0, 1), Conv, then Conv behind a MaxPool.
Graph ClippedChain() {
  Graph graph;
  graph.inputs = {FloatInput("input", {-1, 3, 8, 8})};
  graph.outputs = {"c"};
  graph.nodes = {Op("Conv", {"input", "a.w", "a.b"}, {"a"}),
                 Op("Clip", {"a", "zero", "one"}, {"f"}),
                 Op("Conv", {"f", "b.w"}, {"b"}),
                 Op("MaxPool", {"b"}, {"p"}, {{"kernel_shape", IntList({2, 2})}}),
                 Op("Conv", {"p", "c.w"}, {"c"})};
  graph.initializers = {{"zero", Tensor::Scalar(0.0F)},
                        {"one", Tensor::Scalar(1.0F)},
                        {"a.w", RandomTensor({6, 3, 1, 1}, 1)},
                        {"a.b", RandomTensor({6}, 2)},
                        {"b.w", RandomTensor({5, 6, 3, 3}, 3)},
                        {"c.w", RandomTensor({4, 5, 1, 1}, 4)}};
  return graph;
}

TEST(AnalyticCorrection, IsTheWeightErrorTimesTheExpectedInput) {
  const Graph graph = ClippedChain();
  const LinearLayers layers = FindLinearLayers(graph);
  ChannelMomentsMap moments;
  moments["a"] = {{-1.0, 0.0, 0.5, 1.0, 2.0, 0.3}, {0.5, 1.0, 0.0, 2.0, 0.1, 0.3}};
  moments["b"] = {{0, 0, 0, 0, 0}, {1, 1, 1, 1, 1}};
  const std::vector<ExpectedInput> inputs = ExpectedInputs(graph, layers.layers, moments, {});
  ASSERT_EQ(inputs.size(), 3U);
  // The graph's own input, and what passes through a MaxPool, are not known.
  EXPECT_TRUE(inputs[0].mean.empty());
  EXPECT_FALSE(inputs[0].unknown_because.empty());
  EXPECT_TRUE(inputs[2].mean.empty());
  EXPECT_NE(inputs[2].unknown_because.find("MaxPool"), std::string::npos);
  ASSERT_EQ(inputs[1].mean.size(), 6U);
  for (size_t c = 0; c < 6; ++c) {
    EXPECT_NEAR(inputs[1].mean[c],
                Integrated(MakeClip(0, 1), moments["a"].mean[c], moments["a"].std[c]), 1e-5);
  }
  const Tensor& weight = graph.initializers.at("b.w");
  const Tensor rounded = RandomTensor({5, 6, 3, 3}, 9);
  const std::vector<double> correction =
      AnalyticCorrection(layers.layers[1], weight, rounded, inputs[1]);
  for (int64_t row = 0; row < 5; ++row) {
    double wanted = 0.0;
    for (int64_t k = 0; k < 54; ++k) {
      wanted -= (rounded.data<float>()[row * 54 + k] - weight.data<float>()[row * 54 + k]) *
                inputs[1].mean[static_cast<size_t>(k / 9)];
    }
    EXPECT_NEAR(correction[static_cast<size_t>(row)], wanted, 1e-5);
  }
}

// Conv and Relu before what reads them.
Graph ReadByTransposed(const Shape& weight, const std::vector<int64_t>& strides) {
  Graph graph;
  graph.inputs = {FloatInput("input", {-1, 3, 8, 8})};
  graph.outputs = {"t"};
  graph.nodes = {Op("Conv", {"input", "a.w", "a.b"}, {"a"}), Op("Relu", {"a"}, {"f"}),
                 Op("ConvTranspose", {"f", "t.w", "t.b"}, {"t"}, {{"strides", IntList(strides)}})};
  graph.initializers = {{"a.w", RandomTensor({6, 3, 1, 1}, 1)},
                        {"a.b", RandomTensor({6}, 2)},
                        {"t.w", RandomTensor(weight, 3)},
                        {"t.b", RandomTensor({weight[1]}, 4)}};
  return graph;
}

// Of each channel, over all samples and positions.
std::vector<double> ChannelMeans(const Graph& graph, const CalibrationSet& samples,
                                 const std::string& tensor) {
  std::vector<double> means;
  for (int64_t sample = 0; sample < samples.num_samples(); ++sample) {
    const Tensor y =
        RunGraph(graph, {{"input", samples.FloatSample("input", sample)}}, {tensor}).at(tensor);
    const int64_t positions = y.num_elements() / y.dim(1);
    means.resize(static_cast<size_t>(y.dim(1)));
    for (int64_t i = 0; i < y.num_elements(); ++i) {
      means[static_cast<size_t>(i / positions)] +=
          y.data<float>()[i] / static_cast<double>(positions * samples.num_samples());
    }
  }
  return means;
}

// Kernels that strides divide and that do not overlap: every output meets one tap, none a border.
TEST(AnalyticCorrection, IsTheMeanShiftOfTransposedConvolutions) {
  Graph graph = ReadByTransposed({6, 4, 2, 3}, {2, 3});
  const CalibrationSet samples = Samples(graph);
  const std::vector<LinearLayer> layers = FindLinearLayers(graph).layers;
  ExpectedInput input;
  {
    ChannelMomentsMap moments;
    MomentPasses passes;
    MeasureMoments(graph, layers, samples, SplitSamples(24, 0.0), 1, nullptr, moments, passes);
    input = ExpectedInputs(graph, layers, moments, {})[1];
  }
  ASSERT_EQ(input.mean.size(), 6U);
  // What the inputs really are on average, so that nothing but the weights' part is judged.
  input.mean = ChannelMeans(graph, samples, "f");
  const Tensor weight = graph.initializers.at("t.w");
  const std::vector<double> before = ChannelMeans(graph, samples, "t");
  graph.initializers["t.w"] = RandomTensor(weight.shape(), 9);
  const std::vector<double> after = ChannelMeans(graph, samples, "t");
  const std::vector<double> correction =
      AnalyticCorrection(layers[1], weight, graph.initializers.at("t.w"), input);
  for (size_t c = 0; c < 4; ++c) EXPECT_NEAR(correction[c], before[c] - after[c], 1e-5);
}

TEST(AnalyticCorrection, LeavesTransposedConvolutionsOfUnequalParts) {
  const Graph graph = ReadByTransposed({6, 4, 3, 3}, {2, 2});
  const std::vector<LinearLayer> layers = FindLinearLayers(graph).layers;
  ChannelMomentsMap moments;
  MomentPasses passes;
  MeasureMoments(graph, layers, Samples(graph), SplitSamples(24, 0.0), 1, nullptr, moments, passes);
  const ExpectedInput input = ExpectedInputs(graph, layers, moments, {})[1];
  EXPECT_TRUE(input.mean.empty());
  EXPECT_NE(input.unknown_because.find("strides"), std::string::npos);
}

// |mean over samples and positions of (output - float output)|, the largest of all channels.
double MeanError(const Graph& graph, const QuantizedModel& model, const CalibrationSet& samples,
                 const std::string& tensor, const std::string& float_tensor) {
  const Graph quantized = model.Dequantized();
  std::vector<double> errors;
  for (int64_t sample = 0; sample < samples.num_samples(); ++sample) {
    const TensorMap given = {{"input", samples.FloatSample("input", sample)}};
    const Tensor y = RunGraph(quantized, given, {tensor}).at(tensor);
    const Tensor wanted = RunGraph(graph, given, {float_tensor}).at(float_tensor);
    const int64_t channels = y.dim(1);
    const int64_t positions = y.num_elements() / channels;
    errors.resize(static_cast<size_t>(channels));
    for (int64_t i = 0; i < y.num_elements(); ++i) {
      errors[static_cast<size_t>(i / positions)] +=
          (static_cast<double>(y.data<float>()[i]) - wanted.data<float>()[i]) /
          static_cast<double>(positions * samples.num_samples());
    }
  }
  double largest = 0.0;
  for (const double error : errors) largest = std::max(largest, std::abs(error));
  return largest;
}

QuantizeOptions CorrectionOptions(BiasCorrection correction) {
  QuantizeOptions options = QuickQuantizeOptions();
  options.method = "nearest";
  options.bits = 3;
  options.bias_correction = correction;
  // Every position of every sample, none held out but the one that must be.
  options.search_columns = 1 << 20;
  options.held_out_fraction = 0.0;
  return options;
}

// Of maps, and of maps laid flat, whose channels lie side by side.
TEST(AnalyticCorrection, LooksThroughSplitChannels) {
  for (const bool flat : {false, true}) {
    Graph graph = ReadByTransposed({6, 4, 1, 1}, {1, 1});
    if (flat) {
      graph.nodes[2] = Op("Gemm", {"g", "t.w", "t.b"}, {"t"});
      graph.nodes.insert(graph.nodes.begin() + 2, Op("Flatten", {"f"}, {"g"}));
      graph.initializers["t.w"] = RandomTensor({6 * 64, 4}, 3);
    }
    const CalibrationSet samples = Samples(graph);
    QuantizeOptions options = CorrectionOptions(BiasCorrection::kAnalytic);
    options.include = {"^t$"};
    options.transform.split_outliers = 0.3;
    const QuantizeResult corrected = QuantizeModel(graph, samples, options);
    ASSERT_EQ(corrected.layers.size(), 1U);
    EXPECT_EQ(corrected.layers[0].bias_correction, "analytic");
    options.bias_correction = BiasCorrection::kNone;
    const QuantizeResult plain = QuantizeModel(graph, samples, options);
    EXPECT_LT(MeanError(graph, corrected.model, samples, "t", "t"),
              0.3 * MeanError(graph, plain.model, samples, "t", "t"))
        << flat;
  }
}

// Both models are corrected, each by its own integers.
TEST(BiasCorrection, NearestIsCorrectedByItsOwnIntegers) {
  const Graph graph = ClippedChain();
  const CalibrationSet samples = Samples(graph);
  QuantizeOptions options = CorrectionOptions(BiasCorrection::kNone);
  options.method = "floor";
  options.fall_back_to_nearest = false;
  options.include = {"^a$"};
  const QuantizeResult plain = QuantizeModel(graph, samples, options);
  options.bias_correction = BiasCorrection::kEmpirical;
  const QuantizeResult corrected = QuantizeModel(graph, samples, options);
  ASSERT_NE(corrected.model.weights.at("a.w").integers,
            corrected.nearest.weights.at("a.w").integers);
  EXPECT_LT(MeanError(graph, corrected.model, samples, "a", "a"),
            0.25 * MeanError(graph, plain.model, samples, "a", "a"));
  // Nearest's error is small from the start, and one sample of 24 is held out.
  EXPECT_LT(MeanError(graph, corrected.nearest, samples, "a", "a"),
            0.5 * MeanError(graph, plain.nearest, samples, "a", "a"));
  EXPECT_GT(RelativeDifference(corrected.model.graph.initializers.at("a.b"),
                               corrected.nearest.graph.initializers.at("a.b")),
            1e-3);
}

TEST(BiasCorrection, EmpiricalMakesMeansOfAllLayersRight) {
  const Graph graph = SmallConvNet();
  const CalibrationSet samples = Samples(graph);
  const QuantizeResult plain =
      QuantizeModel(graph, samples, CorrectionOptions(BiasCorrection::kNone));
  const QuantizeResult corrected =
      QuantizeModel(graph, samples, CorrectionOptions(BiasCorrection::kEmpirical));
  for (const LayerReport& layer : corrected.layers) {
    EXPECT_EQ(layer.bias_correction, "empirical");
    EXPECT_EQ(layer.bias_uncorrected_because, "");
  }
  // Folded layers keep the names of the BatchNormalization's outputs. One sample of 24 is held out.
  for (const char* tensor : {"stem_bn", "depthwise_bn", "pointwise", "logits"}) {
    const double before = MeanError(graph, plain.model, samples, tensor, tensor);
    const double after = MeanError(graph, corrected.model, samples, tensor, tensor);
    EXPECT_LT(after, 0.25 * before) << tensor;
    // The method is nearest, too: the same model twice.
    EXPECT_EQ(MeanError(graph, corrected.nearest, samples, tensor, tensor), after) << tensor;
  }
}

TEST(BiasCorrection, AnalyticSaysWhichLayersItLeaves) {
  const Graph graph = SmallConvNet();
  const CalibrationSet samples = Samples(graph);
  const QuantizeResult result =
      QuantizeModel(graph, samples, CorrectionOptions(BiasCorrection::kAnalytic));
  std::map<std::string, const LayerReport*> layers;
  for (const LayerReport& layer : result.layers) layers[layer.name] = &layer;
  EXPECT_EQ(layers.at("depthwise")->bias_correction, "analytic");
  EXPECT_EQ(layers.at("pointwise")->bias_correction, "analytic");
  EXPECT_EQ(layers.at("stem")->bias_correction, "");
  EXPECT_NE(layers.at("stem")->bias_uncorrected_because, "");
  // Behind a sum.
  EXPECT_EQ(layers.at("logits")->bias_correction, "");
  EXPECT_NE(layers.at("logits")->bias_uncorrected_because, "");
}

TEST(BiasCorrection, LayersWithoutBiasGainOneAndFloatLayersDoNot) {
  const Graph graph = ClippedChain();
  const CalibrationSet samples = Samples(graph);
  QuantizeOptions options = CorrectionOptions(BiasCorrection::kEmpirical);
  options.exclude = {"c"};
  const QuantizeResult result = QuantizeModel(graph, samples, options);
  for (const Node& node : result.model.graph.nodes) {
    if (node.name == "b") {
      EXPECT_EQ(node.inputs.size(), 3U);
    }
    if (node.name == "c") {
      EXPECT_EQ(node.inputs.size(), 2U);
    }
  }
  EXPECT_LT(MeanError(graph, result.model, samples, "b", "b"), 0.02);
}

TEST(BiasCorrection, CorrectedBiasesAreWhatIsQuantized) {
  const Graph graph = ClippedChain();
  const CalibrationSet samples = Samples(graph);
  QuantizeOptions options = CorrectionOptions(BiasCorrection::kEmpirical);
  options.act_bits = 8;
  const QuantizeResult result = QuantizeModel(graph, samples, options);
  ASSERT_EQ(result.model.biases.size(), 3U);
  ASSERT_EQ(result.nearest.biases.size(), 3U);
  options.bias_correction = BiasCorrection::kNone;
  const QuantizeResult plain = QuantizeModel(graph, samples, options);
  for (const auto& [name, bias] : result.model.biases) {
    EXPECT_FALSE(result.model.graph.initializers.contains(name));
    // Both models are nearest's.
    EXPECT_EQ(bias.integers, result.nearest.biases.at(name).integers);
  }
  ASSERT_EQ(plain.model.biases.size(), 1U);
  EXPECT_NE(plain.model.biases.at("a.b").integers, result.model.biases.at("a.b").integers);
}

TEST(BiasCorrection, NamesRoundTrip) {
  for (const std::string& name : BiasCorrectionNames()) {
    EXPECT_EQ(BiasCorrectionName(ParseBiasCorrection(name)), name);
  }
  EXPECT_THROW(ParseBiasCorrection("other"), Error);
}

}  // namespace
}  // namespace adaround
