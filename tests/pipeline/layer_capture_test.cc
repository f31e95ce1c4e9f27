#include "pipeline/layer_capture.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "support/error_testing.h"
#include "support/graph_testing.h"

namespace adaround {
namespace {

using testing::Op;
using testing::RandomTensor;

TEST(SplitSamples, EverySampleHasOnePlace) {
  for (int64_t count = 1; count < 60; ++count) {
    for (const double fraction : {0.0, 0.1, 0.15, 0.5}) {
      const SampleSplit split = SplitSamples(count, fraction);
      EXPECT_EQ(split.num_search + split.num_held_out, count);
      EXPECT_GE(split.num_search, 1);
      std::set<int64_t> search;
      std::set<int64_t> held_out;
      for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
        EXPECT_TRUE((split.held_out[i] ? held_out : search).insert(split.place[i]).second);
      }
      // Places count up from 0 without gaps.
      EXPECT_EQ(static_cast<int64_t>(search.size()), split.num_search);
      EXPECT_EQ(*search.rbegin(), split.num_search - 1);
      if (count >= 2) {
        ASSERT_GE(split.num_held_out, 1);
        EXPECT_EQ(*held_out.rbegin(), split.num_held_out - 1);
        EXPECT_NEAR(static_cast<double>(split.num_held_out),
                    std::max(1.0, fraction * static_cast<double>(count)), 0.5001);
      }
    }
  }
}

TEST(SplitSamples, HeldOutSamplesAreSpreadEvenly) {
  const SampleSplit split = SplitSamples(100, 0.1);
  for (size_t begin = 0; begin < 100; begin += 10) {
    int held_out = 0;
    for (size_t i = begin; i < begin + 10; ++i) held_out += split.held_out[i] ? 1 : 0;
    EXPECT_EQ(held_out, 1);
  }
}

// A 3x3 convolution over [1, 2, 6, 6], captured for `count` samples.
struct CaptureExample {
  Graph graph;
  LinearLayer layer;
  SampleSplit split;

  explicit CaptureExample(int64_t count) : split(SplitSamples(count, 0.25)) {
    graph.inputs = {testing::FloatInput("x", {-1, 2, 6, 6})};
    graph.nodes = {Op("Conv", {"x", "w"}, {"y"}, {{"pads", testing::IntList({1, 1, 1, 1})}})};
    graph.outputs = {"y"};
    graph.initializers["w"] = RandomTensor({4, 2, 3, 3}, 1);
    layer = FindLinearLayers(graph).layers[0];
  }

  std::unique_ptr<LayerCapture> Make(const CaptureLimits& limits, uint64_t seed = 1) const {
    return std::make_unique<LayerCapture>(graph.nodes[0], layer, Shape{1, 2, 6, 6},
                                          Shape{4, 2, 3, 3}, Shape{1, 4, 6, 6}, split, limits, seed,
                                          0);
  }

  void Capture(LayerCapture& capture, int64_t sample) const {
    const Tensor x = RandomTensor({1, 2, 6, 6}, static_cast<uint32_t>(100 + sample));
    capture.CaptureTarget(sample, testing::RunGraph(graph, {{"x", x}}, {"y"}).at("y"));
    capture.CaptureInput(sample, x);
  }

  // W x of the captured columns is the captured target: both streams read the same positions.
  void ExpectConsistent(const SampledColumns& columns) const {
    const float* weight = graph.initializers.at("w").data<float>();
    for (int64_t row = 0; row < 4; ++row) {
      for (int64_t n = 0; n < columns.num_samples; ++n) {
        double sum = 0.0;
        for (int64_t k = 0; k < 18; ++k) {
          sum += static_cast<double>(weight[row * 18 + k]) *
                 static_cast<double>(columns.GroupColumns(0)[n * 18 + k]);
        }
        ASSERT_NEAR(columns.RowTarget(row)[n], sum, 1e-5);
      }
    }
  }
};

TEST(LayerCapture, InputsAndTargetsBelongTogether) {
  const CaptureExample example(8);
  const auto forward = example.Make({.max_search_columns = 60, .max_held_out_columns = 10});
  for (int64_t sample = 0; sample < 8; ++sample) example.Capture(*forward, sample);
  EXPECT_EQ(forward->search().num_samples, 60);
  EXPECT_EQ(forward->held_out().num_samples, 10);
  example.ExpectConsistent(forward->search());
  example.ExpectConsistent(forward->held_out());

  const auto backward = example.Make({.max_search_columns = 60, .max_held_out_columns = 10});
  for (int64_t sample = 8; sample-- > 0;) example.Capture(*backward, sample);
  EXPECT_EQ(forward->search().x_hat, backward->search().x_hat);
  EXPECT_EQ(forward->search().target, backward->search().target);
  const auto other_seed = example.Make({.max_search_columns = 60}, 2);
  for (int64_t sample = 0; sample < 8; ++sample) example.Capture(*other_seed, sample);
  EXPECT_NE(forward->search().x_hat, other_seed->search().x_hat);
}

TEST(LayerCapture, TakesEveryPositionOnceWhereThereIsRoom) {
  const CaptureExample example(2);
  const auto capture = example.Make({.max_search_columns = 8192});
  example.Capture(*capture, 0);
  example.Capture(*capture, 1);
  EXPECT_EQ(capture->search().num_samples, 36);
  std::set<float> first_row(capture->search().RowTarget(0), capture->search().RowTarget(0) + 36);
  EXPECT_EQ(first_row.size(), 36u);
}

TEST(LayerCapture, DrawsOfWholeImagesSayHowManyColumnsTheyHold) {
  const CaptureExample example(8);
  const auto capture = example.Make({.max_search_columns = 1, .positions_per_draw = 9});
  EXPECT_EQ(capture->search().columns_per_draw, 9);
  EXPECT_EQ(capture->search().num_samples, 6 * 9);
}

TEST(LayerCapture, NumbersThatAreNotFiniteNameLayerAndSample) {
  const CaptureExample example(4);
  const auto capture = example.Make({64, 16, 0});
  Tensor bad = Tensor::Zeros(DType::kFloat32, {1, 4, 6, 6});
  std::fill_n(bad.mutable_data<float>(), 144, std::numeric_limits<float>::quiet_NaN());
  testing::ExpectErrorWith(ErrorCode::kNumerical, {"'y'", "sample 3"},
                           [&] { capture->CaptureTarget(3, bad); });
  testing::ExpectErrorWith(ErrorCode::kNumerical, {"'y'", "sample 2"},
                           [&] { capture->CaptureInput(2, bad); });
}

}  // namespace
}  // namespace adaround
