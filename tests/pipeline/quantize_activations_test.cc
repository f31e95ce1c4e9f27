// Activations on grids through the whole job: what layers are searched on, what comes out, what
// runs.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "adaround/io/quantized_model_io.h"
#include "adaround/pipeline/evaluate.h"
#include "adaround/pipeline/quantize.h"
#include "io/test_files.h"
#include "pipeline/activation_points.h"
#include "pipeline/layer_capture.h"
#include "support/error_testing.h"
#include "support/small_networks.h"

namespace adaround {
namespace {

using testing::ExpectErrorWith;
using testing::Floats;
using testing::Given;
using testing::GivenList;
using testing::Op;
using testing::QuickQuantizeOptions;
using testing::RandomTensor;
using testing::ReadBytes;
using testing::ScratchFolder;

constexpr int64_t kSamples = 40;

QuantizeOptions ActOptions(int act_bits) {
  QuantizeOptions options = QuickQuantizeOptions();
  options.act_bits = act_bits;
  return options;
}

std::set<std::string> NamesOf(const std::map<std::string, ActivationGrid>& activations) {
  std::set<std::string> names;
  for (const auto& [name, grid] : activations) names.insert(name);
  return names;
}

// The model as a float graph in which every quantized activation passes through Clip,
// QuantizeLinear and DequantizeLinear: Clip to the grid's ends, as the operators know 8 bits only.
Graph WithOperators(const QuantizedModel& model) {
  Graph graph = model.Dequantized();
  for (const auto& [name, grid] : model.activations) {
    const auto producers = graph.Producers();
    std::string raw = name;
    std::string rounded = name + " rounded";
    if (const auto producer = producers.find(name); producer != producers.end()) {
      raw = name + " raw";
      rounded = name;
      std::vector<std::string>& outputs = graph.nodes[producer->second].outputs;
      std::replace(outputs.begin(), outputs.end(), name, raw);
    } else {
      for (Node& node : graph.nodes) {
        std::replace(node.inputs.begin(), node.inputs.end(), name, rounded);
      }
    }
    const std::string p = name + " grid ";
    graph.initializers[p + "low"] =
        Tensor::Scalar(grid.scale * static_cast<float>(-grid.zero_point));
    graph.initializers[p + "high"] =
        Tensor::Scalar(grid.scale * static_cast<float>(grid.q_max() - grid.zero_point));
    graph.initializers[p + "scale"] = Tensor::Scalar(grid.scale);
    graph.initializers[p + "zero"] = Tensor::Scalar(static_cast<uint8_t>(grid.zero_point));
    graph.nodes.push_back(Op("Clip", {raw, p + "low", p + "high"}, {name + " clipped"}));
    graph.nodes.push_back(
        Op("QuantizeLinear", {name + " clipped", p + "scale", p + "zero"}, {name + " q"}));
    graph.nodes.push_back(
        Op("DequantizeLinear", {name + " q", p + "scale", p + "zero"}, {rounded}));
  }
  graph.SortTopologically();
  return graph;
}

// What EvaluateModel runs is exactly the graph with the operators written out.
void ExpectRunsAsItsOperators(const QuantizedModel& model, const CalibrationSet& samples) {
  const Graph reference = WithOperators(model);
  const Evaluation evaluation = EvaluateModel(model, &reference, samples, nullptr, 2);
  ASSERT_TRUE(evaluation.distance.has_value());
  EXPECT_EQ(evaluation.distance->sqnr_db, std::numeric_limits<double>::infinity());
}

CalibrationSet ConvNetSamples(const Graph& graph) {
  return CalibrationSet(GivenList(Given("input", RandomTensor({kSamples, 3, 8, 8}, 77))), graph);
}

TEST(QuantizeActivations, EveryWidthRunsAsItsOperators) {
  const Graph graph = testing::SmallConvNet();
  const CalibrationSet samples = ConvNetSamples(graph);
  for (int act_bits = 2; act_bits <= 8; ++act_bits) {
    SCOPED_TRACE(act_bits);
    const QuantizeResult result = QuantizeModel(graph, samples, ActOptions(act_bits));
    EXPECT_EQ(NamesOf(result.model.activations),
              (std::set<std::string>{"input", "stem_relu", "depthwise_clip", "pointwise", "sum",
                                     "pooled"}));
    EXPECT_EQ(NamesOf(result.nearest.activations), NamesOf(result.model.activations));
    for (const auto& [name, grid] : result.model.activations) {
      const auto no_violations = std::vector<std::string>();
      EXPECT_EQ(grid.Validate(), no_violations) << name;
      EXPECT_EQ(grid.bit_width, act_bits) << name;
      EXPECT_EQ(grid.scale, result.nearest.activations.at(name).scale);
    }
    // Batch normalization gives the first two layers their biases.
    EXPECT_EQ(result.model.biases.size(), 4u);
    EXPECT_TRUE(result.float_biases.empty());
    for (const auto& [name, bias] : result.model.biases) {
      EXPECT_FALSE(result.model.graph.initializers.contains(name));
      EXPECT_EQ(result.nearest.biases.at(name).integers, bias.integers);
    }
    ExpectRunsAsItsOperators(result.model, samples);
    ExpectRunsAsItsOperators(result.nearest, samples);
  }
}

TEST(QuantizeActivations, WithoutActBitsNothingOfItAppears) {
  const Graph graph = testing::SmallConvNet();
  const QuantizeResult result = QuantizeModel(graph, ConvNetSamples(graph), QuickQuantizeOptions());
  EXPECT_TRUE(result.model.activations.empty());
  EXPECT_TRUE(result.model.biases.empty());
  EXPECT_TRUE(result.float_biases.empty());
}

TEST(QuantizeActivations, EightBitsStayNearTheFloatNetwork) {
  const Graph graph = testing::SmallConvNet();
  const CalibrationSet samples = ConvNetSamples(graph);
  for (const ActivationEstimator estimator :
       {ActivationEstimator::kMinMax, ActivationEstimator::kPercentile,
        ActivationEstimator::kMse, ActivationEstimator::kAciq}) {
    QuantizeOptions options = ActOptions(8);
    options.bits = 8;
    options.act_range_estimator = estimator;
    const QuantizeResult result = QuantizeModel(graph, samples, options);
    const Evaluation evaluation = EvaluateModel(result.model, &graph, samples, nullptr, 1);
    // Uniform noise of 1/255 of the range in four tensors in a row: some 40 dB below the signal.
    EXPECT_GT(evaluation.distance->sqnr_db, 28.0);
  }
}

// x -> first -> Relu r -> second y, Gemm with biases.
Graph TwoLayers() {
  Graph graph;
  graph.inputs = {testing::FloatInput("x", {-1, 20})};
  graph.nodes = {Op("Gemm", {"x", "w1", "b1"}, {"mid"}), Op("Relu", {"mid"}, {"r"}),
                 Op("Gemm", {"r", "w2", "b2"}, {"y"})};
  graph.outputs = {"y"};
  graph.initializers["w1"] = RandomTensor({20, 16}, 1);
  graph.initializers["w2"] = RandomTensor({16, 12}, 2);
  graph.initializers["b1"] = RandomTensor({16}, 3);
  graph.initializers["b2"] = RandomTensor({12}, 4);
  return graph;
}

using Row = std::vector<double>;

Row RowOf(const Tensor& tensor, int64_t sample) {
  const float* begin = tensor.data<float>() + sample * tensor.dim(1);
  return {begin, begin + tensor.dim(1)};
}

Row Linear(const Row& x, const Tensor& weight, const Tensor& bias) {
  Row z(bias.data<float>(), bias.data<float>() + bias.num_elements());
  for (size_t k = 0; k < x.size(); ++k) {
    for (size_t row = 0; row < z.size(); ++row) {
      z[row] += x[k] * static_cast<double>(weight.data<float>()[k * z.size() + row]);
    }
  }
  return z;
}

Row Relu(Row z) {
  for (double& value : z) value = std::max(value, 0.0);
  return z;
}

// With scales that are powers of two, ties are common: they go to the even integer.
Row OnGrid(Row x, const ActivationGrid& grid) {
  const double scale = grid.scale;
  for (double& value : x) {
    const double q = std::nearbyint(value / scale) + grid.zero_point;
    value = scale * (std::clamp(q, 0.0, std::pow(2.0, grid.bit_width) - 1) - grid.zero_point);
  }
  return x;
}

// Mean over held-out samples and rows of (wanted(sample) - found(sample))^2.
template <typename Wanted, typename Found>
double HeldOutError(const QuantizeOptions& options, Wanted wanted, Found found) {
  const SampleSplit split = SplitSamples(kSamples, options.held_out_fraction);
  double sum = 0.0;
  int64_t count = 0;
  for (int64_t sample = 0; sample < kSamples; ++sample) {
    if (!split.held_out[static_cast<size_t>(sample)]) continue;
    const Row w = wanted(sample);
    const Row f = found(sample);
    for (size_t i = 0; i < w.size(); ++i) sum += (w[i] - f[i]) * (w[i] - f[i]);
    count += static_cast<int64_t>(w.size());
  }
  return sum / static_cast<double>(count);
}

TEST(QuantizeActivations, LayersAreSearchedOnInputsThatLieOnTheirGrids) {
  const Graph graph = TwoLayers();
  const Tensor x = RandomTensor({kSamples, 20}, 5);
  const auto& initial = graph.initializers;
  for (const int act_bits : {2, 3, 8}) {
    for (const bool power_of_two_scales : {false, true}) {
      QuantizeOptions options = ActOptions(act_bits);
      options.power_of_two_scales = power_of_two_scales;
      const QuantizeResult result =
          QuantizeModel(graph, CalibrationSet(GivenList(Given("x", x)), graph), options);
      ASSERT_EQ(result.layers.size(), 2u);
      const ActivationGrid& x_grid = result.model.activations.at("x");
      const ActivationGrid& r_grid = result.model.activations.at("r");
      const Tensor q1 = result.model.weights.at("w1").Dequantize();
      const Tensor q2 = result.model.weights.at("w2").Dequantize();
      // A layer is searched with its bias as given; what follows sees the bias as it is stored.
      const Tensor stored_b1 = result.model.biases.at("b1").Dequantize();
      const auto target = [&](int64_t s) {
        return Relu(Linear(RowOf(x, s), initial.at("w1"), initial.at("b1")));
      };
      const double first = HeldOutError(options, target, [&](int64_t s) {
        return Relu(Linear(OnGrid(RowOf(x, s), x_grid), q1, initial.at("b1")));
      });
      EXPECT_NEAR(result.layers[0].error, first, 1e-4 * first);
      const double second = HeldOutError(
          options, [&](int64_t s) { return Linear(target(s), initial.at("w2"), initial.at("b2")); },
          [&](int64_t s) {
            const Row r_hat =
                OnGrid(Relu(Linear(OnGrid(RowOf(x, s), x_grid), q1, stored_b1)), r_grid);
            return Linear(r_hat, q2, initial.at("b2"));
          });
      EXPECT_NEAR(result.layers[1].error, second, 1e-4 * second);
    }
  }
}

TEST(QuantizeActivations, TensorsGivenInTheMiddleAreQuantizedToo) {
  const Graph graph = TwoLayers();
  const Tensor x = RandomTensor({kSamples, 20}, 5);
  const Tensor mid = RandomTensor({kSamples, 16}, 6);
  const Tensor r = RandomTensor({kSamples, 16}, 7, 0.0F, 2.0F);
  const Tensor r_hat = RandomTensor({kSamples, 16}, 8, 0.0F, 2.0F);
  const auto& initial = graph.initializers;
  const QuantizeOptions options = ActOptions(2);
  {
    const QuantizeResult result = QuantizeModel(
        graph, CalibrationSet(GivenList(Given("x", x), Given("mid", mid)), graph), options);
    EXPECT_EQ(NamesOf(result.model.activations), (std::set<std::string>{"x", "r"}));
    const ActivationGrid& grid = result.model.activations.at("r");
    const Tensor q2 = result.model.weights.at("w2").Dequantize();
    const double second = HeldOutError(
        options,
        [&](int64_t s) { return Linear(Relu(RowOf(mid, s)), initial.at("w2"), initial.at("b2")); },
        [&](int64_t s) { return Linear(OnGrid(Relu(RowOf(mid, s)), grid), q2, initial.at("b2")); });
    EXPECT_NEAR(result.layers[1].error, second, 1e-4 * second);
  }
  const QuantizeResult result = QuantizeModel(
      graph, CalibrationSet(GivenList(Given("x", x), Given("r", r, r_hat)), graph), options);
  const ActivationGrid& grid = result.model.activations.at("r");
  // The float stream decides the range.
  EXPECT_FLOAT_EQ(grid.scale,
                  *std::max_element(r.data<float>(), r.data<float>() + kSamples * 16) / 3);
  const Tensor q2 = result.model.weights.at("w2").Dequantize();
  const double second = HeldOutError(
      options, [&](int64_t s) { return Linear(RowOf(r, s), initial.at("w2"), initial.at("b2")); },
      [&](int64_t s) { return Linear(OnGrid(RowOf(r_hat, s), grid), q2, initial.at("b2")); });
  EXPECT_NEAR(result.layers[1].error, second, 1e-4 * second);
}

TEST(QuantizeActivations, WhatNoSampleReachesStaysInFloat) {
  Graph graph = TwoLayers();
  graph.inputs.push_back(testing::FloatInput("other", {-1, 12}));
  graph.nodes.push_back(Op("Add", {"y", "other"}, {"sum"}));
  graph.outputs = {"sum"};
  const CalibrationSet samples(GivenList(Given("x", RandomTensor({kSamples, 20}, 5))), graph);
  const QuantizeResult result = QuantizeModel(graph, samples, ActOptions(8));
  EXPECT_EQ(NamesOf(result.model.activations), (std::set<std::string>{"x", "r", "y"}));
}

TEST(QuantizeActivations, SeveralInputsEachHaveTheirGrid) {
  Graph graph;
  graph.inputs = {testing::FloatInput("a", {-1, 6}), testing::FloatInput("b", {-1, 6})};
  graph.nodes = {Op("Gemm", {"a", "w1", "b1"}, {"first"}), Op("Relu", {"first"}, {"relu"}),
                 Op("Concat", {"relu", "b"}, {"joined"}, {{"axis", int64_t{1}}}),
                 Op("Gemm", {"joined", "w2", "b2"}, {"second"}), Op("Add", {"second", "b"}, {"y"})};
  graph.outputs = {"y", "joined"};
  graph.initializers["w1"] = RandomTensor({6, 5}, 1);
  graph.initializers["b1"] = RandomTensor({5}, 2);
  graph.initializers["w2"] = RandomTensor({11, 6}, 3);
  graph.initializers["b2"] = RandomTensor({6}, 4);
  const CalibrationSet samples(GivenList(Given("a", RandomTensor({kSamples, 6}, 5, -1.0F, 1.0F)),
                                         Given("b", RandomTensor({kSamples, 6}, 6, 0.0F, 9.0F))),
                               graph);
  const QuantizeResult result = QuantizeModel(graph, samples, ActOptions(4));
  EXPECT_EQ(NamesOf(result.model.activations),
            (std::set<std::string>{"a", "b", "relu", "joined", "second"}));
  EXPECT_GT(result.model.activations.at("a").zero_point, 0);
  EXPECT_EQ(result.model.activations.at("b").zero_point, 0);
  ExpectRunsAsItsOperators(result.model, samples);
}

TEST(QuantizeActivations, AnActivationThatIsAlwaysZeroPasses) {
  Graph graph = TwoLayers();
  graph.initializers["b1"] = Floats({16}, std::vector<float>(16, -100.0F));
  const CalibrationSet samples(GivenList(Given("x", RandomTensor({kSamples, 20}, 5))), graph);
  for (const ActivationEstimator estimator :
       {ActivationEstimator::kMinMax, ActivationEstimator::kPercentile,
        ActivationEstimator::kMse, ActivationEstimator::kAciq}) {
    QuantizeOptions options = ActOptions(4);
    options.act_range_estimator = estimator;
    const QuantizeResult result = QuantizeModel(graph, samples, options);
    EXPECT_EQ(result.model.activations.at("r").scale, 1.0F);
    ExpectRunsAsItsOperators(result.model, samples);
  }
}

// The bytes that the model is written as.
std::string Written(const QuantizedModel& model) {
  const ScratchFolder folder;
  WriteQuantizedModel(folder.path(), model);
  return ReadBytes(folder / "model.json") + ReadBytes(folder / "weights.safetensors");
}

TEST(QuantizeActivations, ThreadsMemoryAndDiskDoNotChangeTheBytes) {
  const auto check = [](const Graph& graph, const CalibrationSet& samples) {
    for (const ActivationEstimator estimator :
         {ActivationEstimator::kMinMax, ActivationEstimator::kMse, ActivationEstimator::kAciq}) {
      QuantizeOptions options = ActOptions(3);
      options.act_range_estimator = estimator;
      const std::string wanted = Written(QuantizeModel(graph, samples, options).model);
      options.num_threads = 2;
      EXPECT_EQ(Written(QuantizeModel(graph, samples, options).model), wanted);
      const ScratchFolder folder;
      options.memory_limit = 1;
      options.spill_directory = folder.path();
      EXPECT_EQ(Written(QuantizeModel(graph, samples, options).model), wanted);
    }
  };
  const Graph small = testing::SmallConvNet();
  check(small, ConvNetSamples(small));
  // Several segments: what crosses a cut is on its grid already.
  const Graph deep = testing::DeepConvNet(20);
  check(deep, CalibrationSet(GivenList(Given("input", RandomTensor({12, 6, 5, 5}, 9))), deep));
}

TEST(QuantizeActivations, AWrittenModelRunsAsTheOneInMemory) {
  const Graph graph = testing::SmallConvNet();
  const CalibrationSet samples = ConvNetSamples(graph);
  const QuantizeResult result = QuantizeModel(graph, samples, ActOptions(5));
  const ScratchFolder folder;
  WriteQuantizedModel(folder.path(), result.model);
  ExpectRunsAsItsOperators(ReadQuantizedModel(folder.path()), samples);
  EXPECT_EQ(Written(ReadQuantizedModel(folder.path())), Written(result.model));
}

TEST(QuantizeActivations, PowerOfTwoScalesAndNarrowRangeHoldThroughout) {
  const Graph graph = testing::SmallConvNet();
  QuantizeOptions options = ActOptions(4);
  options.bits = 3;
  options.power_of_two_scales = true;
  options.narrow_range = true;
  options.act_range_estimator = ActivationEstimator::kMse;
  const QuantizeResult result = QuantizeModel(graph, ConvNetSamples(graph), options);
  const auto expect_power_of_two = [](float scale) {
    int exponent = 0;
    EXPECT_EQ(std::frexp(scale, &exponent), 0.5F) << scale;
  };
  for (const QuantizedModel* model : {&result.model, &result.nearest}) {
    for (const auto& [name, grid] : model->activations) expect_power_of_two(grid.scale);
    for (const auto& [name, bias] : model->biases) {
      for (const float scale : bias.scale) expect_power_of_two(scale);
    }
    for (const auto& [name, tensor] : model->weights) {
      for (const float scale : tensor.grid.scale) expect_power_of_two(scale);
      for (const int16_t integer : tensor.integers) ASSERT_GE(integer, -3) << name;
    }
  }
}

TEST(QuantizeActivations, BiasesThatStayInFloatAreListedWithTheirReason) {
  const Graph graph = TwoLayers();
  const CalibrationSet samples(GivenList(Given("x", RandomTensor({kSamples, 20}, 5))), graph);
  QuantizeOptions options = ActOptions(8);
  options.granularity = Granularity::kPerGroup;
  options.group_size = 8;
  const QuantizeResult result = QuantizeModel(graph, samples, options);
  EXPECT_TRUE(result.model.biases.empty());
  EXPECT_TRUE(result.model.graph.initializers.contains("b1"));
  ASSERT_EQ(result.float_biases.size(), 2u);
  EXPECT_EQ(result.float_biases[0].name, "mid");
  EXPECT_NE(result.float_biases[0].reason.find("per group"), std::string::npos);
  ExpectRunsAsItsOperators(result.model, samples);
}

TEST(QuantizeActivations, OptionsOutsideTheirRangesAreRefused) {
  const Graph graph = TwoLayers();
  const CalibrationSet samples(GivenList(Given("x", RandomTensor({kSamples, 20}, 5))), graph);
  for (const int act_bits : {-1, 0, 1, 9, 32}) {
    ExpectErrorWith(ErrorCode::kInvalidArgument, {"act-bits"},
                    [&] { QuantizeModel(graph, samples, ActOptions(act_bits)); });
  }
  for (const double percentile : {49.9, 100.1, std::numeric_limits<double>::quiet_NaN()}) {
    QuantizeOptions options = ActOptions(8);
    options.act_percentile = percentile;
    ExpectErrorWith(ErrorCode::kInvalidArgument, {"act-percentile"},
                    [&] { QuantizeModel(graph, samples, options); });
  }
  QuantizeOptions options = ActOptions(8);
  options.symmetric = false;
  options.narrow_range = true;
  ExpectErrorWith(ErrorCode::kInvalidArgument, {"narrow-range", "symmetric"},
                  [&] { QuantizeModel(graph, samples, options); });
}

TEST(QuantizeActivations, ModelsThatDoNotFitTheirGraphAreRefusedWhenTheyRun) {
  const Graph graph = TwoLayers();
  const CalibrationSet samples(GivenList(Given("x", RandomTensor({kSamples, 20}, 5))), graph);
  const QuantizedModel sound = QuantizeModel(graph, samples, ActOptions(8)).model;
  const auto refused = [&](const QuantizedModel& model, const CalibrationSet& data) {
    try {
      EvaluateModel(model, nullptr, data, nullptr, 1);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("(not refused)");
  };
  QuantizedModel model = sound;
  model.biases.at("b1") = QuantizedBias{std::vector<int32_t>(15, 3), {0.1F}};
  EXPECT_NE(refused(model, samples).find("mid"), std::string::npos);
  // A grid on a tensor of integers.
  model = sound;
  model.graph.nodes.push_back(Op("Shape", {"x"}, {"extents"}));
  model.graph.nodes.push_back(Op("Cast", {"extents"}, {"extents_float"}, {{"to", int64_t{1}}}));
  model.graph.nodes.push_back(
      Op("ReduceSum", {"extents_float"}, {"total"}, {{"keepdims", int64_t{1}}}));
  model.graph.nodes.push_back(Op("Add", {"y", "total"}, {"shifted"}));
  model.graph.outputs = {"shifted"};
  model.activations["extents"] = ActivationGrid{8, 1.0F, 0};
  EXPECT_NE(refused(model, samples).find("extents"), std::string::npos);
}

}  // namespace
}  // namespace adaround
