// Biases as integers that integer kernels add to their accumulators.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "adaround/model/quantized_model.h"
#include "graph/linear_layer.h"

namespace adaround {

// Who makes and who reads each tensor, found once for all layers.
struct GraphEdges {
  explicit GraphEdges(const Graph& graph)
      : producers(graph.Producers()), consumers(graph.Consumers()) {}

  std::map<std::string, size_t> producers;
  std::map<std::string, std::vector<size_t>> consumers;
};

struct BiasQuantization {
  std::optional<QuantizedBias> bias;
  std::string left_because;  // where there is none
};

// The layer's bias on the scale of its products, scale of x times scale of W, rounded to nearest.
// None where the products of one output have no single scale (groups of weights, x in float, Gemm's
// alpha and beta), where other nodes read the bias too, or where it does not fit 32 bits.
// REQUIRES: the layer has a bias; `edges` are the graph's.
BiasQuantization QuantizeBias(const Graph& graph, const GraphEdges& edges, const LinearLayer& layer,
                              const QuantGrid& grid,
                              const std::map<std::string, ActivationGrid>& activations);

}  // namespace adaround
