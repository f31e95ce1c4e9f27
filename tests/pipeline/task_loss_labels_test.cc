#include "pipeline/task_loss_hessian.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "support/error_testing.h"
#include "support/small_networks.h"
#include "support/task_loss_testing.h"

namespace adaround {
namespace {

using Example = testing::TaskLossExample;
using testing::Difference;
using testing::ExpectErrorWith;
using testing::Given;
using testing::GivenList;
using testing::IntegersOf;
using testing::QuickQuantizeOptions;
using testing::RandomTensor;
using testing::SmallClassifier;
using testing::SmallConvNet;
using testing::SmallMapNet;
using testing::Softmax;

// Mean over samples, and over the labelled positions of each, of g g^T, g from central differences
// of -log p_label; in the weight tensor's order. `labels`: [samples][positions]; of several,
// kIgnoredClass does not count.
std::vector<double> ExplicitFisher(const Example& example, int64_t classes,
                                   const std::vector<std::vector<int64_t>>& labels) {
  const auto size =
      static_cast<size_t>(example.network.graph.initializers.at(example.weight()).num_elements());
  const double step = 1e-2;
  std::vector<double> h(size * size, 0.0);
  for (const int64_t sample : example.all) {
    const std::vector<int64_t>& own = labels[static_cast<size_t>(sample)];
    const size_t positions = own.size();
    const auto losses = [&](const std::vector<double>& change) {
      const std::vector<double> z = example.Logits(sample, change);
      std::vector<double> result;
      for (size_t position = 0; position < positions; ++position) {
        std::vector<double> scores;
        for (size_t c = 0; c < static_cast<size_t>(classes); ++c) {
          scores.push_back(z[c * positions + position]);
        }
        const bool counts = positions == 1 || own[position] != kIgnoredClass;
        result.push_back(counts ? -std::log(Softmax(scores)[static_cast<size_t>(own[position])])
                                : 0.0);
      }
      return result;
    };
    std::vector<std::vector<double>> gradients;  // [weights][positions]
    for (size_t k = 0; k < size; ++k) {
      std::vector<double> change(size, 0.0);
      change[k] = step;
      std::vector<double> slopes = losses(change);
      change[k] = -step;
      const std::vector<double> minus = losses(change);
      for (size_t i = 0; i < positions; ++i) slopes[i] = (slopes[i] - minus[i]) / (2 * step);
      gradients.push_back(std::move(slopes));
    }
    const int64_t ignored =
        positions == 1 ? 0 : std::count(own.begin(), own.end(), kIgnoredClass);
    const double counted = static_cast<double>(positions) - static_cast<double>(ignored);
    for (size_t i = 0; i < size && counted > 0; ++i) {
      for (size_t j = 0; j < size; ++j) {
        for (size_t position = 0; position < positions; ++position) {
          h[i * size + j] += gradients[i][position] * gradients[j][position] /
                             (counted * static_cast<double>(labels.size()));
        }
      }
    }
  }
  return h;
}

class MapsInMemory final : public LabelMaps {
 public:
  MapsInMemory(std::vector<std::vector<int64_t>> maps, int64_t side)
      : maps_(std::move(maps)), side_(side) {}
  int64_t num_samples() const override { return static_cast<int64_t>(maps_.size()); }
  Tensor Read(int64_t sample) const override {
    const std::vector<int64_t>& values = maps_[static_cast<size_t>(sample)];
    Tensor map(DType::kInt64, {side_, side_});
    std::copy(values.begin(), values.end(), map.mutable_data<int64_t>());
    return map;
  }
  std::string Describe(int64_t sample) const override { return "map " + std::to_string(sample); }

