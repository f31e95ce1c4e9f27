#include "adaround/pipeline/comparison.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "adaround/base/error.h"
#include "support/small_networks.h"

namespace adaround {
namespace {

using testing::Given;
using testing::GivenList;
using testing::QuickQuantizeOptions;
using testing::RandomTensor;
using testing::SmallConvNet;

CalibrationSet Samples(const Graph& graph, uint32_t seed, int64_t count) {
  return CalibrationSet(GivenList(Given("input", RandomTensor({count, 3, 8, 8}, seed))), graph);
}

TEST(ComparisonBench, ARunIsWhatQuantizeAndEvaluateGive) {
  const Graph graph = SmallConvNet();
  const CalibrationSet samples = Samples(graph, 1, 24);
  const CalibrationSet data = Samples(graph, 2, 40);
  Labels labels;
  for (int64_t i = 0; i < data.num_samples(); ++i) labels.classes.push_back(i % 5);
  QuantizeOptions options = QuickQuantizeOptions();
  ShowWhatIsFound(options);
  ComparisonBench bench(graph, &data, &labels, 2);
  const ComparisonRun run = bench.Run(samples, options, true, nullptr);

  const QuantizeResult result = QuantizeModel(graph, samples, options);
  const Evaluation evaluation = EvaluateModel(result.model, &graph, data, &labels, 1);
  EXPECT_EQ(*run.network.top1, evaluation.accuracy->top1);
  EXPECT_EQ(*run.network.sqnr_db, *evaluation.distance->sqnr_db);
  EXPECT_EQ(*run.network.agreement, evaluation.distance->agreement);
  EXPECT_EQ(run.num_layers, 4);
  EXPECT_EQ(run.num_held_out_samples, result.num_held_out_samples);
  double loss = 0.0;
  int64_t above = 0;
  for (const LayerReport& layer : result.layers) {
    EXPECT_FALSE(layer.fell_back);
    loss += layer.error;
    above += layer.error > layer.nearest_error ? 1 : 0;
  }
  EXPECT_DOUBLE_EQ(run.local_loss, loss);
  EXPECT_EQ(run.num_above_nearest, above);
  EXPECT_TRUE(run.transformed.empty()) << "nothing was asked to be transformed";
  EXPECT_GT(run.peak_bytes, 0);

  const NetworkMeasures float_network = bench.MeasureFloat(nullptr);
  EXPECT_EQ(*float_network.top1, evaluation.reference_accuracy->top1);
  EXPECT_TRUE(std::isinf(*float_network.sqnr_db));
  EXPECT_EQ(*float_network.agreement, 100.0);
}

TEST(ComparisonBench, EachTransformedNetworkIsMeasuredOnce) {
  // Counts passes over the data.
  class Counter final : public QuantizeObserver {
   public:
    void OnProgress(const std::string& stage, int64_t done, int64_t total) override {
      if (stage == "evaluating" && done == total) ++num_passes;
    }
    void OnWarning(const std::string&) override {}
    void OnLayer(const LayerReport&, int64_t, int64_t, double) override {}
    bool ShouldStop() const override { return false; }
    int num_passes = 0;
  };
  const Graph graph = SmallConvNet();
  const CalibrationSet samples = Samples(graph, 1, 12);
  const CalibrationSet data = Samples(graph, 2, 10);
  ComparisonBench bench(graph, &data, nullptr, 1);
  QuantizeOptions options = QuickQuantizeOptions();
  options.method = "nearest";
  options.transform.equalize = true;
  const auto passes = [&](const QuantizeOptions& of, ComparisonRun& run) {
    Counter counter;
    run = bench.Run(samples, of, true, &counter);
    return counter.num_passes;
  };
  ComparisonRun first;
  ComparisonRun again;
  ComparisonRun other;
  EXPECT_EQ(passes(options, first), 2) << "the transformed network, and the quantized one";
  options.method = "floor";
  EXPECT_EQ(passes(options, again), 1);
  ASSERT_EQ(again.transformed.size(), 1u);
  EXPECT_EQ(again.transformed[0].network.sqnr_db, first.transformed[0].network.sqnr_db);
  options.transform.split_outliers = 0.3;
  EXPECT_EQ(passes(options, other), 2) << "equalized as before, then split";
  ASSERT_EQ(other.transformed.size(), 2u);
  EXPECT_NE(other.transformed[1].network.sqnr_db, first.transformed[0].network.sqnr_db);
}

TEST(ComparisonBench, WithoutDataLayersAreMeasuredAlone) {
  const Graph graph = SmallConvNet();
  const CalibrationSet samples = Samples(graph, 1, 12);
  QuantizeOptions options = QuickQuantizeOptions();
  options.method = "nearest";
  ComparisonBench bench(graph, nullptr, nullptr, 1);
  const ComparisonRun run = bench.Run(samples, options, false, nullptr);
  EXPECT_GT(run.local_loss, 0.0);
  for (const MeasureColumn& column : MeasureColumns()) {
    EXPECT_FALSE(run.network.*column.member) << column.key;
  }
}

TEST(ComparisonBench, MethodsOnTheSameOptionsShareTheirGrids) {
  const Graph graph = SmallConvNet();
  const CalibrationSet samples = Samples(graph, 1, 12);
  ComparisonBench bench(graph, nullptr, nullptr, 1);
  QuantizeOptions options = QuickQuantizeOptions();
  const std::string searched = bench.Run(samples, options, false, nullptr).grids;
  options.method = "nearest";
  EXPECT_EQ(bench.Run(samples, options, false, nullptr).grids, searched);
  options.range_estimator = RangeEstimator::kMinMax;
  EXPECT_NE(bench.Run(samples, options, false, nullptr).grids, searched);
}

TEST(RestrictToLayer, NamesAreNoExpressions) {
  Graph graph = SmallConvNet();
  const std::string name = "a.b/c[0]{1}(x|y)*+?^$\\";
  for (Node& node : graph.nodes) {
    if (node.op == "Conv" && node.outputs[0] == "depthwise") node.name = name;
    if (node.op == "Conv" && node.outputs[0] == "stem") node.name = "aXb/c[0]{1}(x|y)*+?^$\\";
  }
  const CalibrationSet samples = Samples(graph, 1, 4);
  QuantizeOptions options = QuickQuantizeOptions();
  options.exclude = {"a.b"};
  EXPECT_EQ(LayersToQuantize(graph, samples, options).size(), 2u);
  RestrictToLayer(name, options);
  EXPECT_EQ(LayersToQuantize(graph, samples, options), std::vector<std::string>{name});
}

TEST(DrawSeed, TheFirstDrawIsThatOfTheSeedAndAllDiffer) {
  std::set<uint64_t> seen;
  for (uint64_t seed = 40; seed < 44; ++seed) {
    EXPECT_FALSE(DrawSeed(seed, 0));
    for (int64_t draw = 1; draw < 200; ++draw) {
      const auto rounding_seed = DrawSeed(seed, draw);
      ASSERT_TRUE(rounding_seed);
      EXPECT_LT(*rounding_seed, uint64_t{1} << 53);
      EXPECT_TRUE(seen.insert(*rounding_seed).second);
    }
  }
}

TEST(RoundingSeed, ChangesTheRoundingButNotWhatItIsJudgedOn) {
  const Graph graph = SmallConvNet();
  const CalibrationSet samples = Samples(graph, 1, 24);
  QuantizeOptions options = QuickQuantizeOptions();
  ShowWhatIsFound(options);
  // Steps that a fraction of the columns is drawn for, and no finish that undoes the difference.
  options.rounding.adaround.exact_gradient = false;
  options.rounding.adaround.descent_sweeps = 0;
  options.rounding.adaround.second_order_start = false;
  options.rounding.adaround.enumerate_row_length = 0;
  const QuantizeResult first = QuantizeModel(graph, samples, options);
  options.rounding_seed = options.seed;
  const QuantizeResult same = QuantizeModel(graph, samples, options);
  EXPECT_EQ(testing::IntegersOf(first.model), testing::IntegersOf(same.model));
  options.rounding_seed = options.seed + 1;
  const QuantizeResult other = QuantizeModel(graph, samples, options);
  EXPECT_NE(testing::IntegersOf(first.model), testing::IntegersOf(other.model));
  // The first layer reads the same x_hat: nearest's error there is the same to the last bit.
  EXPECT_EQ(first.layers[0].nearest_error, other.layers[0].nearest_error);
}

TEST(CompareWithoutGuard, RowsAboveNearestAreCounted) {
  const Graph graph = SmallConvNet();
  const CalibrationSet samples = Samples(graph, 1, 24);
  QuantizeOptions options = QuickQuantizeOptions();
  // A search that cannot but go astray: steps far too long, and no finish.
  options.rounding.adaround.second_order_start = false;
  options.rounding.adaround.learning_rate = 50.0;
  options.rounding.adaround.iterations = 3;
  options.rounding.adaround.exact_gradient = false;
  options.rounding.adaround.descent_sweeps = 0;
  options.rounding.adaround.enumerate_row_length = 0;
  const QuantizeResult guarded = QuantizeModel(graph, samples, options);
  ShowWhatIsFound(options);
  const QuantizeResult shown = QuantizeModel(graph, samples, options);
  // Of the first layer both see the same problem.
  EXPECT_GT(shown.layers[0].num_rows_above_nearest, 0);
  EXPECT_EQ(shown.layers[0].num_rows_above_nearest, guarded.layers[0].num_nearest_rows);
  EXPECT_EQ(guarded.layers[0].num_rows_above_nearest, guarded.layers[0].num_nearest_rows);
}

}  // namespace
}  // namespace adaround
