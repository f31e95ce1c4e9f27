// Small graphs and random tensors for tests.
#pragma once

#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "adaround/graph/graph.h"
#include "adaround/runtime/executor.h"

namespace adaround::testing {

inline std::vector<float> RandomFloats(int64_t count, uint32_t seed, float low = -1.0F,
                                       float high = 1.0F) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(low, high);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = uniform(generator);
  return values;
}

inline Tensor RandomTensor(const Shape& shape, uint32_t seed, float low = -1.0F,
                           float high = 1.0F) {
  return Tensor::FromVector<float>(shape, RandomFloats(NumElements(shape), seed, low, high));
}

inline Tensor Floats(Shape shape, const std::vector<float>& values) {
  return Tensor::FromVector<float>(std::move(shape), values);
}

// Named like its first output.
inline Node Op(const std::string& op, std::vector<std::string> inputs,
               std::vector<std::string> outputs, std::map<std::string, Attribute> attributes = {}) {
  Node node;
  node.name = outputs.front();
  node.op = op;
  node.inputs = std::move(inputs);
  node.outputs = std::move(outputs);
  node.attributes = std::move(attributes);
  return node;
}

inline GraphInput FloatInput(const std::string& name, Shape shape) {
  GraphInput input;
  input.name = name;
  input.symbols.assign(shape.size(), "");
  input.shape = std::move(shape);
  return input;
}

inline Attribute IntList(std::vector<int64_t> values) { return values; }

inline TensorMap RunGraph(const Graph& graph, const TensorMap& given,
                          const std::set<std::string>& wanted) {
  const Executor executor(graph);
  std::set<std::string> available;
  for (const auto& [name, value] : given) available.insert(name);
  return executor.Run(executor.Plan(available, wanted), given);
}

// Largest difference beside the largest wanted magnitude; infinite where the shapes differ.
inline double RelativeDifference(const Tensor& found, const Tensor& wanted) {
  if (found.shape() != wanted.shape()) return std::numeric_limits<double>::infinity();
  double difference = 0.0;
  double largest = 1e-30;
  for (int64_t i = 0; i < found.num_elements(); ++i) {
    const double w = wanted.data<float>()[i];
    const double d = std::abs(static_cast<double>(found.data<float>()[i]) - w);
    // Written so that NaN counts as a difference.
    if (!(d <= difference)) difference = d;
    largest = std::max(largest, std::abs(w));
  }
  return difference / largest;
}

}  // namespace adaround::testing
