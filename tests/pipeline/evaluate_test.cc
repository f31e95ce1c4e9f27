#include "adaround/pipeline/evaluate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

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
    0, 1, 2, 3, 4, 5, 6,  // class 6 leads, then 5, 4, 3, 2
    9, 1, 2, 3, 4, 5, 6,  // class 0 leads, then 6, 5, 4, 3
    7, 7, 2, 3, 4, 5, 6,  // a tie: the first of equals is the prediction
    0, 0, 0, 0, 0, 0, 0,  // all equal
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

TEST(ReferenceOutputs, AreMeasuredByLabelsWhetherOrNotTheyAreKept) {
  const Graph model = ShiftModel(std::vector<float>(7, 0.0F));
  const CalibrationSet samples = Samples(model, {4, 7}, kScores);
  const Labels labels = Classes({6, 2, 1, 6});
  constexpr int64_t kBytes = 4 * 7 * sizeof(float);
  for (const int64_t max_bytes : {kBytes, kBytes - 1}) {
    ReferenceOutputs outputs(model, "logits", samples, max_bytes);
    EXPECT_EQ(outputs.KeptBytes(), max_bytes == kBytes ? kBytes : 0);
    for (int repeat = 0; repeat < 2; ++repeat) {
      const Evaluation evaluation = outputs.Evaluate(&labels, 2);
      EXPECT_EQ(evaluation.accuracy->top1, 25.0);
      EXPECT_EQ(evaluation.accuracy->top5, 50.0);
      EXPECT_FALSE(evaluation.distance.has_value());
    }
  }
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
    agreeing +=
        std::max_element(wanted, wanted + 3) - wanted == std::max_element(found, found + 3) - found
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
  const Evaluation evaluation =
      EvaluateModel(model, &reference, Samples(model, {1, 2, 3}, {1, 3, 0, 0, 0, 1}), nullptr, 1);
  EXPECT_NEAR(evaluation.distance->agreement, 200.0 / 3, 1e-9);
}

class InMemoryMaps final : public LabelMaps {
 public:
  explicit InMemoryMaps(std::vector<Tensor> maps) : maps_(std::move(maps)) {}
  int64_t num_samples() const override { return static_cast<int64_t>(maps_.size()); }
  Tensor Read(int64_t sample) const override { return maps_[static_cast<size_t>(sample)]; }
  std::string Describe(int64_t sample) const override { return "map" + std::to_string(sample); }

 private:
  std::vector<Tensor> maps_;
};

// Every sample's map has the same extent; `classes` holds them one after the other.
Labels Maps(int64_t height, int64_t width, const std::vector<int64_t>& classes) {
  std::vector<Tensor> maps;
  const auto area = static_cast<size_t>(height * width);
  for (size_t begin = 0; begin < classes.size(); begin += area) {
    const auto at = classes.begin() + static_cast<int64_t>(begin);
    maps.push_back(Tensor::FromVector<int64_t>(
        {height, width}, std::vector<int64_t>(at, at + static_cast<int64_t>(area))));
  }
  Labels labels;
  labels.maps = std::make_shared<InMemoryMaps>(std::move(maps));
  return labels;
}

// Intersection over union class by class, by sets of pixels.
Segmentation NaiveSegmentation(const std::vector<int64_t>& predicted,
                               const std::vector<int64_t>& labels) {
  std::map<int64_t, std::pair<int, int>> intersection_and_union;
  int right = 0;
  int counted = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] == 255) continue;
    ++counted;
    right += predicted[i] == labels[i] ? 1 : 0;
    for (const int64_t c : std::set<int64_t>{predicted[i], labels[i]}) {
      intersection_and_union[c].first += predicted[i] == labels[i] ? 1 : 0;
      ++intersection_and_union[c].second;
    }
  }
  double sum = 0;
  for (const auto& [c, counts] : intersection_and_union) {
    sum += static_cast<double>(counts.first) / counts.second;
  }
  return {100 * sum / static_cast<double>(intersection_and_union.size()), 100.0 * right / counted};
}

// Scores [2, 4, 3, 5] of classes that take turns to lead, and labels that agree in about half of
// the pixels.
struct MapExample {
  std::vector<float> scores = testing::RandomFloats(2 * 4 * 15, 11);
  std::vector<int64_t> predicted;  // of the unshifted model
  std::vector<int64_t> labels;

