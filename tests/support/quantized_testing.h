// Random weights on grids for tests.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <random>
#include <string>

#include "adaround/model/quantized_model.h"
#include "graph/linear_layer.h"
#include "graph/passes/fold_batch_norm.h"
#include "support/graph_testing.h"

namespace adaround::testing {

struct GridChoice {
  int bit_width = 4;
  bool symmetric = true;
  Granularity granularity = Granularity::kPerChannel;
  int64_t group_size = 0;
};

inline std::string GridName(const GridChoice& choice) {
  const std::string granularity = choice.granularity == Granularity::kPerTensor
                                      ? "tensor"
                                      : (choice.granularity == Granularity::kPerChannel
                                             ? std::string("channel")
                                             : "group" + std::to_string(choice.group_size));
  return granularity + (choice.symmetric ? "_symmetric_" : "_asymmetric_") +
         std::to_string(choice.bit_width);
}

// Every integer of the grid may occur; scales differ by up to a factor of 4 and fall with the
// length of a row, so that a layer's outputs are about as large as its inputs.
inline QuantizedTensor RandomQuantizedTensor(const Shape& shape, const ChannelLayout& layout,
                                             const GridChoice& choice, uint32_t seed) {
  std::mt19937 generator(seed);
  QuantizedTensor tensor;
  tensor.shape = shape;
  tensor.layout = layout;
  tensor.grid = MakeGrid(choice.bit_width, choice.symmetric, choice.granularity, choice.group_size);
  QuantGrid& grid = tensor.grid;
  std::uniform_int_distribution<int> integer(grid.q_min, grid.q_max);
  std::uniform_real_distribution<float> spread(0.5F, 2.0F);
  const int64_t row_length = layout.RowLength(shape);
  const auto steps = static_cast<float>(1 << (choice.bit_width - 1));
  const int64_t num_scales = grid.NumScales(layout.NumRows(shape), row_length);
  for (int64_t i = 0; i < num_scales; ++i) {
    grid.scale.push_back(spread(generator) / (steps * std::sqrt(static_cast<float>(row_length))));
    grid.zero_point.push_back(choice.symmetric ? 0 : integer(generator));
  }
  for (int64_t i = 0; i < NumElements(shape); ++i) {
    tensor.integers.push_back(static_cast<int16_t>(integer(generator)));
  }
  return tensor;
}

// Sample `index` of an array with samples along axis 0; the axis stays.
inline Tensor SampleOf(const Tensor& samples, int64_t index) {
  Shape shape = samples.shape();
  shape[0] = 1;
  Tensor sample(DType::kFloat32, shape);
  const int64_t size = sample.num_elements();
  std::copy_n(samples.data<float>() + index * size, size, sample.mutable_data<float>());
  return sample;
}

// The model's outputs for samples along axis 0, computed one by one, joined along axis 0. Hooks put
// activations onto their grids.
inline TensorMap RunQuantized(const QuantizedModel& model, const Tensor& samples,
                              const std::set<std::string>& wanted) {
  Executor executor(model.Dequantized());
  for (const auto& [name, grid] : model.activations) {
    executor.SetHook(name,
                     [grid = grid](const Tensor& value) { return grid.QuantizeDequantize(value); });
  }
  const std::string& input = model.graph.inputs.at(0).name;
  const ExecutionPlan plan = executor.Plan({input}, wanted);
  const int64_t count = samples.dim(0);
  std::map<std::string, std::vector<float>> values;
  TensorMap result;
  for (int64_t i = 0; i < count; ++i) {
    for (const auto& [name, value] : executor.Run(plan, {{input, SampleOf(samples, i)}})) {
      values[name].insert(values[name].end(), value.data<float>(),
                          value.data<float>() + value.num_elements());
      result[name] = value;
    }
  }
  for (auto& [name, last] : result) {
    Shape shape = last.shape();
    shape.at(0) *= count;
    last = Tensor::FromVector<float>(shape, values[name]);
  }
  return result;
}

inline QuantizedTensor RoundToNearest(const Tensor& weight, const ChannelLayout& layout,
                                      const GridChoice& choice) {
  QuantizedTensor tensor;
  tensor.shape = weight.shape();
  tensor.layout = layout;
  tensor.grid = MakeGrid(choice.bit_width, true, choice.granularity, choice.group_size);
  QuantGrid& grid = tensor.grid;
  const int64_t rows = layout.NumRows(weight.shape());
  const int64_t row_length = layout.RowLength(weight.shape());
  const std::vector<int64_t> positions = layout.RowMajorPositions(weight.shape());
  std::vector<float> largest(static_cast<size_t>(grid.NumScales(rows, row_length)), 1e-6F);
  for (const bool rounding : {false, true}) {
    for (int64_t i = 0; i < rows * row_length; ++i) {
      const int64_t at = positions[static_cast<size_t>(i)];
      const float value = weight.data<float>()[at];
      const auto s =
          static_cast<size_t>(grid.ScaleIndex(i / row_length, i % row_length, row_length));
      if (rounding) {
        const auto q = static_cast<int32_t>(std::lround(value / grid.scale[s]));
        tensor.integers[static_cast<size_t>(at)] =
            static_cast<int16_t>(std::clamp(q, grid.q_min, grid.q_max));
      } else {
        largest[s] = std::max(largest[s], std::abs(value));
      }
    }
    if (rounding) break;
    for (const float value : largest) grid.scale.push_back(value / static_cast<float>(grid.q_max));
    grid.zero_point.assign(grid.scale.size(), 0);
    tensor.integers.resize(static_cast<size_t>(rows * row_length));
  }
  return tensor;
}

// Smallest and largest value, 0 included, of every float tensor but those that only Relu or Clip
// reads: these are one operator with what makes them.
inline std::map<std::string, std::pair<float, float>> ActivationRanges(const Graph& graph,
                                                                       const Tensor& samples) {
  const std::map<std::string, std::vector<size_t>> consumers = graph.Consumers();
  const auto feeds_activation = [&](const std::string& tensor) {
    const auto readers = consumers.find(tensor);
    if (graph.IsOutput(tensor) || readers == consumers.end()) return false;
    return std::all_of(readers->second.begin(), readers->second.end(), [&](size_t node) {
      return graph.nodes[node].op == "Relu" || graph.nodes[node].op == "Clip";
    });
  };
  std::map<std::string, std::pair<float, float>> ranges;
  const auto observe = [&](const std::string& name, const Tensor& value) {
    if (value.dtype() != DType::kFloat32 || feeds_activation(name)) return;
    auto& [low, high] = ranges[name];
    for (int64_t i = 0; i < value.num_elements(); ++i) {
      low = std::min(low, value.data<float>()[i]);
      high = std::max(high, value.data<float>()[i]);
    }
  };
  const Executor executor(graph);
  const std::string& input = graph.inputs.at(0).name;
  const ExecutionPlan plan = executor.Plan({input}, {graph.outputs.begin(), graph.outputs.end()});
  for (int64_t i = 0; i < samples.dim(0); ++i) {
    executor.Run(plan, {{input, SampleOf(samples, i)}}, observe);
  }
  return ranges;
}

// A trained network on grids without any search: weights to nearest, symmetric per channel or per
// tensor; with `activation_bits` every activation on the grid of its smallest and largest value
// over `samples`, and biases as integers. Batch normalization is folded.
inline QuantizedModel QuantizeToNearest(Graph graph, const Tensor& samples,
                                        const GridChoice& choice,
                                        std::optional<int> activation_bits) {
  FoldConstants(graph);
  FoldBatchNorm(graph);
  QuantizedModel model;
  const LinearLayers layers = FindLinearLayers(graph);
  if (activation_bits) {
    std::map<std::string, std::pair<float, float>> ranges = ActivationRanges(graph, samples);
    for (const auto& [name, range] : ranges) {
      ActivationGrid grid;
      grid.bit_width = *activation_bits;
      grid.scale = std::max(range.second - range.first, 1e-6F) / static_cast<float>(grid.q_max());
      grid.zero_point = static_cast<int32_t>(std::nearbyint(-range.first / grid.scale));
      model.activations[name] = grid;
    }
  }
  for (const LinearLayer& layer : layers.layers) {
    const Tensor weight = graph.initializers.at(layer.weight);
    const QuantizedTensor tensor =
        RoundToNearest(weight, {layer.weight_axis, layer.weight_groups}, choice);
    graph.initializers.erase(layer.weight);
    if (activation_bits && !layer.bias.empty()) {
      const Tensor values = graph.initializers.at(layer.bias);
      QuantizedBias bias;
      for (const float scale : tensor.grid.scale) {
        bias.scale.push_back(scale * model.activations.at(layer.input).scale);
      }
      for (int64_t i = 0; i < values.num_elements(); ++i) {
        const float scale = bias.scale[bias.scale.size() == 1 ? 0 : static_cast<size_t>(i)];
        bias.integers.push_back(static_cast<int32_t>(std::lround(values.data<float>()[i] / scale)));
      }
      model.biases[layer.bias] = bias;
      graph.initializers.erase(layer.bias);
    }
    model.weights[layer.weight] = tensor;
  }
  model.graph = std::move(graph);
  return model;
}

}  // namespace adaround::testing
