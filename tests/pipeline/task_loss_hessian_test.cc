#include "pipeline/task_loss_hessian.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "support/error_testing.h"
#include "support/small_networks.h"

namespace adaround {
namespace {

using testing::ExpectErrorWith;
using testing::FloatInput;
using testing::Given;
using testing::GivenList;
using testing::IntegersOf;
using testing::IntList;
using testing::Op;
using testing::QuickQuantizeOptions;
using testing::RandomTensor;
using testing::SmallConvNet;

// What the class under test needs, kept together.
struct Example {
  Graph graph;
  CalibrationSet samples;
  QuantizeOptions options;
  PreparedNetwork network;
  Executor executor;
  std::vector<int64_t> all;

  Example(Graph model, const std::string& include, Tensor inputs)
      : graph(std::move(model)),
        samples(GivenList(Given("input", std::move(inputs))), graph),
        options(OptionsFor(include)),
        network(PrepareNetwork(graph, samples, options, nullptr)),
        executor(network.run_graph),
        all(static_cast<size_t>(samples.num_samples())) {
    std::iota(all.begin(), all.end(), 0);
  }

  static QuantizeOptions OptionsFor(const std::string& include) {
    QuantizeOptions options = QuickQuantizeOptions();
    options.include = {include};
    options.method = "task-tabu";
    return options;
  }

  TaskLossHessian Hessian() const {
    return TaskLossHessian(network, executor, samples, options.task_hessian, options.seed);
  }
  const std::string& weight() const { return network.layers.front().linear.weight; }