  MapExample() {
    for (size_t sample = 0; sample < 2; ++sample) {
      for (size_t i = 0; i < 15; ++i) {
        size_t best = 0;
        for (size_t c = 1; c < 4; ++c) {
          if (scores[(sample * 4 + c) * 15 + i] > scores[(sample * 4 + best) * 15 + i]) best = c;
        }
        predicted.push_back(static_cast<int64_t>(best));
        labels.push_back(i % 5 == 4 ? 255 : static_cast<int64_t>(i % 2 == 0 ? best : (i / 2) % 3));
      }
    }
  }
};

TEST(EvaluateModel, MapsOfClassesAreMeasuredByPixel) {
  const MapExample example;
  const Graph reference = ShiftModel({0, 0, 0, 0}, {-1, 4, 3, 5});
  // Class 3 never leads any more.
  const Graph model = ShiftModel({0, 0, 0, -9}, {-1, 4, 3, 5});
  std::vector<int64_t> shifted;
  for (size_t sample = 0; sample < 2; ++sample) {
    for (size_t i = 0; i < 15; ++i) {
      size_t best = 0;
      for (size_t c = 1; c < 3; ++c) {
        if (example.scores[(sample * 4 + c) * 15 + i] >
            example.scores[(sample * 4 + best) * 15 + i]) {
          best = c;
        }
      }
      shifted.push_back(static_cast<int64_t>(best));
    }
  }
  const Labels labels = Maps(3, 5, example.labels);
  for (const int num_threads : {1, 2}) {
    const Evaluation evaluation = EvaluateModel(
        model, &reference, Samples(model, {2, 4, 3, 5}, example.scores), &labels, num_threads);
    const Segmentation found = NaiveSegmentation(shifted, example.labels);
    const Segmentation wanted = NaiveSegmentation(example.predicted, example.labels);
    ASSERT_NE(found.miou, wanted.miou);
    EXPECT_NEAR(evaluation.segmentation->miou, found.miou, 1e-9);
    EXPECT_NEAR(evaluation.segmentation->pixel_accuracy, found.pixel_accuracy, 1e-9);
    EXPECT_NEAR(evaluation.reference_segmentation->miou, wanted.miou, 1e-9);
    EXPECT_NEAR(evaluation.reference_segmentation->pixel_accuracy, wanted.pixel_accuracy, 1e-9);
    EXPECT_FALSE(evaluation.accuracy.has_value());
    EXPECT_TRUE(evaluation.notes.empty());
  }
}

TEST(EvaluateModel, ScoresAreInterpolatedToTheLabels) {
  constexpr int height = 7;  // of scores 3 x 5
  constexpr int width = 12;
  const MapExample example;
  std::vector<int64_t> predicted;
  for (size_t sample = 0; sample < 2; ++sample) {
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        // Half-pixel coordinates: the value between four neighbours, edges repeated.
        const double at_y = std::clamp((y + 0.5) * 3 / height - 0.5, 0.0, 2.0);
        const double at_x = std::clamp((x + 0.5) * 5 / width - 0.5, 0.0, 4.0);
        double best = -1e9;
        int64_t best_class = 0;
        for (int64_t c = 0; c < 4; ++c) {
          double value = 0;
          for (int64_t v = 0; v < 3; ++v) {
            for (int64_t u = 0; u < 5; ++u) {
              value +=
                  std::max(0.0, 1 - std::abs(at_y - static_cast<double>(v))) *
                  std::max(0.0, 1 - std::abs(at_x - static_cast<double>(u))) *
                  static_cast<double>(example.scores[(sample * 4 + static_cast<size_t>(c)) * 15 +
                                                     static_cast<size_t>(v * 5 + u)]);
            }
          }
          if (value > best) best_class = c;
          best = std::max(best, value);
        }
        predicted.push_back(best_class);
      }
    }
  }
  std::vector<int64_t> labels;
  for (size_t i = 0; i < predicted.size(); ++i) labels.push_back(i % 3 == 0 ? 1 : predicted[i]);
  const Graph model = ShiftModel({0, 0, 0, 0}, {-1, 4, 3, 5});
  const Labels maps = Maps(height, width, labels);
  const Evaluation evaluation =
      EvaluateModel(model, nullptr, Samples(model, {2, 4, 3, 5}, example.scores), &maps, 1);
  const Segmentation wanted = NaiveSegmentation(predicted, labels);
  EXPECT_NEAR(evaluation.segmentation->miou, wanted.miou, 1e-9);
  EXPECT_NEAR(evaluation.segmentation->pixel_accuracy, wanted.pixel_accuracy, 1e-9);
}

