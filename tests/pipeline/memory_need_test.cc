#include "pipeline/memory_need.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/error_testing.h"
#include "support/small_networks.h"

namespace adaround {
namespace {

using testing::FloatInput;
using testing::Given;
using testing::GivenList;
using testing::Op;
using testing::QuickQuantizeOptions;
using testing::RandomTensor;

CalibrationSet Samples(const Graph& graph, int64_t length) {
  return CalibrationSet(GivenList(Given("input", RandomTensor({4, length}, 9))), graph);
}

// One layer of `rows` outputs and `length` inputs, its outputs the logits.
Graph OneLayer(int64_t rows, int64_t length) {
  Graph graph;
  graph.inputs = {FloatInput("input", {-1, length})};
  graph.outputs = {"logits"};
  graph.nodes = {Op("Gemm", {"input", "w"}, {"logits"}, {{"transB", 1}})};
  graph.initializers["w"] = RandomTensor({rows, length}, 1);
  return graph;
}

int64_t NeedOf(const Graph& graph, const CalibrationSet& samples, const QuantizeOptions& options) {
  return WorkingBytes(PrepareNetwork(graph, samples, options, nullptr),
                      SplitSamples(samples.num_samples(), options.held_out_fraction), options);
}

TEST(WorkingBytes, CountsWhatMethodsHoldOfPairsOfWeights) {
  constexpr int64_t kRows = 3;
  constexpr int64_t kLength = 500;
  constexpr int64_t kPairs = kLength * kLength;
  const Graph graph = OneLayer(kRows, kLength);
  const CalibrationSet samples = Samples(graph, kLength);
  QuantizeOptions options = QuickQuantizeOptions();
  options.method = "nearest";
  const int64_t nearest = NeedOf(graph, samples, options);
  const auto more = [&](const std::string& method) {
    options.method = method;
    return NeedOf(graph, samples, options) - nearest;
  };
  // Gram matrices in float32, made in double; GPTQ's factor, its inverse and a copy in double; a
  // search's own quadratic beside the Gram matrix. The task loss is a quadratic of all weights.
  EXPECT_EQ(more("qubo-tabu"), 12 * kPairs);
  EXPECT_EQ(more("qubo-cross-entropy"), (12 + 4) * kPairs);
  // All images' G, that of four fifths of them, and a factor with its copy, while the ridge is
  // chosen.
  EXPECT_EQ(more("gptq"), 4 * 8 * kPairs);
  EXPECT_EQ(more("descent"), 12 * kPairs);
  EXPECT_EQ(more("task-tabu"), 4 * kPairs * kRows * kRows);
  EXPECT_EQ(more("task-cross-entropy"), 2 * 4 * kPairs * kRows * kRows);
  // Minibatches of 16 are cheaper than the Gram matrix, but for the descent behind the relaxation.
  EXPECT_EQ(more("rectified-sigmoid"), 0);
  EXPECT_EQ(more("adaround"), 4 * 8 * kPairs);  // GPTQ's, from which it starts
  options.rounding.adaround.ridge = 0.1;
  EXPECT_EQ(more("gptq"), 2 * 8 * kPairs);
  EXPECT_EQ(more("adaround"), (2 * 8 + 4) * kPairs);  // G stays in float32 beside factor and copy
  options.rounding.adaround.second_order_start = false;
  EXPECT_EQ(more("adaround"), 12 * kPairs);
  options.rounding.adaround.batch_size = 256;
  EXPECT_EQ(more("rectified-sigmoid"), 12 * kPairs);
  EXPECT_EQ(more("ste"), 12 * kPairs);
  // Each thread searches a row; all share the one group's Gram matrix.
  options.num_threads = 2;
  const int64_t with_threads = more("qubo-cross-entropy") - more("nearest");
  EXPECT_EQ(with_threads, (12 + 2 * 4) * kPairs);
}

TEST(WorkingBytes, TheDryRunAndTheLimitHaveIt) {
  const Graph graph = OneLayer(4, 2000);
  const CalibrationSet samples = Samples(graph, 2000);
  QuantizeOptions options = QuickQuantizeOptions();
  options.method = "nearest";
  const int64_t nearest = PredictQuantization(graph, samples, options).peak_memory_bytes;
  options.memory_limit = nearest + (int64_t{1} << 20);
  EXPECT_TRUE(PredictQuantization(graph, samples, options).warnings.empty());
  options.method = "gptq";
  const QuantizePrediction prediction = PredictQuantization(graph, samples, options);
  EXPECT_EQ(prediction.peak_memory_bytes, nearest + int64_t{32} * 2000 * 2000);
  ASSERT_EQ(prediction.warnings.size(), 1u);
  EXPECT_NE(prediction.warnings.front().find("--memory-limit"), std::string::npos);
}

// Passes that measure channels' moments, over the samples that searches see, are forward passes as
// others are.
TEST(PredictQuantization, CountsPassesForMomentsWithoutMakingThem) {
  const Graph graph = testing::DeepConvNet(4);
  const CalibrationSet samples(GivenList(Given("input", RandomTensor({8, 6, 5, 5}, 50))), graph);
  QuantizeOptions plain = QuickQuantizeOptions();
  plain.method = "nearest";
  QuantizeOptions absorbing = plain;
  absorbing.transform.absorb_bias = true;
  QuantizeOptions analytic = plain;
  analytic.bias_correction = BiasCorrection::kAnalytic;
  const QuantizeResult without = QuantizeModel(graph, samples, plain);
  const int64_t predicted = PredictQuantization(graph, samples, plain).forward_macs;
  const int64_t pass = (8 - without.num_held_out_samples) * without.macs_per_sample;
  EXPECT_EQ(QuantizeModel(graph, samples, absorbing).forward_macs, without.forward_macs + pass);
  EXPECT_EQ(QuantizeModel(graph, samples, analytic).forward_macs, without.forward_macs + pass);
  // Layers get their own biases by the analytic correction, at no cost in multiplications.
  EXPECT_EQ(PredictQuantization(graph, samples, absorbing).forward_macs, predicted + pass);
  EXPECT_EQ(PredictQuantization(graph, samples, analytic).forward_macs, predicted + pass);

  // What only a pass over all samples would see: outputs of the last one overflow.
  Tensor inputs = RandomTensor({8, 6, 5, 5}, 50);
  std::fill_n(inputs.mutable_data<float>() + 7 * 150, 150, 3e38F);
  const CalibrationSet infinite(GivenList(Given("input", inputs)), graph);
  for (const QuantizeOptions& options : {absorbing, analytic}) {
    testing::ExpectErrorWith(ErrorCode::kNumerical, {"not finite"},
                             [&] { QuantizeModel(graph, infinite, options); });
    EXPECT_EQ(PredictQuantization(graph, infinite, options).layers.size(), 4u);
  }
}

}  // namespace
}  // namespace adaround
