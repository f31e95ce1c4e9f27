#include "pipeline/task_loss_hessian.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "support/error_testing.h"
#include "support/small_networks.h"
#include "support/task_loss_testing.h"

namespace adaround {
namespace {

using Example = testing::TaskLossExample;
using testing::Difference;
using testing::ExpectErrorWith;
using testing::FloatInput;
using testing::Given;
using testing::GivenList;
using testing::IntegersOf;
using testing::Op;
using testing::QuickQuantizeOptions;
using testing::RandomTensor;
using testing::SmallClassifier;
using testing::SmallConvNet;
using testing::SmallMapNet;
using testing::Softmax;

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