// The model's classes, as ArgMax over its scores gives them.
Graph WithArgMax(Graph graph, int64_t keep_dimension) {
  graph.nodes.push_back(testing::Op("ArgMax", {"logits"}, {"classes"},
                                    {{"axis", int64_t{1}}, {"keepdims", keep_dimension}}));
  graph.outputs = {"classes"};
  return graph;
}

TEST(EvaluateModel, ClassesWithoutScoresAreMeasuredAsFarAsTheyGo) {
  const MapExample example;
  const Labels maps = Maps(3, 5, example.labels);
  const Graph scores = ShiftModel({0, 0, 0.7F, 0}, {-1, 4, 3, 5});
  const Graph reference = ShiftModel({0, 0, 0, 0}, {-1, 4, 3, 5});
  const auto samples = [&](const Graph& graph) {
    return Samples(graph, {2, 4, 3, 5}, example.scores);
  };
  const Evaluation wanted = EvaluateModel(scores, &reference, samples(scores), &maps, 1);
  ASSERT_LT(wanted.distance->agreement, 100.0);
  for (const int64_t keep_dimension : {0, 1}) {
    const Graph model = WithArgMax(scores, keep_dimension);
    const Graph other = WithArgMax(reference, keep_dimension);
    const Evaluation found = EvaluateModel(model, &other, samples(model), &maps, 1);
    EXPECT_EQ(found.segmentation->miou, wanted.segmentation->miou);
    EXPECT_EQ(found.reference_segmentation->pixel_accuracy,
              wanted.reference_segmentation->pixel_accuracy);
    EXPECT_EQ(found.distance->agreement, wanted.distance->agreement);
    EXPECT_FALSE(found.distance->sqnr_db.has_value());
    EXPECT_FALSE(found.distance->kl_divergence.has_value());
    ASSERT_EQ(found.notes.size(), 1u);
    EXPECT_NE(found.notes[0].find("SQNR"), std::string::npos);
  }
  const Graph classifier = WithArgMax(ShiftModel({0, 0, 0}), 0);
  const Labels classes = Classes({2, 1});
  const Evaluation evaluation = EvaluateModel(
      classifier, nullptr, Samples(classifier, {2, 3}, {1, 2, 3, 3, 2, 1}), &classes, 1);
  EXPECT_EQ(evaluation.accuracy->top1, 50.0);
  EXPECT_FALSE(evaluation.accuracy->top5.has_value());
}

TEST(EvaluateModel, ChannelsLastInputsGiveChannelsLastScores) {
  // Scores [1, 2, 4, 3] of 3 classes, and the same values with the classes in front.
  const std::vector<float> last = testing::RandomFloats(24, 5);
  std::vector<float> first(24);
  std::vector<int64_t> labels;
  for (size_t i = 0; i < 8; ++i) {
    for (size_t c = 0; c < 3; ++c) first[c * 8 + i] = last[i * 3 + c];
    labels.push_back(static_cast<int64_t>(i % 3));
  }
  Graph model;
  model.inputs = {testing::FloatInput("x", {-1, 2, 4, 3})};
  model.nodes = {testing::Op("Identity", {"x"}, {"logits"})};
  model.outputs = {"logits"};
  Graph planes = model;
  planes.inputs[0].shape = {-1, 3, 2, 4};
  const Labels maps = Maps(2, 4, labels);
  const Evaluation found =
      EvaluateModel(model, &model, Samples(model, {1, 2, 4, 3}, last), &maps, 1);
  const Evaluation wanted =
      EvaluateModel(planes, &planes, Samples(planes, {1, 3, 2, 4}, first), &maps, 1);
  EXPECT_EQ(found.num_classes, 3);
  EXPECT_EQ(found.segmentation->miou, wanted.segmentation->miou);
  EXPECT_LT(found.segmentation->miou, 100.0);
}

