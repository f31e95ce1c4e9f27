#include "adaround/pipeline/calibration_set.h"

#include <gtest/gtest.h>

#include "support/error_testing.h"
#include "support/graph_testing.h"
#include "support/in_memory_source.h"

namespace adaround {
namespace {

using testing::ExpectErrorWith;
using testing::Given;
using testing::GivenList;
using testing::RandomTensor;

Graph ExampleGraph() {
  Graph graph;
  graph.inputs = {testing::FloatInput("image", {-1, 3, 2, 2}),
                  testing::FloatInput("plain", {-1, 4})};
  Preprocess preprocess;
  preprocess.scale = 1 / 255.0;
  preprocess.mean = {0.1, 0.2, 0.3};
  preprocess.std = {0.5, 0.25, 2.0};
  graph.inputs[0].preprocess = preprocess;
  graph.nodes = {testing::Op("Relu", {"plain"}, {"r"})};
  graph.outputs = {"r"};
  return graph;
}

Tensor Pixels(int64_t count) {
  std::vector<uint8_t> pixels;
  for (int64_t i = 0; i < count * 12; ++i) pixels.push_back(static_cast<uint8_t>(i * 37 % 256));
  return Tensor::FromVector<uint8_t>({count, 3, 2, 2}, pixels);
}

TEST(CalibrationSet, PreprocessesPixels) {
  const Tensor pixels = Pixels(3);
  const CalibrationSet samples(GivenList(Given("image", pixels)), ExampleGraph());
  ASSERT_EQ(samples.num_samples(), 3);
  const double mean[] = {0.1, 0.2, 0.3};
  const double std[] = {0.5, 0.25, 2.0};
  for (int64_t sample = 0; sample < 3; ++sample) {
    const Tensor values = samples.FloatSample("image", sample);
    ASSERT_EQ(values.shape(), (Shape{1, 3, 2, 2}));
    for (int64_t i = 0; i < 12; ++i) {
      const double pixel = pixels.data<uint8_t>()[sample * 12 + i];
      EXPECT_FLOAT_EQ(values.data<float>()[i],
                      static_cast<float>((pixel / 255 - mean[i / 4]) / std[i / 4]));
    }
  }
}

TEST(CalibrationSet, PreprocessesPixelsWhoseChannelsAreLast) {
  Graph graph = ExampleGraph();
  graph.inputs[0].shape = {-1, 2, 2, 3};
  const Tensor pixels = Pixels(2).Reshaped({2, 2, 2, 3});
  const CalibrationSet samples(GivenList(Given("image", pixels)), graph);
  const Preprocess& preprocess = *graph.inputs[0].preprocess;
  for (int64_t sample = 0; sample < 2; ++sample) {
    const Tensor values = samples.FloatSample("image", sample);
    for (int64_t i = 0; i < 12; ++i) {
      const auto c = static_cast<size_t>(i % 3);
      const double pixel = pixels.data<uint8_t>()[sample * 12 + i];
      EXPECT_FLOAT_EQ(values.data<float>()[i],
                      static_cast<float>((pixel / 255 - preprocess.mean[c]) / preprocess.std[c]));
    }
  }
}

TEST(CalibrationSet, ArraysMustBeCroppedAndOrderedButPicturesAreAlready) {
  const auto check = [](bool from_images, Shape shape, auto change) {
    Graph graph = ExampleGraph();
    graph.inputs[0].shape = {-1, -1, -1, -1};
    change(*graph.inputs[0].preprocess);
    std::vector<CalibrationTensor> tensors =
        GivenList(Given("image", Tensor::Zeros(DType::kUInt8, std::move(shape))));
    tensors[0].from_images = from_images;
    CalibrationSet(std::move(tensors), graph);
  };
  const auto blue_first = [](Preprocess& p) { p.channel_order = "BGR"; };
  const auto crop_3 = [](Preprocess& p) { p.crop = 3; };
  ExpectErrorWith(ErrorCode::kUnsupported, {"'BGR'", "folder of JPEG"},
                  [&] { check(false, {1, 3, 2, 2}, blue_first); });
  EXPECT_NO_THROW(check(true, {1, 3, 2, 2}, blue_first));
  ExpectErrorWith(ErrorCode::kMalformed, {"[1, 3, 3, 2]", "crops to 3"},
                  [&] { check(false, {1, 3, 3, 2}, crop_3); });
  EXPECT_NO_THROW(check(false, {1, 3, 3, 3}, crop_3));
  EXPECT_NO_THROW(check(false, {1, 3, 3, 3}, [](Preprocess& p) { p.channel_order = "rgb"; }));
  ExpectErrorWith(ErrorCode::kMalformed, {"[1, 2, 3, 3]", "crops to 3"},
                  [&] { check(false, {1, 2, 3, 3}, crop_3); });
}

TEST(CalibrationSet, OneMeanServesAllChannels) {
  Graph graph = ExampleGraph();
  graph.inputs[0].preprocess->mean = {0.5};
  graph.inputs[0].preprocess->std = {1.0};
  const CalibrationSet samples(GivenList(Given("image", Pixels(2))), graph);
  EXPECT_FLOAT_EQ(samples.FloatSample("image", 0).data<float>()[11], 407 % 256 / 255.0F - 0.5F);
}

TEST(CalibrationSet, FloatsPassAndQuantizedValuesDefaultToThem) {
  const Tensor x = RandomTensor({5, 4}, 1);
  const Tensor x_hat = RandomTensor({5, 4}, 2);
  const CalibrationSet one(GivenList(Given("plain", x)), ExampleGraph());
  const CalibrationSet two(GivenList(Given("plain", x, x_hat)), ExampleGraph());
  for (int64_t sample = 0; sample < 5; ++sample) {
    for (int64_t i = 0; i < 4; ++i) {
      const int64_t at = sample * 4 + i;
      EXPECT_EQ(one.FloatSample("plain", sample).data<float>()[i], x.data<float>()[at]);
      EXPECT_EQ(one.QuantizedSample("plain", sample).data<float>()[i], x.data<float>()[at]);
      EXPECT_EQ(two.FloatSample("plain", sample).data<float>()[i], x.data<float>()[at]);
      EXPECT_EQ(two.QuantizedSample("plain", sample).data<float>()[i], x_hat.data<float>()[at]);
    }
  }
}

TEST(CalibrationSet, ASubsetIsSpreadEvenly) {
  std::vector<float> numbers;
  for (int i = 0; i < 40; ++i) numbers.push_back(static_cast<float>(i / 4));
  const CalibrationSet all(GivenList(Given("plain", Tensor::FromVector<float>({10, 4}, numbers))),
                           ExampleGraph());
  const CalibrationSet spread = all.Spread(5);
  ASSERT_EQ(spread.indices(), (std::vector<int64_t>{0, 2, 4, 6, 8}));
  for (int64_t i = 0; i < 5; ++i) {
    EXPECT_EQ(spread.FloatSample("plain", i).data<float>()[0], static_cast<float>(2 * i));
  }
  // Of a subset, by places in it.
  const CalibrationSet selected = spread.Select({1, 4});
  EXPECT_EQ(selected.indices(), (std::vector<int64_t>{2, 8}));
  EXPECT_EQ(selected.FloatSample("plain", 1).data<float>()[0], 8.0F);
  ExpectErrorWith(ErrorCode::kInvalidArgument, {"10", "11"}, [&] { all.Spread(11); });
}

template <typename Change>
void ExpectRefused(const std::vector<std::string>& fragments, Tensor values, const char* name,
                   Change change, ErrorCode code = ErrorCode::kMalformed) {
  Graph graph = ExampleGraph();
  change(graph);
  ExpectErrorWith(code, fragments, [&] { CalibrationSet(GivenList(Given(name, values)), graph); });
}

TEST(CalibrationSet, WhatDoesNotFitIsRefused) {
  const auto as_is = [](Graph&) {};
  ExpectRefused({"plian.npy", "'plian'", "plain"}, RandomTensor({2, 4}, 1), "plian", as_is);
  ExpectRefused({"plain.npy", "[2, 5]", "4"}, RandomTensor({2, 5}, 1), "plain", as_is);
  ExpectRefused({"plain.npy", "[2, 4, 1]"}, RandomTensor({2, 4, 1}, 1), "plain", as_is);
  ExpectRefused({"image.npy", "[2, 1, 2, 2]"}, RandomTensor({2, 1, 2, 2}, 1), "image", as_is);
  ExpectRefused({"plain.npy", "int32", "float32"}, Tensor::Zeros(DType::kInt32, {2, 4}), "plain",
                as_is);
  ExpectRefused({"plain.npy", "preprocess"}, Tensor::Zeros(DType::kUInt8, {2, 4}), "plain", as_is);
  ExpectRefused({"r.npy", "preprocess"}, Tensor::Zeros(DType::kUInt8, {2, 4}), "r", as_is);
  ExpectRefused({"'image'", "2 values", "3 channels"}, Pixels(2), "image",
                [](Graph& g) { g.inputs[0].preprocess->mean = {0.0, 1.0}; });
  ExpectRefused({"'plain'", "8"}, RandomTensor({8, 4}, 1), "plain",
                [](Graph& g) { g.inputs[1].shape[0] = 8; }, ErrorCode::kUnsupported);
}

TEST(CalibrationSet, TooLittleToCalibrateOnIsRefused) {
  const auto check = [](const Tensor& values) {
    CalibrationSet(GivenList(Given("plain", values)), ExampleGraph()).CheckUsable();
  };
  check(RandomTensor({2, 4}, 1));
  ExpectErrorWith(ErrorCode::kMalformed, {"plain.npy", "one sample"},
                  [&] { check(RandomTensor({1, 4}, 1)); });
  ExpectErrorWith(ErrorCode::kMalformed, {"plain.npy", "same"},
                  [&] { check(Tensor::Zeros(DType::kFloat32, {6, 4})); });
  // The first four of five samples are alike.
  Tensor almost = Tensor::Zeros(DType::kFloat32, {5, 4});
  almost.mutable_data<float>()[19] = 1.0F;
  check(almost);
}

}  // namespace
}  // namespace adaround
