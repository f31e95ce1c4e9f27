// Gives linear layers a bias that can be changed for each of them alone.
#pragma once

#include <vector>

#include "adaround/graph/graph.h"
#include "graph/linear_layer.h"

namespace adaround {

// Afterwards each of `layers` has a bias with one element per output channel that nothing else
// reads, and bias_factor 1: biases that are shared, broadcast or multiplied are copied, missing
// ones become zeros (input 3 of Conv, ConvTranspose and Gemm; an Add node behind MatMul, whose
// result keeps the product's name). What the graph computes stays the same.
// Indices of nodes change: find layers anew.
// REQUIRES: `layers` are among FindLinearLayers(graph).layers. Keeps the graph sorted.
void GiveOwnBiases(Graph& graph, const std::vector<LinearLayer>& layers);

}  // namespace adaround
