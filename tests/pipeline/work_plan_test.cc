#include "pipeline/work_plan.h"

#include <gtest/gtest.h>

#include <numeric>

#include "pipeline/memory_need.h"
#include "support/small_networks.h"

namespace adaround {
namespace {

using testing::Given;
using testing::GivenList;
using testing::RandomTensor;

WorkPlan PlanOf(const QuantizeOptions& options, int64_t num_samples = 8) {
  const Graph graph = testing::DeepConvNet(4);
  const CalibrationSet samples(GivenList(Given("input", RandomTensor({num_samples, 6, 5, 5}, 50))),
                               graph);
  const PreparedNetwork network = PrepareNetwork(graph, samples, options, nullptr);
  const SampleSplit split = SplitSamples(num_samples, options.held_out_fraction);
  return PlanWork(network, PlanMemory(network, split, options).segments, split, options);
}

TEST(PlanWork, LayersShareSearchesAndForwardPasses) {
  const QuantizeOptions options = testing::QuickQuantizeOptions();
  const Graph graph = testing::DeepConvNet(4);
  const CalibrationSet samples(GivenList(Given("input", RandomTensor({8, 6, 5, 5}, 50))), graph);
  const PreparedNetwork network = PrepareNetwork(graph, samples, options, nullptr);
  const SampleSplit split = SplitSamples(8, options.held_out_fraction);
  const SegmentPlan segments = PlanMemory(network, split, options).segments;
  EXPECT_EQ(std::accumulate(segments.segment_cost.begin(), segments.segment_cost.end(), int64_t{0}),
            segments.cost);
  const WorkPlan plan = PlanWork(network, segments, split, options);
  ASSERT_EQ(plan.layers.size(), 4u);
  EXPECT_GT(plan.search, 0.0);
  EXPECT_NEAR(plan.total, plan.search + 8.0 * static_cast<double>(segments.cost),
              1e-9 * plan.total);
}

TEST(PlanWork, GrowsWithIterationsAndSamples) {
  QuantizeOptions options = testing::QuickQuantizeOptions();
  options.method = "rectified-sigmoid";
  options.rounding.adaround.iterations = 100;
  const WorkPlan plan = PlanOf(options);
  options.rounding.adaround.iterations = 300;
  EXPECT_DOUBLE_EQ(PlanOf(options).search, 3.0 * plan.search);
  options.rounding.adaround.iterations = 100;
  const WorkPlan more_samples = PlanOf(options, 16);
  EXPECT_DOUBLE_EQ(more_samples.search, plan.search);
  EXPECT_NEAR(more_samples.total - more_samples.search, 2.0 * (plan.total - plan.search),
              1e-9 * plan.total);
}

}  // namespace
}  // namespace adaround
