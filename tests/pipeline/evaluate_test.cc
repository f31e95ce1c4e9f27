#include "adaround/pipeline/evaluate.h"

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

// logits = x + shift: the samples are the outputs.
Graph ShiftModel(const std::vector<float>& shift, Shape sample_shape = {}) {
  const auto classes = static_cast<int64_t>(shift.size());
  if (sample_shape.empty()) sample_shape = {-1, classes};
  Graph graph;
  Shape shift_shape(sample_shape.size(), 1);
  shift_shape[1] = classes;
  graph.inputs = {testing::FloatInput("x", std::move(sample_shape))};
  graph.nodes = {testing::Op("Add", {"x", "shift"}, {"logits"})};
  graph.initializers["shift"] = Floats(shift_shape, shift);
  graph.outputs = {"logits"};
  return graph;
}

CalibrationSet Samples(const Graph& graph, Shape shape, const std::vector<float>& values) {
  return CalibrationSet(GivenList(Given("x", Floats(std::move(shape), values))), graph);
}

Labels Classes(std::vector<int64_t> classes) {
  Labels labels;
  labels.classes = std::move(classes);
  return labels;
}

const std::vector<float> kScores = {
    0, 1, 2, 3, 4, 5, 6,    // class 6 leads, then 5, 4, 3, 2
    9, 1, 2, 3, 4, 5, 6,    // class 0 leads, then 6, 5, 4, 3
    7, 7, 2, 3, 4, 5, 6,    // a tie: the first of equals is the prediction
    0, 0, 0, 0, 0, 0, 0,    // all equal
};

TEST(EvaluateModel, CountsTop1AndTop5) {
  const Graph model = ShiftModel(std::vector<float>(7, 0.0F));
  const CalibrationSet samples = Samples(model, {4, 7}, kScores);
  const auto accuracy = [&](std::vector<int64_t> classes) {
    const Labels labels = Classes(std::move(classes));
    const Evaluation evaluation = EvaluateModel(model, nullptr, samples, &labels, 1);
    EXPECT_EQ(evaluation.num_samples, 4);
    EXPECT_EQ(evaluation.num_classes, 7);
    EXPECT_FALSE(evaluation.distance.has_value());
    return std::pair(evaluation.accuracy->top1, evaluation.accuracy->top5.value());
  };
  EXPECT_EQ(accuracy({6, 0, 0, 0}), std::pair(100.0, 100.0));
  EXPECT_EQ(accuracy({5, 6, 1, 1}), std::pair(0.0, 100.0));
  // Fifth places: classes 2, 3, 4 and 4.
  EXPECT_EQ(accuracy({2, 3, 4, 4}), std::pair(0.0, 100.0));
  // Sixth places.
  EXPECT_EQ(accuracy({1, 2, 3, 5}), std::pair(0.0, 0.0));
  EXPECT_EQ(accuracy({6, 2, 1, 6}), std::pair(25.0, 50.0));
}

TEST(EvaluateModel, FewClassesAreAllInTheTop5) {
  const Graph model = ShiftModel({0, 0, 0});
  const CalibrationSet samples = Samples(model, {2, 3}, {1, 2, 3, 3, 2, 1});
  const Labels labels = Classes({0, 0});
  const Evaluation evaluation = EvaluateModel(model, nullptr, samples, &labels, 2);
  EXPECT_EQ(evaluation.accuracy->top1, 50.0);
  EXPECT_EQ(evaluation.accuracy->top5, 100.0);
}

TEST(EvaluateModel, DistanceMatchesNaiveNumbers) {
  const std::vector<float> shift = {0.5F, -1.0F, 2.0F};
  const Graph model = ShiftModel(shift);
  const Graph reference = ShiftModel({0, 0, 0});
  const std::vector<float> values = {1, 2, 3, 3, 1, 2.5F, -1, 0, -0.5F};
  double signal = 0.0;
  double noise = 0.0;
  double divergence = 0.0;
  int agreeing = 0;
  for (size_t sample = 0; sample < 3; ++sample) {
    double wanted[3];
    double found[3];
    double wanted_sum = 0.0;
    double found_sum = 0.0;
    for (size_t c = 0; c < 3; ++c) {
      wanted[c] = values[sample * 3 + c];
      found[c] = wanted[c] + static_cast<double>(shift[c]);
      signal += wanted[c] * wanted[c];
      noise += (found[c] - wanted[c]) * (found[c] - wanted[c]);
      wanted_sum += std::exp(wanted[c]);
      found_sum += std::exp(found[c]);
    }
    for (size_t c = 0; c < 3; ++c) {
      const double p = std::exp(wanted[c]) / wanted_sum;
      divergence += p * std::log(p / (std::exp(found[c]) / found_sum)) / 3;
    }
    agreeing += std::max_element(wanted, wanted + 3) - wanted ==
                        std::max_element(found, found + 3) - found
                    ? 1
                    : 0;
  }
  ASSERT_EQ(agreeing, 1);  // else the example proves little
  const CalibrationSet samples = Samples(model, {3, 3}, values);
  const Labels labels = Classes({2, 0, 1});
  const Evaluation evaluation = EvaluateModel(model, &reference, samples, &labels, 1);
  EXPECT_NEAR(evaluation.distance->sqnr_db.value(), 10 * std::log10(signal / noise), 1e-5);
  EXPECT_NEAR(evaluation.distance->kl_divergence.value(), divergence, 1e-6);
  EXPECT_NEAR(evaluation.distance->agreement, 100.0 / 3, 1e-9);
  EXPECT_EQ(evaluation.reference_accuracy->top1, 100.0);
  EXPECT_NEAR(evaluation.accuracy->top1, 100.0 / 3, 1e-9);
  const Evaluation threaded = EvaluateModel(model, &reference, samples, &labels, 2);
  EXPECT_EQ(threaded.distance->kl_divergence, evaluation.distance->kl_divergence);
}

