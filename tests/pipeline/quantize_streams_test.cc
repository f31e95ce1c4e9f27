// What each layer sees as its float and its quantized input, checked by recomputing its error.
#include <gtest/gtest.h>

#include "adaround/pipeline/quantize.h"
#include "io/test_files.h"
#include "pipeline/layer_capture.h"
#include "support/error_testing.h"
#include "support/small_networks.h"

namespace adaround {
namespace {

using testing::ExpectErrorWith;
using testing::Floats;
using testing::Given;
using testing::GivenList;
using testing::IntegersOf;
using testing::Op;
using testing::QuickQuantizeOptions;
using testing::RandomTensor;

constexpr int64_t kSamples = 40;

// x W for W [K, M].
std::vector<double> Product(const std::vector<double>& x, const Tensor& weight) {
  const int64_t rows = weight.dim(1);
  std::vector<double> z(static_cast<size_t>(rows), 0.0);
  for (int64_t k = 0; k < weight.dim(0); ++k) {
    for (int64_t row = 0; row < rows; ++row) {
      z[static_cast<size_t>(row)] += x[static_cast<size_t>(k)] *
                                     static_cast<double>(weight.data<float>()[k * rows + row]);
    }
  }
  return z;
}

std::vector<double> Relu(std::vector<double> z) {
  for (double& value : z) value = std::max(value, 0.0);
  return z;
}

std::vector<double> Row(const Tensor& tensor, int64_t sample) {
  const int64_t length = tensor.dim(1);
  const float* begin = tensor.data<float>() + sample * length;
  return {begin, begin + length};
}

// Mean over held-out samples and rows of (wanted(sample) - found(sample))^2.
template <typename Wanted, typename Found>
double HeldOutError(const QuantizeOptions& options, Wanted wanted, Found found) {
  const SampleSplit split = SplitSamples(kSamples, options.held_out_fraction);
  double sum = 0.0;
  int64_t count = 0;
  for (int64_t sample = 0; sample < kSamples; ++sample) {
    if (!split.held_out[static_cast<size_t>(sample)]) continue;
    const std::vector<double> w = wanted(sample);
    const std::vector<double> f = found(sample);
    for (size_t i = 0; i < w.size(); ++i) sum += (w[i] - f[i]) * (w[i] - f[i]);
    count += static_cast<int64_t>(w.size());
  }
  return sum / static_cast<double>(count);
}

// first -> Relu -> second, matrices [K, M] without bias.
Graph TwoLayers() {
  Graph graph;
  graph.inputs = {testing::FloatInput("x", {-1, 20})};
  graph.nodes = {Op("MatMul", {"x", "w1"}, {"mid"}), Op("Relu", {"mid"}, {"r"}),
                 Op("MatMul", {"r", "w2"}, {"y"})};
  graph.outputs = {"y"};
  graph.initializers["w1"] = RandomTensor({20, 16}, 1);
  graph.initializers["w2"] = RandomTensor({16, 12}, 2);
  return graph;
}

TEST(QuantizeStreams, SecondLayerSeesTheQuantizedFirst) {
  const Graph graph = TwoLayers();
  const Tensor x = RandomTensor({kSamples, 20}, 3);
  const QuantizeOptions options = QuickQuantizeOptions();
  const QuantizeResult result =
      QuantizeModel(graph, CalibrationSet(GivenList(Given("x", x)), graph), options);
  ASSERT_EQ(result.layers.size(), 2u);
  const Tensor& w1 = graph.initializers.at("w1");
  const Tensor& w2 = graph.initializers.at("w2");
  const Tensor q1 = result.model.weights.at("w1").Dequantize();
  const Tensor q2 = result.model.weights.at("w2").Dequantize();
  const double first = HeldOutError(
      options, [&](int64_t s) { return Relu(Product(Row(x, s), w1)); },
      [&](int64_t s) { return Relu(Product(Row(x, s), q1)); });
  EXPECT_NEAR(result.layers[0].error, first, 1e-4 * first);
  const double second = HeldOutError(
      options, [&](int64_t s) { return Product(Relu(Product(Row(x, s), w1)), w2); },
      [&](int64_t s) { return Product(Relu(Product(Row(x, s), q1)), q2); });
  EXPECT_NEAR(result.layers[1].error, second, 1e-4 * second);
}

// The reported errors are those of the quantized network, whatever the search was told.
TEST(QuantizeStreams, AblationsAreJudgedLikeTheRest) {
  const Graph graph = TwoLayers();
  const Tensor x = RandomTensor({kSamples, 20}, 3);
  QuantizeOptions options = QuickQuantizeOptions();
  options.bits = 2;
  options.asymmetric_reconstruction = false;
  options.activation_in_loss = false;
  const QuantizeResult result =
      QuantizeModel(graph, CalibrationSet(GivenList(Given("x", x)), graph), options);
  const Tensor& w1 = graph.initializers.at("w1");
  const Tensor& w2 = graph.initializers.at("w2");
  const Tensor q1 = result.model.weights.at("w1").Dequantize();
  const Tensor q2 = result.model.weights.at("w2").Dequantize();
  ASSERT_EQ(result.layers.size(), 2u);
  const double first = HeldOutError(
      options, [&](int64_t s) { return Relu(Product(Row(x, s), w1)); },
      [&](int64_t s) { return Relu(Product(Row(x, s), q1)); });
  EXPECT_NEAR(result.layers[0].error, first, 1e-4 * first);
  const double second = HeldOutError(
      options, [&](int64_t s) { return Product(Relu(Product(Row(x, s), w1)), w2); },
      [&](int64_t s) { return Product(Relu(Product(Row(x, s), q1)), q2); });
  EXPECT_NEAR(result.layers[1].error, second, 1e-4 * second);
}

TEST(QuantizeStreams, SymmetricReconstructionSearchesOnFloatInputs) {
  const Graph graph = TwoLayers();
  const Tensor x = RandomTensor({kSamples, 20}, 3);
  QuantizeOptions options = QuickQuantizeOptions();
  options.bits = 2;
  options.fall_back_to_nearest = false;
  const auto second_layer = [&](const QuantizeOptions& chosen, const Graph& network) {
    const CalibrationSet samples(GivenList(Given("x", x)), network);
    return QuantizeModel(network, samples, chosen).model.weights.at("w2").integers;
  };
  const std::vector<int16_t> asymmetric = second_layer(options, graph);
  options.asymmetric_reconstruction = false;
  const std::vector<int16_t> symmetric = second_layer(options, graph);
  // At 8 bits the first layer is all but float: x_hat is then all but x.
  options.asymmetric_reconstruction = true;
  options.layer_bits = {{"mid", 8}};
  const std::vector<int16_t> nearly_float = second_layer(options, graph);
  const auto num_different = [&](const std::vector<int16_t>& integers) {
    int64_t count = 0;
    for (size_t i = 0; i < integers.size(); ++i) count += integers[i] != symmetric[i] ? 1 : 0;
    return count;
  };
  EXPECT_GT(num_different(asymmetric), 10);
  EXPECT_LE(num_different(nearly_float), num_different(asymmetric) / 3);
}

TEST(QuantizeStreams, TheActivationMayBeLeftOutOfTheLoss) {
  Graph graph = TwoLayers();
  const Tensor x = RandomTensor({kSamples, 20}, 3);
  QuantizeOptions options = QuickQuantizeOptions();
  options.bits = 2;
  options.fall_back_to_nearest = false;
  const auto first_layer = [&](const Graph& network) {
    const CalibrationSet samples(GivenList(Given("x", x)), network);
    return QuantizeModel(network, samples, options).model.weights.at("w1").integers;
  };
  const std::vector<int16_t> with_activation = first_layer(graph);
  options.activation_in_loss = false;
  const std::vector<int16_t> without = first_layer(graph);
  EXPECT_NE(with_activation, without);
  // A network in which nothing follows the layer.
  options.activation_in_loss = true;
  graph.nodes.resize(1);
  graph.outputs = {"mid"};
  graph.initializers.erase("w2");
  EXPECT_EQ(first_layer(graph), without);
}

TEST(QuantizeStreams, AGivenOutputFeedsTheConsumerAndItsLayerIsStillQuantized) {
  const Graph graph = TwoLayers();
  const Tensor x = RandomTensor({kSamples, 20}, 3);
  const Tensor mid = RandomTensor({kSamples, 16}, 4, -3.0F, 3.0F);
  const QuantizeOptions options = QuickQuantizeOptions();
  const CalibrationSet samples(GivenList(Given("mid", mid), Given("x", x)), graph);
  const QuantizeResult result = QuantizeModel(graph, samples, options);
  ASSERT_EQ(result.layers.size(), 2u);
  const Tensor q1 = result.model.weights.at("w1").Dequantize();
  const Tensor q2 = result.model.weights.at("w2").Dequantize();
  const double first = HeldOutError(
      options,
      [&](int64_t s) { return Relu(Product(Row(x, s), graph.initializers.at("w1"))); },
      [&](int64_t s) { return Relu(Product(Row(x, s), q1)); });
  EXPECT_NEAR(result.layers[0].error, first, 1e-4 * first);
  const double second = HeldOutError(
      options,
      [&](int64_t s) { return Product(Relu(Row(mid, s)), graph.initializers.at("w2")); },
      [&](int64_t s) { return Product(Relu(Row(mid, s)), q2); });
  EXPECT_NEAR(result.layers[1].error, second, 1e-4 * second);
  // What is written is the network as it was.
  EXPECT_EQ(result.model.graph.inputs.size(), 1u);
  EXPECT_EQ(result.model.graph.nodes[0].outputs[0], "mid");
}

TEST(QuantizeStreams, SeparateLayersTakeTheirOwnInputs) {
  Graph graph;
  graph.inputs = {testing::FloatInput("a", {-1, 20}), testing::FloatInput("b", {-1, 14})};
  graph.nodes = {Op("MatMul", {"a", "w1"}, {"y1"}), Op("MatMul", {"b", "w2"}, {"y2"})};
  graph.outputs = {"y1", "y2"};
  graph.initializers["w1"] = RandomTensor({20, 6}, 1);
  graph.initializers["w2"] = RandomTensor({14, 7}, 2);
  const Tensor a = RandomTensor({kSamples, 20}, 3);
  const Tensor b = RandomTensor({kSamples, 14}, 4);
  const Tensor b_hat = RandomTensor({kSamples, 14}, 5);
  const QuantizeOptions options = QuickQuantizeOptions();
  const QuantizeResult result = QuantizeModel(
      graph, CalibrationSet(GivenList(Given("a", a), Given("b", b, b_hat)), graph), options);
  ASSERT_EQ(result.layers.size(), 2u);
  const Tensor q1 = result.model.weights.at("w1").Dequantize();
  const Tensor q2 = result.model.weights.at("w2").Dequantize();
  const double first = HeldOutError(
      options, [&](int64_t s) { return Product(Row(a, s), graph.initializers.at("w1")); },
      [&](int64_t s) { return Product(Row(a, s), q1); });
  const double second = HeldOutError(
      options, [&](int64_t s) { return Product(Row(b, s), graph.initializers.at("w2")); },
      [&](int64_t s) { return Product(Row(b_hat, s), q2); });
  EXPECT_NEAR(result.layers[0].error, first, 1e-4 * first);
  EXPECT_NEAR(result.layers[1].error, second, 1e-4 * second);
}

// x -> A(w) -> a;  x -> Relu -> B(w) -> b -> C(w2): A and B share a weight, C waits for B only.
Graph SharedWeightBranches() {
  Graph graph;
  graph.inputs = {testing::FloatInput("x", {-1, 20})};
  graph.nodes = {Op("MatMul", {"x", "w"}, {"a"}), Op("Relu", {"x"}, {"r"}),
                 Op("MatMul", {"r", "w"}, {"b"}), Op("MatMul", {"b", "w2"}, {"c"})};
  graph.outputs = {"a", "c"};
  graph.initializers["w"] = RandomTensor({20, 16}, 1);
  graph.initializers["w2"] = RandomTensor({16, 12}, 2);
  return graph;
}

TEST(QuantizeStreams, SharedWeightIsQuantizedOnce) {
  const Graph graph = SharedWeightBranches();
  const CalibrationSet samples(GivenList(Given("x", RandomTensor({kSamples, 20}, 3))), graph);
  const QuantizeResult result = QuantizeModel(graph, samples, QuickQuantizeOptions());
  EXPECT_EQ(result.model.weights.size(), 2u);
  ASSERT_EQ(result.layers.size(), 3u);
  int num_sharing = 0;
  for (const LayerReport& layer : result.layers) {
    num_sharing += layer.shares_weight ? 1 : 0;
    if (layer.shares_weight) {
      EXPECT_EQ(layer.name, "b");
    }
  }
  EXPECT_EQ(num_sharing, 1);
}

TEST(QuantizeStreams, BehindASharedWeightTheInputIsQuantized) {
  const Graph graph = SharedWeightBranches();
  const Tensor x = RandomTensor({kSamples, 20}, 3);
  const CalibrationSet samples(GivenList(Given("x", x)), graph);
  const QuantizeOptions options = QuickQuantizeOptions();
  const QuantizeResult result = QuantizeModel(graph, samples, options);
  const Tensor q = result.model.weights.at("w").Dequantize();
  const Tensor q2 = result.model.weights.at("w2").Dequantize();
  const double wanted = HeldOutError(
      options,
      [&](int64_t s) {
        return Product(Product(Relu(Row(x, s)), graph.initializers.at("w")),
                       graph.initializers.at("w2"));
      },
      [&](int64_t s) { return Product(Product(Relu(Row(x, s)), q), q2); });
  for (const LayerReport& layer : result.layers) {
    if (layer.name != "c") continue;
    EXPECT_NEAR(layer.error, wanted, 1e-4 * wanted);
  }
  // Nor may it depend on where the network is cut.
  const testing::ScratchFolder folder;
  QuantizeOptions spilling = options;
  spilling.memory_limit = 1;
  spilling.spill_directory = folder.path();
  EXPECT_EQ(IntegersOf(QuantizeModel(graph, samples, spilling).model), IntegersOf(result.model));
}

TEST(QuantizeStreams, ASharedWeightIsQuantizedForAllItsLayersOrForNone) {
  const Graph graph = SharedWeightBranches();
  const CalibrationSet samples(GivenList(Given("x", RandomTensor({kSamples, 20}, 3))), graph);
  QuantizeOptions options = QuickQuantizeOptions();
  options.exclude = {"^b$"};
  ExpectErrorWith(ErrorCode::kInvalidArgument, {"'b'", "'a'", "choose both or neither"},
                  [&] { QuantizeModel(graph, samples, options); });
  options.exclude = {"^(a|b)$"};
  EXPECT_TRUE(QuantizeModel(graph, samples, options).model.graph.initializers.contains("w"));
}

TEST(QuantizeStreams, ConstantsInFrontOfWeightsAreFolded) {
  Graph graph = TwoLayers();
  graph.initializers["w1t"] = RandomTensor({16, 20}, 1);
  graph.initializers.erase("w1");
  graph.nodes.insert(graph.nodes.begin(),
                     Op("Transpose", {"w1t"}, {"w1"}, {{"perm", testing::IntList({1, 0})}}));
  const CalibrationSet samples(GivenList(Given("x", RandomTensor({kSamples, 20}, 3))), graph);
  EXPECT_EQ(QuantizeModel(graph, samples, QuickQuantizeOptions()).layers.size(), 2u);
}

}  // namespace
}  // namespace adaround