TEST(EvaluateModel, MapsThatDoNotFitAreRefused) {
  const Graph scores = ShiftModel({0, 0}, {-1, 2, 1, 2});
  const auto run = [](const Graph& graph, Shape shape, const Labels& labels) {
    const auto count = static_cast<size_t>(NumElements(shape));
    EvaluateModel(graph, nullptr, Samples(graph, shape, std::vector<float>(count, 1.0F)), &labels,
                  1);
  };
  ExpectErrorWith(ErrorCode::kMalformed, {"label 2", "map0", "2 classes"}, [&] {
    run(scores, {1, 2, 1, 2}, Maps(1, 2, {0, 2}));
  });
  ExpectErrorWith(ErrorCode::kMalformed, {"ignored"}, [&] {
    run(scores, {1, 2, 1, 2}, Maps(1, 2, {255, 255}));
  });
  ExpectErrorWith(ErrorCode::kMalformed, {"1 labels", "2 samples"}, [&] {
    run(scores, {2, 2, 1, 2}, Maps(1, 2, {0, 1}));
  });
  ExpectErrorWith(ErrorCode::kUnsupported, {"maps", "[1, classes]"}, [&] {
    run(ShiftModel({0, 0}), {1, 2}, Maps(1, 2, {0, 1}));
  });
  ExpectErrorWith(ErrorCode::kUnsupported, {"map0", "3x1", "2x1"}, [&] {
    run(WithArgMax(scores, 0), {1, 2, 1, 2}, Maps(1, 3, {0, 1, 1}));
  });
  ExpectErrorWith(ErrorCode::kUnsupported, {"2 positions", "label maps"}, [&] {
    run(scores, {1, 2, 1, 2}, Classes({0}));
  });
}

TEST(EvaluateModel, SubFoldersThatAreNoClassesArePassedOver) {
  const Graph model = ShiftModel({0, 0, 0});
  Labels labels = Classes({2, 1});
  labels.from_folders = true;
  const auto evaluate = [&](const Graph& graph, Shape shape) {
    const auto count = static_cast<size_t>(NumElements(shape));
    std::vector<float> values(count, 0.0F);
    values.front() = 1.0F;
    const CalibrationSet samples = Samples(graph, shape, values);
    CheckLabels(graph, samples, labels);
    return EvaluateModel(graph, nullptr, samples, &labels, 2);
  };
  labels.num_placed_folders = 3;
  EXPECT_EQ(evaluate(model, {2, 3}).accuracy->top1, 0.0);
  labels.num_placed_folders = 2;
  const Evaluation placed = evaluate(model, {2, 3});
  EXPECT_FALSE(placed.accuracy.has_value());
  ASSERT_EQ(placed.notes.size(), 1u);
  EXPECT_NE(placed.notes[0].find("2 for 3 classes"), std::string::npos);
  labels.num_placed_folders.reset();
  const Evaluation map = evaluate(ShiftModel({0, 0}, {-1, 2, 3}), {2, 2, 3});
  EXPECT_FALSE(map.accuracy.has_value());
  EXPECT_EQ(map.notes.size(), 1u);
}

TEST(CheckLabels, RefusesWhatOneSampleShows) {
  const Graph model = ShiftModel({0, 0, 0});
  const CalibrationSet samples = Samples(model, {2, 3}, {1, 2, 3, 3, 2, 1});
  EXPECT_NO_THROW(CheckLabels(model, samples, Classes({2, 0})));
  ExpectErrorWith(ErrorCode::kMalformed, {"label 3", "sample 1", "3 classes"}, [&] {
    CheckLabels(model, samples, Classes({2, 3}));
  });
  ExpectErrorWith(ErrorCode::kMalformed, {"1 labels", "2 samples"},
                  [&] { CheckLabels(model, samples, Classes({2})); });
  ExpectErrorWith(ErrorCode::kUnsupported, {"maps"}, [&] {
    CheckLabels(model, samples, Maps(1, 1, {0, 1}));
  });
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
    return ReachesOutput(
        graph, CalibrationSet(GivenList(Given(name, Floats({2, 2}, {1, 2, 3, 4}))), graph));
  };
  EXPECT_TRUE(reaches("raw"));
  EXPECT_TRUE(reaches("x"));
  graph.nodes.push_back(testing::Op("Relu", {"raw"}, {"aside"}));
  EXPECT_FALSE(reaches("aside"));
}

}  // namespace
}  // namespace adaround
