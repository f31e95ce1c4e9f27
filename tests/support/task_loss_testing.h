// A network, samples and one layer whose task loss is judged, with naive arithmetic beside.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/task_loss_hessian.h"
#include "support/small_networks.h"

namespace adaround::testing {

// What the class under test needs, kept together.
struct TaskLossExample {
  Graph graph;
  CalibrationSet samples;
  QuantizeOptions options;
  PreparedNetwork network;
  Executor executor;
  std::vector<int64_t> all;

  TaskLossExample(Graph model, const std::string& include, Tensor inputs)
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
        RunGraph(changed, {{"input", samples.FloatSample("input", sample)}}, {output})
            .at(output);
    return {found.data<float>(), found.data<float>() + found.num_elements()};
  }
};

inline std::vector<double> Softmax(std::vector<double> z) {
  const double largest = *std::max_element(z.begin(), z.end());
  double sum = 0.0;
  for (double& value : z) sum += value = std::exp(value - largest);
  for (double& value : z) value /= sum;
  return z;
}

// Two layers with a smooth activation between them: [N, 5] -> [N, classes].
inline Graph SmallClassifier(int64_t classes) {
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
inline Graph SmallMapNet() {
  Graph graph;
  graph.inputs = {FloatInput("input", {-1, 2, 2, 2})};
  graph.outputs = {"logits"};
  graph.nodes = {Op("Conv", {"input", "w1"}, {"hidden"}), Op("Sigmoid", {"hidden"}, {"active"}),
                 Op("Conv", {"active", "w2"}, {"logits"})};
  graph.initializers["w1"] = RandomTensor({2, 2, 1, 1}, 1, -2.0F, 2.0F);
  graph.initializers["w2"] = RandomTensor({3, 2, 1, 1}, 2, -3.0F, 3.0F);
  return graph;
}

// Largest difference beside the largest entry.
inline double Difference(const std::vector<float>& found, const std::vector<double>& wanted) {
  EXPECT_EQ(found.size(), wanted.size());
  double difference = 0.0;
  double largest = 0.0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    difference = std::max(difference, std::abs(static_cast<double>(found[i]) - wanted[i]));
    largest = std::max(largest, std::abs(wanted[i]));
  }
  return difference / largest;
}

}  // namespace adaround::testing