TEST(EvaluateModel, EqualNetworksAreAtNoDistance) {
  const Graph model = ShiftModel({1, 2, 3});
  const Evaluation evaluation = EvaluateModel(
      model, &model, Samples(model, {2, 3}, {1e30F, 0, 0, -1e3F, 1e3F, 0}), nullptr, 1);
  EXPECT_TRUE(std::isinf(evaluation.distance->sqnr_db.value()));
  EXPECT_EQ(evaluation.distance->agreement, 100.0);
  EXPECT_EQ(evaluation.distance->kl_divergence, 0.0);
}

TEST(EvaluateModel, EveryPositionOfAMapCounts) {
  // Two classes at three positions; the shift turns the winner where the lead is below 2.
  const Graph reference = ShiftModel({0, 0}, {-1, 2, 3});
  const Graph model = ShiftModel({0, 2}, {-1, 2, 3});
  const Evaluation evaluation = EvaluateModel(
      model, &reference, Samples(model, {1, 2, 3}, {1, 3, 0, 0, 0, 1}), nullptr, 1);
  EXPECT_NEAR(evaluation.distance->agreement, 200.0 / 3, 1e-9);
}

TEST(EvaluateModel, LabelsThatDoNotFitAreRefused) {
  const Graph model = ShiftModel({0, 0, 0});
  const CalibrationSet samples = Samples(model, {2, 3}, {1, 2, 3, 3, 2, 1});
  const auto run = [&](std::vector<int64_t> classes) {
    const Labels labels = Classes(std::move(classes));
    EvaluateModel(model, nullptr, samples, &labels, 1);
  };
  ExpectErrorWith(ErrorCode::kMalformed, {"1", "2"}, [&] { run({0}); });
  ExpectErrorWith(ErrorCode::kMalformed, {"3", "sample 1", "3 classes"}, [&] { run({0, 3}); });
  ExpectErrorWith(ErrorCode::kMalformed, {"-1", "sample 0"}, [&] { run({-1, 0}); });
}

TEST(EvaluateModel, ModelsThatDoNotFitAreRefused) {
  const Graph model = ShiftModel({0, 0});
  Graph other = model;
  other.outputs = {"other"};
  other.nodes[0].outputs = {"other"};
  const CalibrationSet samples = Samples(model, {2, 2}, {1, 2, 3, 3});
  ExpectErrorWith(ErrorCode::kMalformed, {"'logits'"},
                  [&] { EvaluateModel(model, &other, samples, nullptr, 1); });
  const Labels labels = Classes({0});
  const Graph map = ShiftModel({0, 0}, {-1, 2, 3});
  ExpectErrorWith(ErrorCode::kUnsupported, {"3 positions"}, [&] {
    EvaluateModel(map, nullptr, Samples(map, {1, 2, 3}, {1, 3, 0, 0, 0, 1}), &labels, 1);
  });
}

TEST(ReachesOutput, SaysWhetherTheDataSuffices) {
  Graph graph = ShiftModel({0, 0});
  graph.nodes.insert(graph.nodes.begin(), testing::Op("Relu", {"raw"}, {"x"}));
  graph.inputs[0].name = "raw";
  const auto reaches = [&](const char* name) {
    return ReachesOutput(graph, CalibrationSet(
        GivenList(Given(name, Floats({2, 2}, {1, 2, 3, 4}))), graph));
  };
  EXPECT_TRUE(reaches("raw"));
  EXPECT_TRUE(reaches("x"));
  graph.nodes.push_back(testing::Op("Relu", {"raw"}, {"aside"}));
  EXPECT_FALSE(reaches("aside"));
}

}  // namespace
}  // namespace adaround