 private:
  std::vector<std::vector<int64_t>> maps_;
  int64_t side_;
};

Labels ClassLabels(std::vector<int64_t> classes) {
  Labels labels;
  labels.classes = std::move(classes);
  return labels;
}

Labels MapLabels(std::vector<std::vector<int64_t>> maps, int64_t side) {
  Labels labels;
  labels.maps = std::make_shared<MapsInMemory>(std::move(maps), side);
  return labels;
}

TEST(TaskLossHessian, LabelsGiveTheEmpiricalFisherMatrix) {
  // More classes than are drawn without labels, too; the class 255 is no map's ignored class here.
  for (const int64_t classes : {4, 260}) {
    Example example(SmallClassifier(classes), "^hidden$", RandomTensor({4, 5}, 9));
    const std::vector<int64_t> labels = {0, 2, classes == 260 ? 255 : 3, 2};
    example.options.task_hessian.labels = ClassLabels(labels);
    const std::vector<double> wanted =
        ExplicitFisher(example, classes, {{labels[0]}, {labels[1]}, {labels[2]}, {labels[3]}});
    const TaskLossHessian hessian = example.Hessian();
    const std::vector<float> h = hessian.Matrix(example.all, 2, {});
    EXPECT_LT(Difference(h, wanted), 1e-3);
    const std::vector<float> v = testing::RandomFloats(20, 7);
    double form = 0.0;
    for (size_t i = 0; i < 20; ++i) {
      for (size_t j = 0; j < 20; ++j) form += double{v[i]} * wanted[i * 20 + j] * double{v[j]};
    }
    EXPECT_NEAR(hessian.PredictedRises(example.all, {v}, 1, {})[0], form / 2, 2e-3 * form);
  }
}

TEST(TaskLossHessian, LabelsFollowTheSamplesThatAreKept) {
  Graph graph = SmallClassifier(4);
  const Tensor inputs = RandomTensor({7, 5}, 9);
  const Labels labels = ClassLabels({0, 1, 2, 3, 0, 3, 1});
  const CalibrationSet thin = CalibrationSet(GivenList(Given("input", inputs)), graph).Spread(3);
  ASSERT_EQ(thin.indices(), (std::vector<int64_t>{0, 2, 4}));
  QuantizeOptions options = Example::OptionsFor("^hidden$");
  options.task_hessian.labels = SelectLabels(labels, thin.indices());
  const PreparedNetwork network = PrepareNetwork(graph, thin, options, nullptr);
  const Executor executor(network.run_graph);
  const TaskLossHessian hessian(network, executor, thin, options.task_hessian, options.seed);
  Example all(graph, "^hidden$", inputs);
  all.options.task_hessian.labels = labels;
  EXPECT_EQ(hessian.Matrix({0, 1, 2}, 1, {}), all.Hessian().Matrix({0, 2, 4}, 1, {}));
}

TEST(TaskLossHessian, LabelMapsAverageOverTheirLabelledPositions) {
  Example example(SmallMapNet(), "^hidden$", RandomTensor({4, 2, 2, 2}, 3, -2.0F, 2.0F));
  constexpr int64_t kNone = kIgnoredClass;
  // One position counts at most: its sign leaves the product alone, and nothing is estimated.
  std::vector<std::vector<int64_t>> maps = {
      {kNone, 2, kNone, kNone}, {0, kNone, kNone, kNone}, {kNone, kNone, kNone, kNone},
      {kNone, kNone, kNone, 1}};
  example.options.task_hessian.labels = MapLabels(maps, 2);
  EXPECT_LT(Difference(example.Hessian().Matrix(example.all, 2, {}),
                       ExplicitFisher(example, 3, maps)),
            1e-3);
  maps = {{0, 2, kNone, 1}, {2, 2, 2, 2}, {kNone, kNone, kNone, kNone}, {1, 0, 0, kNone}};
  example.options.task_hessian.labels = MapLabels(maps, 2);
  example.options.task_hessian.num_drawn_classes = 1000;
  const std::vector<float> h = example.Hessian().Matrix(example.all, 2, {});
  // Three samples with 1,000 draws: 1 / sqrt(3000) = 1.8 % of noise, and four times that allowed.
  EXPECT_LT(Difference(h, ExplicitFisher(example, 3, maps)), 0.08);
  EXPECT_EQ(h, example.Hessian().Matrix(example.all, 1, {}));
}

TEST(TaskLossHessian, LabelMapsCountByThePixelAtThePositionsCentre) {
  Example example(SmallMapNet(), "^hidden$", RandomTensor({2, 2, 2, 2}, 3, -2.0F, 2.0F));
  const std::vector<std::vector<int64_t>> centres = {{0, 2, 1, 255}, {2, 255, 0, 1}};
  std::vector<std::vector<int64_t>> maps(2, std::vector<int64_t>(36, 1));
  for (size_t sample = 0; sample < 2; ++sample) {
    for (size_t i = 0; i < 4; ++i) {
      maps[sample][(3 * (i / 2) + 1) * 6 + 3 * (i % 2) + 1] = centres[sample][i];
    }
  }
  example.options.task_hessian.labels = MapLabels(maps, 6);
  const std::vector<float> large = example.Hessian().Matrix(example.all, 1, {});
  example.options.task_hessian.labels = MapLabels(centres, 2);
  EXPECT_EQ(large, example.Hessian().Matrix(example.all, 1, {}));
}

TEST(TaskLossHessian, RefusesLabelsThatDoNotFit) {
  Example example(SmallClassifier(3), "^hidden$", RandomTensor({3, 5}, 9));
  const auto refuses = [](Example& refusing, Labels labels, ErrorCode code,
                          const std::vector<std::string>& fragments) {
    refusing.options.task_hessian.labels = std::move(labels);
    ExpectErrorWith(code, fragments, [&] { refusing.Hessian(); });
    ExpectErrorWith(code, fragments,
                    [&] { QuantizeModel(refusing.graph, refusing.samples, refusing.options); });
    ExpectErrorWith(code, fragments, [&] {
      PredictQuantization(refusing.graph, refusing.samples, refusing.options);
    });
  };
  refuses(example, ClassLabels({0, 1}), ErrorCode::kMalformed, {"2 labels for 3 samples"});
  refuses(example, ClassLabels({0, 1, 3}), ErrorCode::kMalformed, {"label 3 of sample 2", "3 cla"});
  refuses(example, ClassLabels({0, -1, 2}), ErrorCode::kMalformed, {"label -1 of sample 1"});
  refuses(example, MapLabels({{0}, {0}, {0}}, 1), ErrorCode::kUnsupported, {"labels are maps"});
  Labels folders = ClassLabels({0, 1, 1});
  folders.from_folders = true;
  folders.num_placed_folders = 2;
  refuses(example, folders, ErrorCode::kUnsupported, {"2 sub-folders", "the network has 3"});
  Example map(SmallMapNet(), "^hidden$", RandomTensor({2, 2, 2, 2}, 3));
  refuses(map, ClassLabels({0, 1}), ErrorCode::kUnsupported, {"4 positions", "label maps"});
  refuses(map, MapLabels({{0, 1, 2, 3}, {0, 0, 0, 0}}, 2), ErrorCode::kMalformed,
          {"label 3 of map 0"});
  // Later maps are looked at as they are needed.
  map.options.task_hessian.labels = MapLabels({{0, 1, 2, 255}, {0, 7, 0, 0}}, 2);
  ExpectErrorWith(ErrorCode::kMalformed, {"label 7 of map 1"},
                  [&] { map.Hessian().Matrix(map.all, 2, {}); });
}

TEST(QuantizeByTaskLoss, ByLabelsWhereTheyAreGiven) {
  const Graph graph = SmallConvNet();
  const CalibrationSet samples(GivenList(Given("input", RandomTensor({40, 3, 8, 8}, 50))), graph);
  QuantizeOptions options = QuickQuantizeOptions();
  options.method = "task-tabu";
  options.bits = 3;
  options.include = {"^stem$"};
  options.fall_back_to_nearest = false;
  const QuantizeResult by_predictions = QuantizeModel(graph, samples, options);
  std::vector<int64_t> classes;
  for (int64_t i = 0; i < 40; ++i) classes.push_back(i * 7 % 5);
  options.task_hessian.labels = ClassLabels(classes);
  const QuantizeResult by_labels = QuantizeModel(graph, samples, options);
  EXPECT_NE(*by_labels.layers.front().nearest_task_loss,
            *by_predictions.layers.front().nearest_task_loss);
  EXPECT_GT(by_labels.layers.front().num_changed, 0);
  // One row for each sample: draws have no say.
  options.task_hessian.num_drawn_classes = 100;
  options.num_threads = 2;
  EXPECT_EQ(IntegersOf(QuantizeModel(graph, samples, options).model), IntegersOf(by_labels.model));
}

}  // namespace
}  // namespace adaround
