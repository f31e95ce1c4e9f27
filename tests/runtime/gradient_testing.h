// Derivatives against central differences of what the executor computes.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "runtime/differentiator.h"
#include "support/graph_testing.h"

namespace adaround::testing {

// Weights of the outputs' elements in L: L = sum over outputs of <weight, output>, a function with
// a constant derivative by the outputs, so that only the network's own nonlinearity is left in the
// differences.
inline TensorMap LossWeights(const TensorMap& outputs) {
  TensorMap weights;
  uint32_t seed = 900;
  for (const auto& [name, output] : outputs) {
    weights[name] = RandomTensor(output.shape(), seed++, 0.3F, 1.0F);
    // Signs differ, so that errors that cancel in a plain sum show.
    for (int64_t i = 0; i < output.num_elements(); i += 3) {
      weights[name].mutable_data<float>()[i] *= -1.0F;
    }
  }
  return weights;
}

// L(plus) - L(minus) from the outputs' differences, in double.
inline double LossDifference(const TensorMap& weights, const TensorMap& plus,
                             const TensorMap& minus) {
  double sum = 0.0;
  for (const auto& [name, weight] : weights) {
    const Tensor& p = plus.at(name);
    const Tensor& m = minus.at(name);
    for (int64_t i = 0; i < weight.num_elements(); ++i) {
      sum += static_cast<double>(weight.data<float>()[i]) *
             (static_cast<double>(p.data<float>()[i]) - static_cast<double>(m.data<float>()[i]));
    }
  }
  return sum;
}

struct DifferenceCheck {
  // Step of the central difference. Its error is h^2 / 6 times the third derivative, plus float32's
  // noise in the outputs, about 1e-7 |y| / h: near 1e-2 both are about 1e-5 for functions of order
  // one. Linear operators take a larger step.
  double step = 1e-2;
  // Beside the largest derivative of the tensor: ten and more times the errors above.
  double tolerance = 2e-3;
  // Elements of a tensor that are checked one by one, spread evenly.
  int64_t max_elements = 60;
};

// Checks dL/d(tensor) for every tensor of `wrt` by changing it element by element. Tensors of `wrt`
// are given or initializers.
inline void ExpectDerivatives(const Graph& graph, const TensorMap& given,
                              const std::set<std::string>& outputs,
                              const std::set<std::string>& wrt, const DifferenceCheck& check = {}) {
  std::set<std::string> available;
  for (const auto& [name, value] : given) available.insert(name);
  const Executor executor(graph);
  const Differentiator differentiator(executor, {available, outputs, wrt});
  const Differentiator::Tape tape = differentiator.Forward(given);
  TensorMap values;
  for (const std::string& name : outputs) values[name] = tape.output(name);
  const TensorMap weights = LossWeights(values);
  const TensorMap found = differentiator.Backward(tape, weights);
  ASSERT_EQ(found.size(), wrt.size());
  for (const std::string& name : wrt) {
    SCOPED_TRACE("by " + name);
    const Tensor& original = given.contains(name) ? given.at(name) : graph.initializers.at(name);
    const Tensor& derivative = found.at(name);
    ASSERT_EQ(derivative.shape(), original.shape());
    double largest = 0.0;
    for (int64_t i = 0; i < derivative.num_elements(); ++i) {
      largest = std::max(largest, std::abs(static_cast<double>(derivative.data<float>()[i])));
    }
    const int64_t stride = std::max<int64_t>(1, original.num_elements() / check.max_elements);
    for (int64_t i = 0; i < original.num_elements(); i += stride) {
      const auto run = [&](double change) {
        Tensor changed = original.Clone();
        changed.mutable_data<float>()[i] += static_cast<float>(change);
        Graph other = graph;
        TensorMap inputs = given;
        (given.contains(name) ? inputs : other.initializers)[name] = changed;
        return std::pair(RunGraph(other, inputs, outputs), changed.data<float>()[i]);
      };
      const auto [plus, high] = run(check.step);
      const auto [minus, low] = run(-check.step);
      // The step as float32 holds it.
      const double width = static_cast<double>(high) - static_cast<double>(low);
      const double wanted = LossDifference(weights, plus, minus) / width;
      ASSERT_NEAR(static_cast<double>(derivative.data<float>()[i]), wanted,
                  check.tolerance * std::max(largest, 1e-2))
          << "element " << i;
    }
  }
}

// One node whose inputs x0, x1, ... are these: the first `num_given` are given, the others
// initializers (as parameters are). Derivatives are asked for by the inputs named in `wrt`.
struct NodeCase {
  std::string op;
  std::vector<Tensor> inputs;
  std::vector<size_t> wrt = {0};
  std::map<std::string, Attribute> attributes = {};
  int64_t opset = 13;
  size_t num_given = 1;
  size_t num_outputs = 1;
};

inline void ExpectNodeDerivatives(const NodeCase& node_case, const DifferenceCheck& check = {}) {
  SCOPED_TRACE(node_case.op + " at opset " + std::to_string(node_case.opset));
  Graph graph;
  graph.opset = node_case.opset;
  Node node;
  node.name = "node";
  node.op = node_case.op;
  node.attributes = node_case.attributes;
  TensorMap given;
  for (size_t i = 0; i < node_case.inputs.size(); ++i) {
    const std::string name = "x" + std::to_string(i);
    node.inputs.push_back(name);
    if (i < node_case.num_given) {
      graph.inputs.push_back(FloatInput(name, node_case.inputs[i].shape()));
      given[name] = node_case.inputs[i];
    } else {
      graph.initializers[name] = node_case.inputs[i];
    }
  }
  std::set<std::string> outputs;
  for (size_t o = 0; o < node_case.num_outputs; ++o) {
    node.outputs.push_back("y" + std::to_string(o));
    outputs.insert(node.outputs.back());
  }
  graph.outputs.assign(outputs.begin(), outputs.end());
  graph.nodes = {node};
  std::set<std::string> wrt;
  for (const size_t input : node_case.wrt) wrt.insert("x" + std::to_string(input));
  ExpectDerivatives(graph, given, outputs, wrt, check);
}

// Random values of which none lies within `margin` of a kink.
inline Tensor AwayFrom(const std::vector<float>& kinks, float margin, Tensor tensor) {
  for (int64_t i = 0; i < tensor.num_elements(); ++i) {
    float& value = tensor.mutable_data<float>()[i];
    for (const float kink : kinks) {
      if (std::abs(value - kink) < margin) value = kink + (value < kink ? -margin : margin);
    }
  }
  return tensor;
}

// Values all `gap` apart, in a random order: no ties within a central difference's reach.
inline Tensor AllDifferent(const Shape& shape, uint32_t seed, float gap = 0.05F) {
  std::vector<float> values;
  for (int64_t i = 0; i < NumElements(shape); ++i) {
    values.push_back(gap * static_cast<float>(i - NumElements(shape) / 2));
  }
  std::mt19937 generator(seed);
  std::shuffle(values.begin(), values.end(), generator);
  return Tensor::FromVector<float>(shape, values);
}

inline Tensor Int64s(const std::vector<int64_t>& values) {
  return Tensor::FromVector<int64_t>({static_cast<int64_t>(values.size())}, values);
}

}  // namespace adaround::testing
