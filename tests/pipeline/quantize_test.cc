#include "adaround/pipeline/quantize.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <thread>

#include "io/test_files.h"
#include "support/error_testing.h"
#include "support/small_networks.h"

namespace adaround {
namespace {

using testing::ExpectErrorWith;
using testing::Given;
using testing::GivenList;
using testing::IntegersOf;
using testing::QuickQuantizeOptions;
using testing::RandomTensor;
using testing::SmallConvNet;

constexpr int64_t kSamples = 24;

CalibrationSet ExampleSamples(const Graph& graph) {
  return CalibrationSet(GivenList(Given("input", RandomTensor({kSamples, 3, 8, 8}, 50))), graph);
}

QuantizeResult Quantize(const QuantizeOptions& options, QuantizeObserver* observer = nullptr) {
  const Graph graph = SmallConvNet();
  return QuantizeModel(graph, ExampleSamples(graph), options, observer);
}

TEST(QuantizeModel, QuantizesEveryLayerOfAConvNet) {
  const QuantizeResult result = Quantize(QuickQuantizeOptions());
  EXPECT_EQ(result.num_folded_batch_norms, 2);
  EXPECT_EQ(result.num_samples, kSamples);
  EXPECT_TRUE(result.left.empty());
  ASSERT_EQ(result.layers.size(), 4u);
  ASSERT_EQ(result.model.weights.size(), 4u);
  const char* activations[] = {"Relu", "Clip(0, 6)", "identity", "identity"};
  for (size_t i = 0; i < 4; ++i) {
    const LayerReport& layer = result.layers[i];
    EXPECT_EQ(layer.activation, activations[i]);
    EXPECT_LE(layer.error, layer.nearest_error) << layer.name;
    EXPECT_EQ(layer.error, layer.fell_back ? layer.nearest_error : layer.search_error);
    EXPECT_GT(layer.nearest_error, 0.0);
    const auto no_violations = std::vector<std::string>();
    EXPECT_EQ(result.model.weights.at(layer.weight).Validate(), no_violations);
    EXPECT_EQ(result.nearest.weights.at(layer.weight).Validate(), no_violations);
    EXPECT_FALSE(result.model.graph.initializers.contains(layer.weight));
  }
  const auto no_violations = std::vector<std::string>();
  EXPECT_EQ(result.model.Dequantized().Validate(), no_violations);
}

TEST(QuantizeModel, WeightsStayWithinOneStepOfTheFoldedOnes) {
  QuantizeOptions options = QuickQuantizeOptions();
  options.rounding.adaround.second_order_start = false;  // it may leave floor and ceiling
  const QuantizeResult result = Quantize(options);
  // Without BatchNormalization in front: the pointwise and the last layer are as given.
  for (const char* name : {"pointwise.w", "head.w"}) {
    const Tensor wanted = SmallConvNet().initializers.at(name);
    const QuantizedTensor& tensor = result.model.weights.at(name);
    const Tensor found = tensor.Dequantize();
    ASSERT_EQ(found.shape(), wanted.shape());
    const int64_t length = wanted.num_elements() / wanted.dim(0);
    for (int64_t i = 0; i < wanted.num_elements(); ++i) {
      const int q = tensor.integers[static_cast<size_t>(i)];
      if (q == tensor.grid.q_min || q == tensor.grid.q_max) continue;  // may have been clipped
      EXPECT_LE(std::abs(found.data<float>()[i] - wanted.data<float>()[i]),
                1.0001F * tensor.grid.scale[static_cast<size_t>(i / length)]);
    }
  }
}

TEST(QuantizeModel, ThreadsMemoryAndDiskDoNotChangeTheResult) {
  const testing::ScratchFolder folder;
  QuantizeOptions options = QuickQuantizeOptions();
  const QuantizeResult first = Quantize(options);
  EXPECT_EQ(first.spilled_bytes, 0);
  const auto expect_same = [&](const QuantizeResult& other) {
    EXPECT_EQ(IntegersOf(first.model), IntegersOf(other.model));
    EXPECT_EQ(IntegersOf(first.nearest), IntegersOf(other.nearest));
    for (size_t i = 0; i < first.layers.size(); ++i) {
      EXPECT_EQ(first.layers[i].error, other.layers[i].error);
      EXPECT_EQ(first.layers[i].nearest_error, other.layers[i].nearest_error);
    }
  };
  expect_same(Quantize(options));
  options.num_threads = 2;
  expect_same(Quantize(options));
  options.memory_limit = 1;
  options.spill_directory = folder.path();
  expect_same(Quantize(options));
  options.num_threads = 1;
  expect_same(Quantize(options));
}

TEST(QuantizeModel, ADeepNetworkSpillsAndComesOutTheSame) {
  const testing::ScratchFolder folder;
  const Graph graph = testing::DeepConvNet(20);
  const CalibrationSet samples(GivenList(Given("input", RandomTensor({kSamples, 6, 5, 5}, 50))),
                               graph);
  QuantizeOptions options = QuickQuantizeOptions();
  const QuantizeResult in_memory = QuantizeModel(graph, samples, options);
  EXPECT_GT(in_memory.num_segments, 1);
  EXPECT_GT(in_memory.peak_stored_bytes, 0);
  EXPECT_EQ(in_memory.spilled_bytes, 0);
  EXPECT_LE(in_memory.forward_macs, 6 * in_memory.macs_per_sample * kSamples);
  options.memory_limit = 1;
  options.spill_directory = folder.path();
  options.num_threads = 2;
  const QuantizeResult spilled = QuantizeModel(graph, samples, options);
  EXPECT_GT(spilled.spilled_bytes, 0);
  EXPECT_EQ(spilled.peak_stored_bytes, 0);
  EXPECT_EQ(IntegersOf(in_memory.model), IntegersOf(spilled.model));
  ASSERT_EQ(spilled.layers.size(), 20u);
  for (size_t i = 0; i < 20; ++i) EXPECT_EQ(in_memory.layers[i].error, spilled.layers[i].error);
}

TEST(QuantizeModel, ForwardPassesStayFew) {
  const QuantizeResult result = Quantize(QuickQuantizeOptions());
  // Every multiply-accumulate of a layer, by hand: 64 positions, and the last layer once.
  EXPECT_EQ(result.macs_per_sample, 64 * (8 * 27 + 8 * 9 + 8 * 8) + 5 * 8);
  EXPECT_LE(result.forward_macs, 6 * result.macs_per_sample * kSamples);
  EXPECT_GE(result.forward_macs, result.macs_per_sample * kSamples);
  const Graph graph = SmallConvNet();
  const QuantizePrediction prediction =
      PredictQuantization(graph, ExampleSamples(graph), QuickQuantizeOptions());
  EXPECT_EQ(prediction.macs_per_sample, result.macs_per_sample);
  EXPECT_EQ(prediction.layers.size(), 4u);
  EXPECT_EQ(prediction.float_bytes, 4 * (216 + 72 + 64 + 40));
  int64_t packed = 0;
  for (const auto& [name, tensor] : result.model.weights) packed += tensor.PackedBytes();
  EXPECT_EQ(prediction.quantized_bytes, packed);
}

TEST(QuantizeModel, EightBitsReproduceTheNetwork) {
  QuantizeOptions options = QuickQuantizeOptions();
  options.bits = 8;
  const QuantizeResult result = Quantize(options);
  const TensorMap given = {{"input", RandomTensor({1, 3, 8, 8}, 99)}};
  const Tensor wanted = testing::RunGraph(SmallConvNet(), given, {"logits"}).at("logits");
  const Tensor found =
      testing::RunGraph(result.model.Dequantized(), given, {"logits"}).at("logits");
  // Steps of 1/128 of each row's range, averaged over the inputs of a row.
  EXPECT_LT(testing::RelativeDifference(found, wanted), 0.03);
}

TEST(QuantizeModel, EveryEstimatorAndGranularityRuns) {
  for (const RangeEstimator estimator :
       {RangeEstimator::kMinMax, RangeEstimator::kMse, RangeEstimator::kOutputMse}) {
    for (const Granularity granularity :
         {Granularity::kPerTensor, Granularity::kPerChannel, Granularity::kPerGroup}) {
      QuantizeOptions options = QuickQuantizeOptions();
      options.range_estimator = estimator;
      options.granularity = granularity;
      options.group_size = 4;
      options.symmetric = estimator != RangeEstimator::kMse;
      const QuantizeResult result = Quantize(options);
      ASSERT_EQ(result.layers.size(), 4u);
      for (const LayerReport& layer : result.layers) {
        EXPECT_LE(layer.error, layer.nearest_error);
        EXPECT_EQ(layer.short_last_group,
                  granularity == Granularity::kPerGroup && layer.row_length > 4 &&
                      layer.row_length % 4 != 0);
      }
    }
  }
}

TEST(QuantizeModel, NearestChangesNothing) {
  QuantizeOptions options = QuickQuantizeOptions();
  options.method = "nearest";
  const QuantizeResult result = Quantize(options);
  EXPECT_EQ(IntegersOf(result.model), IntegersOf(result.nearest));
  for (const LayerReport& layer : result.layers) EXPECT_EQ(layer.num_changed, 0);
}

TEST(QuantizeModel, EveryPresetRuns) {
  for (const std::string& preset : PresetNames()) {
    QuantizeOptions options = QuickQuantizeOptions();
    ApplyPreset(preset, options);
    options.rounding.adaround.iterations = 30;
    EXPECT_EQ(Quantize(options).layers.size(), 4u) << preset;
  }
  ExpectErrorWith(ErrorCode::kInvalidArgument, PresetNames(), [] {
    QuantizeOptions options;
    ApplyPreset("fats", options);
  });
}

TEST(QuantizeModel, PatternsChooseLayersAndBits) {
  QuantizeOptions options = QuickQuantizeOptions();
  options.include = {"wise$", "logits"};
  options.exclude = {"^depth"};
  options.layer_bits = {{".", 6}, {"logits", 3}};
  const QuantizeResult result = Quantize(options);
  ASSERT_EQ(result.layers.size(), 2u);
  EXPECT_EQ(result.layers[0].name, "pointwise");
  EXPECT_EQ(result.layers[0].bits, 6);
  EXPECT_EQ(result.model.weights.at("pointwise.w").grid.bit_width, 6);
  EXPECT_EQ(result.layers[1].bits, 3);
  EXPECT_EQ(result.left.size(), 2u);
  EXPECT_TRUE(result.model.graph.initializers.contains("depthwise.w"));
}

TEST(QuantizeModel, PatternsOfNoUseAreRefused) {
  const auto refused = [](const std::vector<std::string>& fragments, auto change) {
    QuantizeOptions options = QuickQuantizeOptions();
    change(options);
    ExpectErrorWith(ErrorCode::kInvalidArgument, fragments, [&] { Quantize(options); });
  };
  refused({"--include", "'conv9'"}, [](QuantizeOptions& o) { o.include = {"stem", "conv9"}; });
  refused({"--exclude", "'conv9'"}, [](QuantizeOptions& o) { o.exclude = {"conv9"}; });
  refused({"--layer-bits", "'conv9'"}, [](QuantizeOptions& o) { o.layer_bits = {{"conv9", 3}}; });
  refused({"--include", "'('"}, [](QuantizeOptions& o) { o.include = {"("}; });
  refused({"no layer"}, [](QuantizeOptions& o) { o.exclude = {"."}; });
  refused({"bits", "learning_rate"}, [](QuantizeOptions& o) {
    o.bits = 9;
    o.rounding.adaround.learning_rate = 0;
  });
}

TEST(QuantizeModel, SamplesThatDoNotReachALayerAreRefused) {
  const Graph graph = SmallConvNet();
  const CalibrationSet samples(GivenList(Given("flat", RandomTensor({4, 8}, 1))), graph);
  ExpectErrorWith(ErrorCode::kMalformed, {"'input'"},
                  [&] { QuantizeModel(graph, samples, QuickQuantizeOptions()); });
  QuantizeOptions options = QuickQuantizeOptions();
  options.include = {"logits"};
  EXPECT_EQ(QuantizeModel(graph, samples, options).layers.size(), 1u);
}

TEST(QuantizeModel, SamplesOfWhatIsFoldedAwayAreRefused) {
  Graph graph = SmallConvNet();
  // The output of "pointwise", behind which a constant factor is folded, is gone.
  for (Node& node : graph.nodes) {
    if (node.name == "pointwise") node.outputs = {"unscaled"};
  }
  graph.nodes.push_back(testing::Op("Mul", {"unscaled", "factor"}, {"pointwise"}));
  graph.initializers["factor"] = Tensor::Scalar(0.5F);
  graph.SortTopologically();
  const CalibrationSet samples(GivenList(Given("input", RandomTensor({4, 3, 8, 8}, 1)),
                                         Given("unscaled", RandomTensor({4, 8, 8, 8}, 2))),
                               graph);
  ExpectErrorWith(ErrorCode::kMalformed, {"'unscaled'", "constant factors"},
                  [&] { QuantizeModel(graph, samples, QuickQuantizeOptions()); });
}

class StoppingObserver final : public QuantizeObserver {
 public:
  void OnProgress(const std::string&, int64_t, int64_t) override {}
  void OnWarning(const std::string& message) override { warning = message; }
  bool ShouldStop() const override { return stop_after >= 0 && num_layers >= stop_after; }
  void OnLayer(const LayerReport&, int64_t done, int64_t total, double fraction) override {
    EXPECT_EQ(done, ++num_layers);
    EXPECT_EQ(total, 4);
    last_fraction = fraction;
  }