  // Logits of one sample, the layer's weights changed by `change` in the tensor's order.
  std::vector<double> Logits(int64_t sample, const std::vector<double>& change,
                             const std::string& output = "logits") const {
    Graph changed = network.run_graph;
    Tensor weights = changed.initializers.at(weight()).Clone();
    for (size_t i = 0; i < change.size(); ++i) {
      weights.mutable_data<float>()[i] += static_cast<float>(change[i]);
    }
    changed.initializers[weight()] = weights;
    const Tensor found =
        testing::RunGraph(changed, {{"input", samples.FloatSample("input", sample)}}, {output})
            .at(output);
    return {found.data<float>(), found.data<float>() + found.num_elements()};
  }
};

std::vector<double> Softmax(std::vector<double> z) {
  const double largest = *std::max_element(z.begin(), z.end());
  double sum = 0.0;
  for (double& value : z) sum += value = std::exp(value - largest);
  for (double& value : z) value /= sum;
  return z;
}

// Two layers with a smooth activation between them: [N, 5] -> [N, classes].
Graph SmallClassifier(int64_t classes) {
  Graph graph;
  graph.inputs = {FloatInput("input", {-1, 5})};
  graph.outputs = {"logits"};
  graph.nodes = {Op("Gemm", {"input", "w1", "b1"}, {"hidden"}, {{"transB", 1}}),
                 Op("Tanh", {"hidden"}, {"active"}), Op("MatMul", {"active", "w2"}, {"logits"})};
  graph.initializers["w1"] = RandomTensor({4, 5}, 1);
  graph.initializers["b1"] = RandomTensor({4}, 2);
  graph.initializers["w2"] = RandomTensor({4, classes}, 3, -2.0F, 2.0F);
  return graph;
}

// [N, 2, 2, 2] -> scores of three classes at 2 x 2 positions.
Graph SmallMapNet() {
  Graph graph;
  graph.inputs = {FloatInput("input", {-1, 2, 2, 2})};
  graph.outputs = {"logits"};
  graph.nodes = {Op("Conv", {"input", "w1"}, {"hidden"}), Op("Sigmoid", {"hidden"}, {"active"}),
                 Op("Conv", {"active", "w2"}, {"logits"})};
  graph.initializers["w1"] = RandomTensor({2, 2, 1, 1}, 1, -2.0F, 2.0F);
  graph.initializers["w2"] = RandomTensor({3, 2, 1, 1}, 2, -3.0F, 3.0F);
  return graph;
}

// Mean over samples and map positions of J^T (diag(p) - p p^T) J, J from central differences of the
// logits, in the weight tensor's order. `positions` follow the classes in an output's elements.
std::vector<double> ExplicitHessian(const Example& example, int64_t classes, int64_t positions = 1,
                                    const std::string& output = "logits") {
  const auto size =
      static_cast<size_t>(example.network.graph.initializers.at(example.weight()).num_elements());
  std::vector<double> h(size * size, 0.0);
  // Differences of functions of order one: 1e-5 from the step, 1e-5 from float32.
  const double step = 1e-2;
  for (const int64_t sample : example.all) {
    std::vector<std::vector<double>> jacobian;
    for (size_t k = 0; k < size; ++k) {
      std::vector<double> change(size, 0.0);
      change[k] = step;
      std::vector<double> column = example.Logits(sample, change, output);
      change[k] = -step;
      const std::vector<double> minus = example.Logits(sample, change, output);
      for (size_t c = 0; c < column.size(); ++c) column[c] = (column[c] - minus[c]) / (2 * step);
      jacobian.push_back(std::move(column));
    }
    const std::vector<double> z = example.Logits(sample, {}, output);
    for (int64_t position = 0; position < positions; ++position) {
      const auto at = [&](int64_t c) { return static_cast<size_t>(c * positions + position); };
      std::vector<double> logits;
      for (int64_t c = 0; c < classes; ++c) logits.push_back(z[at(c)]);
      const std::vector<double> p = Softmax(logits);
      for (size_t i = 0; i < size; ++i) {
        double mean_i = 0.0;
        for (int64_t c = 0; c < classes; ++c)
          mean_i += p[static_cast<size_t>(c)] * jacobian[i][at(c)];
        for (size_t j = 0; j < size; ++j) {
          double sum = 0.0;
          double mean_j = 0.0;
          for (int64_t c = 0; c < classes; ++c) {
            sum += p[static_cast<size_t>(c)] * jacobian[i][at(c)] * jacobian[j][at(c)];
            mean_j += p[static_cast<size_t>(c)] * jacobian[j][at(c)];
          }
          h[i * size + j] += (sum - mean_i * mean_j) /
                             static_cast<double>(positions * example.samples.num_samples());
        }
      }
    }
  }
  return h;
}

// Largest difference beside the largest entry.
double Difference(const std::vector<float>& found, const std::vector<double>& wanted) {
  EXPECT_EQ(found.size(), wanted.size());
  double difference = 0.0;
  double largest = 0.0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    difference = std::max(difference, std::abs(static_cast<double>(found[i]) - wanted[i]));
    largest = std::max(largest, std::abs(wanted[i]));
  }
  return difference / largest;
}

TEST(TaskLossHessian, EqualsTheExplicitGaussNewtonMatrix) {
  const Example example(SmallClassifier(4), "^hidden$", RandomTensor({6, 5}, 9));
  const std::vector<float> h = example.Hessian().Matrix(example.all, 2, {});
  ASSERT_EQ(h.size(), 400u);
  EXPECT_LT(Difference(h, ExplicitHessian(example, 4)), 1e-3);
  for (size_t i = 0; i < 20; ++i) {
    for (size_t j = 0; j < 20; ++j) EXPECT_EQ(h[i * 20 + j], h[j * 20 + i]);
  }
}

TEST(TaskLossHessian, RowsFollowTheLayersMatrixNotTheTensor) {
  // MatMul's output channels lie on axis 1: entry (row, k) of [M, K] is element (k, row).
  const Example example(SmallClassifier(3), "^logits$", RandomTensor({4, 5}, 9));
  const std::vector<float> h = example.Hessian().Matrix(example.all, 1, {});
  const std::vector<double> by_tensor = ExplicitHessian(example, 3);
  std::vector<double> wanted;
  const auto element = [](size_t i) { return (i % 4) * 3 + i / 4; };
  for (size_t i = 0; i < 12; ++i) {
    for (size_t j = 0; j < 12; ++j) wanted.push_back(by_tensor[element(i) * 12 + element(j)]);
  }
  EXPECT_LT(Difference(h, wanted), 1e-3);
}

TEST(TaskLossHessian, DrawnClassesEstimateTheExpectation) {
  Example example(SmallClassifier(20), "^hidden$", RandomTensor({3, 5}, 9));
  const std::vector<double> wanted = ExplicitHessian(example, 20);
  example.options.task_hessian.num_drawn_classes = 1000;
  // 1,000 draws, each from its own thousandth of the distribution: errors of a few draws.
  EXPECT_LT(Difference(example.Hessian().Matrix(example.all, 2, {}), wanted), 0.02);
}

TEST(TaskLossHessian, MapsAverageOverTheirPositions) {
  Example example(SmallMapNet(), "^hidden$", RandomTensor({4, 2, 2, 2}, 3, -2.0F, 2.0F));
  const std::vector<double> wanted = ExplicitHessian(example, 3, 4);
  example.options.task_hessian.num_drawn_classes = 1000;
  // 4,000 independent draws: about 1 / sqrt(4000) = 1.6 % of noise, and five times that allowed.
  EXPECT_LT(Difference(example.Hessian().Matrix(example.all, 2, {}), wanted), 0.08);
}

TEST(TaskLossHessian, QuadraticFormIsTheDivergenceOfThePredictions) {
  // KL(p(w) || p(w + e d)) = e^2 / 2 d^T H d + O(e^3); the mean of +e and -e leaves O(e^4).
  for (const char* layer : {"^stem$", "^depthwise$", "^pointwise$", "^logits$"}) {
    SCOPED_TRACE(layer);
    const Example example(SmallConvNet(), layer, RandomTensor({4, 3, 8, 8}, 50));
    const TaskLossHessian hessian = example.Hessian();
    const auto size = static_cast<size_t>(hessian.num_weights());
    const std::vector<float> h = hessian.Matrix(example.all, 1, {});
    for (const uint32_t seed : {1U, 2U}) {
      // Conv and Gemm(transB) weights lie in the order of their matrix.
      const std::vector<float> d = testing::RandomFloats(static_cast<int64_t>(size), seed);
      double form = 0.0;
      for (size_t i = 0; i < size; ++i) {
        for (size_t j = 0; j < size; ++j) {
          form += static_cast<double>(d[i]) * static_cast<double>(h[i * size + j]) *
                  static_cast<double>(d[j]);
        }
      }
      // A divergence of 1e-6: a small change of the logits, 1e-3, so that few ReLUs switch within
      // it, and large beside float32's 1e-7.
      const double e = std::sqrt(2e-6 / form);
      double divergence = 0.0;
      for (const int64_t sample : example.all) {
        const std::vector<double> p = Softmax(example.Logits(sample, {}));
        for (const double sign : {1.0, -1.0}) {
          std::vector<double> change;
          for (const float value : d) change.push_back(sign * e * static_cast<double>(value));
          const std::vector<double> q = Softmax(example.Logits(sample, change));
          for (size_t c = 0; c < p.size(); ++c) divergence += p[c] * std::log(p[c] / q[c]) / 2;
        }
      }
      divergence /= static_cast<double>(example.all.size());
      EXPECT_NEAR(divergence, 1e-6, 0.03 * 1e-6);
      const std::vector<double> rises = hessian.PredictedRises(example.all, {d, d}, 2, {});
      EXPECT_NEAR(rises[0], form / 2, 1e-4 * form);  // H is in float32
      EXPECT_EQ(rises[0], rises[1]);
    }
  }
}

TEST(TaskLossHessian, ThreadsDoNotChangeABit) {
  // More rows than one chunk.
  const Example example(SmallConvNet(), "^stem$", RandomTensor({130, 3, 8, 8}, 50));
  EXPECT_EQ(example.Hessian().Matrix(example.all, 1, {}),
            example.Hessian().Matrix(example.all, 2, {}));
}

TEST(TaskLossHessian, SoftmaxIsLookedThrough) {
  Graph graph = SmallClassifier(4);
  const Tensor inputs = RandomTensor({6, 5}, 9);
  const Example plain(graph, "^hidden$", inputs);
  for (const char* op : {"Softmax", "LogSoftmax"}) {
    Graph with = graph;
    with.nodes.push_back(Op(op, {"logits"}, {"p"}));
    with.outputs = {"p"};
    const Example example(with, "^hidden$", inputs);
    const std::vector<float> h = plain.Hessian().Matrix(plain.all, 1, {});
    EXPECT_LT(Difference(example.Hessian().Matrix(example.all, 1, {}), {h.begin(), h.end()}), 1e-5);
  }
}

TEST(TaskLossHessian, ProbabilitiesAreNoLogitsHoweverTheyLie) {
  const Tensor inputs = RandomTensor({6, 5}, 9);
  Graph graph = SmallClassifier(4);
  graph.outputs = {"out"};
  const auto behind = [&](std::vector<Node> nodes) {
    Graph with = graph;
    for (Node& node : nodes) with.nodes.push_back(std::move(node));
    return with;
  };
  graph.initializers["shape"] = Tensor::FromVector<int64_t>({3}, {1, 2, 2});
  const Example plain(SmallClassifier(4), "^hidden$", inputs);
  const std::vector<float> h = plain.Hessian().Matrix(plain.all, 1, {});
  const Node softmax = Op("Softmax", {"logits"}, {"p"}, {{"axis", 1}});
  for (const Node& layout :
       {Op("Flatten", {"p"}, {"out"}), Op("Reshape", {"p", "shape"}, {"out"}),
        Op("Identity", {"p"}, {"out"}), Op("Cast", {"p"}, {"out"}, {{"to", 1}})}) {
    const Example example(behind({softmax, layout}), "^hidden$", inputs);
    EXPECT_LT(Difference(example.Hessian().Matrix(example.all, 1, {}), {h.begin(), h.end()}), 1e-5)
        << layout.op;
  }
  const auto refused = [&](const Graph& with, const std::string& node) {
    const Example example(with, "^hidden$", inputs);
    ExpectErrorWith(ErrorCode::kUnsupported, {node}, [&] { example.Hessian(); });
  };
  refused(behind({Op("Sigmoid", {"logits"}, {"p"}), Op("Identity", {"p"}, {"out"})}),
          "'p' (Sigmoid)");
  refused(behind({softmax, Op("Softmax", {"p"}, {"out"})}), "'p' (Softmax)");
  refused(behind({Op("Softmax", {"logits"}, {"out"}, {{"axis", 0}})}), "'out' (Softmax)");
}

TEST(TaskLossHessian, CertainNetworksHaveNone) {
  Graph graph = SmallClassifier(3);
  graph.nodes.push_back(Op("Mul", {"logits", "huge"}, {"certain"}));
  graph.initializers["huge"] = Tensor::Scalar(1e6F);
  graph.outputs = {"certain"};
  const Example example(graph, "^hidden$", RandomTensor({3, 5}, 9));
  for (const float entry : example.Hessian().Matrix(example.all, 1, {})) EXPECT_EQ(entry, 0.0F);
}

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
  const CalibrationSet thin(GivenList(Given("input", inputs)), graph, 3);
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

TEST(TaskLossHessian, RefusesOutputsThatAreNoScores) {
  Graph graph = SmallClassifier(3);
  graph.nodes.push_back(Op("ArgMax", {"logits"}, {"class"}, {{"axis", 1}}));
  graph.outputs = {"class"};
  const Example example(graph, "^hidden$", RandomTensor({3, 5}, 9));
  ExpectErrorWith(ErrorCode::kUnsupported, {"'class'", "int64", "at least two classes"},
                  [&] { example.Hessian(); });
}

TEST(TaskLossHessian, RefusesGivenTensorsBehindTheLayer) {
  const Graph graph = SmallClassifier(3);
  const CalibrationSet samples(
      GivenList(Given("input", RandomTensor({3, 5}, 9)), Given("active", RandomTensor({3, 4}, 8))),
      graph);
  const QuantizeOptions options = Example::OptionsFor("^hidden$");
  ExpectErrorWith(ErrorCode::kInvalidArgument, {"'active'", "behind layer 'hidden'"},
                  [&] { QuantizeModel(graph, samples, options); });
}

// One of two ways from the layer to the loss: the derivative along the other would be a part.
TEST(TaskLossHessian, RefusesGivenTensorsThatCutOneOfTwoWays) {
  Graph graph = SmallClassifier(3);
  graph.nodes.insert(graph.nodes.begin() + 2, {Op("Sigmoid", {"hidden"}, {"other"}),
                                               Op("Add", {"active", "other"}, {"sum"})});
  graph.nodes.back().inputs[0] = "sum";
  const CalibrationSet samples(
      GivenList(Given("input", RandomTensor({3, 5}, 9)), Given("other", RandomTensor({3, 4}, 8))),
      graph);
  ExpectErrorWith(ErrorCode::kInvalidArgument, {"'other'", "behind layer 'hidden'"}, [&] {
    QuantizeModel(graph, samples, Example::OptionsFor("^hidden$"));
  });
}

TEST(TaskLossHessian, ListsNodesWithoutADerivative) {
  Graph graph = SmallClassifier(3);
  graph.nodes[1] = Op("Floor", {"hidden"}, {"active"});
  const CalibrationSet samples(GivenList(Given("input", RandomTensor({3, 5}, 9))), graph);
  for (const bool predict : {false, true}) {
    ExpectErrorWith(ErrorCode::kUnsupported, {"'active' (Floor)"}, [&] {
      const QuantizeOptions options = Example::OptionsFor("^hidden$");
      if (predict) {
        PredictQuantization(graph, samples, options);
      } else {
        QuantizeModel(graph, samples, options);
      }
    });
  }
}

TEST(QuantizeByTaskLoss, RoundsOneLayerAndJudgesItByTheTaskLoss) {
  const Graph graph = SmallConvNet();
  const CalibrationSet samples(GivenList(Given("input", RandomTensor({40, 3, 8, 8}, 50))), graph);
  for (const char* method : {"task-cross-entropy", "task-tabu"}) {
    SCOPED_TRACE(method);
    QuantizeOptions options = QuickQuantizeOptions();
    options.method = method;
    options.bits = 3;
    options.include = {"^stem$"};
    options.fall_back_to_nearest = false;
    const QuantizeResult result = QuantizeModel(graph, samples, options);
    ASSERT_EQ(result.layers.size(), 1u);
    const LayerReport& layer = result.layers.front();
    ASSERT_TRUE(layer.nearest_task_loss && layer.search_task_loss);
    EXPECT_GT(*layer.nearest_task_loss, 0.0);
    EXPECT_GT(layer.num_changed, 0);
    EXPECT_EQ(layer.above_nearest, *layer.search_task_loss > *layer.nearest_task_loss);
    EXPECT_FALSE(layer.fell_back);
    options.num_threads = 2;
    EXPECT_EQ(IntegersOf(QuantizeModel(graph, samples, options).model), IntegersOf(result.model));
    // What `quantize` does where the search fits its own samples only.
    options.fall_back_to_nearest = true;
    const QuantizeResult guarded = QuantizeModel(graph, samples, options);
    EXPECT_EQ(guarded.layers.front().fell_back, layer.above_nearest);
    EXPECT_EQ(IntegersOf(guarded.model),
              IntegersOf(layer.above_nearest ? result.nearest : result.model));
  }
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

TEST(QuantizeByTaskLoss, OneLayerOfBoundedSize) {
  const Graph graph = SmallConvNet();
  const CalibrationSet samples(GivenList(Given("input", RandomTensor({4, 3, 8, 8}, 50))), graph);
  QuantizeOptions options = QuickQuantizeOptions();
  options.method = "task-tabu";
  ExpectErrorWith(ErrorCode::kInvalidArgument, {"task-tabu", "4 layers", "'stem'", "--include"},
                  [&] { QuantizeModel(graph, samples, options); });
  Graph large;
  large.inputs = {FloatInput("input", {-1, 100})};
  large.outputs = {"logits"};
  large.nodes = {Op("MatMul", {"input", "w"}, {"logits"})};
  large.initializers["w"] = RandomTensor({100, 90}, 1);
  const CalibrationSet more(GivenList(Given("input", RandomTensor({4, 100}, 2))), large);
  ExpectErrorWith(ErrorCode::kInvalidArgument, {"'logits'", "9000", "8192", "--include"},
                  [&] { QuantizeModel(large, more, options); });
  // A search that takes fewer says so as early: before the matrix, and in a prediction.
  large.initializers["w"] = RandomTensor({100, 80}, 1);
  options.method = "task-cross-entropy";
  for (const auto& attempt : {std::function<void()>([&] { QuantizeModel(large, more, options); }),
                              std::function<void()>([&] {
                                PredictQuantization(large, more, options);
                              })}) {
    ExpectErrorWith(ErrorCode::kInvalidArgument,
                    {"'logits' has 8000", "--cem-budget", "task-tabu", "--include"}, attempt);
  }
}

}  // namespace
}  // namespace adaround
