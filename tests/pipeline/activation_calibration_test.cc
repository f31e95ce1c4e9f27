#include "pipeline/activation_calibration.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/error_testing.h"
#include "support/graph_testing.h"
#include "support/in_memory_source.h"

namespace adaround {
namespace {

using testing::ExpectErrorWith;
using testing::Floats;
using testing::Given;
using testing::GivenList;
using testing::Op;
using testing::RandomTensor;

constexpr int64_t kSamples = 12;

// a -> Neg -> n -> Relu -> r;  b, of which nothing is given in most tests, -> Relu -> s;
// the shape of a, which is no float tensor.
Graph CalibrationGraph() {
  Graph graph;
  graph.inputs = {testing::FloatInput("a", {-1, 30}), testing::FloatInput("b", {-1, 5})};
  graph.nodes = {Op("Neg", {"a"}, {"n"}), Op("Relu", {"n"}, {"r"}), Op("Relu", {"b"}, {"s"}),
                 Op("Shape", {"a"}, {"shape"})};
  graph.outputs = {"r", "s", "shape"};
  return graph;
}

ActivationRangeOptions MinMax(int bit_width) {
  ActivationRangeOptions options;
  options.bit_width = bit_width;
  return options;
}

std::map<std::string, ActivationGrid> Calibrated(std::vector<CalibrationTensor> tensors,
                                                 const std::set<std::string>& points,
                                                 const ActivationRangeOptions& options,
                                                 int num_threads = 1,
                                                 ProgressObserver* observer = nullptr) {
  const Graph graph = CalibrationGraph();
  const CalibrationSet samples(std::move(tensors), graph);
  return CalibrateActivations(Executor(graph), samples, points, options, num_threads, observer);
}

TEST(CalibrateActivations, GridsCoverWhatAllSamplesShow) {
  const Tensor a = RandomTensor({kSamples, 30}, 1, -2.0F, 1.0F);
  float low = 0.0F;
  float high = 0.0F;
  for (int64_t i = 0; i < a.num_elements(); ++i) {
    low = std::min(low, a.data<float>()[i]);
    high = std::max(high, a.data<float>()[i]);
  }
  const auto grids = Calibrated(GivenList(Given("a", a)), {"a", "n", "r"}, MinMax(5));
  ASSERT_EQ(grids.size(), 3u);
  EXPECT_FLOAT_EQ(grids.at("a").scale, (high - low) / 31);
  const auto expect_ends = [&](const std::string& tensor, float least, float largest) {
    const ActivationGrid& grid = grids.at(tensor);
    const float first = grid.scale * static_cast<float>(-grid.zero_point);
    const float last = grid.scale * static_cast<float>(grid.q_max() - grid.zero_point);
    EXPECT_LE(std::abs(first - least), 0.5001F * grid.scale);
    EXPECT_LE(std::abs(last - largest), 0.5001F * grid.scale);
  };
  expect_ends("a", low, high);
  EXPECT_FLOAT_EQ(grids.at("n").scale, (high - low) / 31);
  expect_ends("n", -high, -low);
  EXPECT_FLOAT_EQ(grids.at("r").scale, -low / 31);
  EXPECT_EQ(grids.at("r").zero_point, 0);
}

TEST(CalibrateActivations, GivenTensorsAreTakenAsTheyAre) {
  const auto grids = Calibrated(
      GivenList(Given("a", RandomTensor({kSamples, 30}, 1)),
                Given("n", Floats({kSamples, 30}, std::vector<float>(kSamples * 30, 3.0F)))),
      {"n", "r"}, MinMax(2));
  EXPECT_EQ(grids.at("n").scale, 1.0F);
  EXPECT_EQ(grids.at("r").scale, 1.0F);
}

TEST(CalibrateActivations, WhatIsNotReachedOrNotFloatGetsNoGrid) {
  const auto grids = Calibrated(GivenList(Given("a", RandomTensor({kSamples, 30}, 1))),
                                {"a", "b", "r", "s", "shape"}, MinMax(8));
  std::set<std::string> names;
  for (const auto& [name, grid] : grids) names.insert(name);
  EXPECT_EQ(names, (std::set<std::string>{"a", "r"}));
  EXPECT_TRUE(
      Calibrated(GivenList(Given("a", RandomTensor({kSamples, 30}, 1))), {}, MinMax(8)).empty());
}

TEST(CalibrateActivations, WhatLiesBehindAnUnknownOperatorGetsAGridOnlyWhereItIsGiven) {
  Graph graph = CalibrationGraph();
  graph.nodes.insert(graph.nodes.begin(), Op("com.example::Own", {"a"}, {"own"}));
  graph.nodes.push_back(Op("Relu", {"own"}, {"behind"}));
  graph.nodes.push_back(Op("Add", {"behind", "r"}, {"sum"}));
  const std::set<std::string> points = {"own", "behind", "r", "sum"};
  const auto names = [&](std::vector<CalibrationTensor> tensors) {
    const CalibrationSet samples(std::move(tensors), graph);
    std::set<std::string> found;
    for (const auto& [name, grid] :
         CalibrateActivations(Executor(graph), samples, points, MinMax(8), 1, nullptr)) {
      found.insert(name);
    }
    return found;
  };
  const Tensor a = RandomTensor({kSamples, 30}, 1);
  EXPECT_EQ(names(GivenList(Given("a", a))), (std::set<std::string>{"r"}));
  EXPECT_EQ(names(GivenList(Given("a", a), Given("own", a))), points);
}

TEST(CalibrateActivations, ThreadsDoNotMatter) {
  for (const ActivationEstimator estimator :
       {ActivationEstimator::kMinMax, ActivationEstimator::kPercentile,
        ActivationEstimator::kMse, ActivationEstimator::kAciq}) {
    ActivationRangeOptions options;
    options.estimator = estimator;
    options.bit_width = 4;
    options.percentile = 95.0;
    const auto run = [&](int num_threads) {
      return Calibrated(GivenList(Given("a", RandomTensor({kSamples, 30}, 1)),
                                  Given("b", RandomTensor({kSamples, 5}, 2))),
                        {"a", "n", "r", "b", "s"}, options, num_threads);
    };
    const auto one = run(1);
    const auto three = run(3);
    ASSERT_EQ(one.size(), 5u);
    for (const auto& [name, grid] : one) {
      EXPECT_EQ(grid.scale, three.at(name).scale) << name;
      EXPECT_EQ(grid.zero_point, three.at(name).zero_point) << name;
    }
  }
}

TEST(CalibrateActivations, NumbersThatAreNotFiniteNameTheTensor) {
  Graph graph;
  graph.inputs = {testing::FloatInput("a", {-1, 30})};
  graph.nodes = {Op("Log", {"a"}, {"log"}), Op("Neg", {"log"}, {"n"})};
  graph.outputs = {"n"};
  // The logarithm of 0 is infinite, that of -1 is no number.
  for (const float bad : {0.0F, -1.0F}) {
    for (const ActivationEstimator estimator :
         {ActivationEstimator::kMinMax, ActivationEstimator::kMse, ActivationEstimator::kAciq}) {
      for (const std::string point : {"log", "n"}) {
        for (const int64_t at : {int64_t{0}, int64_t{100}, kSamples * 30 - 1}) {
          Tensor a = RandomTensor({kSamples, 30}, 1, 0.5F, 3.0F);
          a.mutable_data<float>()[at] = bad;
          const CalibrationSet samples(GivenList(Given("a", a)), graph);
          ActivationRangeOptions options;
          options.estimator = estimator;
          ExpectErrorWith(ErrorCode::kNumerical, {"'" + point + "'", "not finite"}, [&] {
            CalibrateActivations(Executor(graph), samples, {point}, options, 2, nullptr);
          });
        }
      }
    }
  }
}

TEST(CalibrateActivations, ATensorOfZerosGetsScaleOne) {
  for (const ActivationEstimator estimator :
       {ActivationEstimator::kMinMax, ActivationEstimator::kPercentile,
        ActivationEstimator::kMse, ActivationEstimator::kAciq}) {
    ActivationRangeOptions options;
    options.estimator = estimator;
    const auto grids = Calibrated(
        GivenList(Given("a", RandomTensor({kSamples, 30}, 1, 0.5F, 1.0F))), {"r"}, options);
    EXPECT_EQ(grids.at("r").scale, 1.0F);
    EXPECT_EQ(grids.at("r").zero_point, 0);
  }
}

class StoppingObserver final : public ProgressObserver {
 public:
  void OnProgress(const std::string&, int64_t, int64_t) override {}
  void OnWarning(const std::string&) override {}
  bool ShouldStop() const override { return true; }
};

TEST(CalibrateActivations, StopsOnRequest) {
  StoppingObserver observer;
  ExpectErrorWith(ErrorCode::kCancelled, {}, [&] {
    Calibrated(GivenList(Given("a", RandomTensor({kSamples, 30}, 1))), {"r"}, MinMax(8), 1,
               &observer);
  });
}

}  // namespace
}  // namespace adaround