  int64_t stop_after = -1;
  int64_t num_layers = 0;
  double last_fraction = 0.0;
  std::string warning;
};

TEST(QuantizeModel, TellsItsObserverAndStopsOnRequest) {
  StoppingObserver observer;
  Quantize(QuickQuantizeOptions(), &observer);
  EXPECT_EQ(observer.num_layers, 4);
  EXPECT_EQ(observer.last_fraction, 1.0);
  EXPECT_EQ(observer.warning, "");
  StoppingObserver stopping;
  stopping.stop_after = 2;
  ExpectErrorWith(ErrorCode::kCancelled, {}, [&] { Quantize(QuickQuantizeOptions(), &stopping); });
  EXPECT_EQ(stopping.num_layers, 2);
  StoppingObserver warned;
  QuantizeOptions options = QuickQuantizeOptions();
  const testing::ScratchFolder folder;
  options.spill_directory = folder.path();
  options.memory_limit = 1;
  Quantize(options, &warned);
  EXPECT_NE(warned.warning.find("--memory-limit"), std::string::npos);
}

// Finds calls that overlap; an atomic read is all that ShouldStop needs.
class OverlapObserver final : public QuantizeObserver {
 public:
  void OnProgress(const std::string&, int64_t, int64_t) override { Call(); }
  void OnWarning(const std::string&) override { Call(); }
  void OnTransform(const TransformStep&, const Graph&) override { Call(); }
  void OnLayer(const LayerReport&, int64_t, int64_t, double) override { Call(); }
  bool ShouldStop() const override { return false; }

  std::atomic<int64_t> num_calls = 0;
  std::atomic<int64_t> num_overlaps = 0;

 private:
  void Call() {
    ++num_calls;
    if (is_inside_.exchange(true)) ++num_overlaps;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    is_inside_ = false;
  }

  std::atomic<bool> is_inside_ = false;
};

TEST(QuantizeModel, CallsItsObserverOnceAtATimeFromAllThreads) {
  OverlapObserver observer;
  QuantizeOptions options = QuickQuantizeOptions();
  options.num_threads = 4;
  Quantize(options, &observer);
  EXPECT_GT(observer.num_calls, 100);
  EXPECT_EQ(observer.num_overlaps, 0);
}

}  // namespace
}  // namespace adaround
