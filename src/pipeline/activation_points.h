// Which activation tensors are put on a grid.
#pragma once

#include <map>
#include <set>
#include <string>

#include "adaround/graph/graph.h"

namespace adaround {

// The tensor that `tensor` only rearranges or selects from: its maker's input, where that maker
// moves values without computing new ones (Reshape, MaxPool, Slice, ...), and so on upwards. What
// is on a grid there is on the same grid here.
std::string ActivationSource(const Graph& graph, const std::map<std::string, size_t>& producers,
                             const std::string& tensor);

// The sources of everything that the operators with integer kernels read: linear layers, sums of
// two activations, Concat, average pools and linear Resize. A tensor between a layer and its
// activation is none of them, nor is what the network gives out and nobody reads, nor the inside of
// a function that is written out in element-wise steps and means (Gelu, LayerNormalization): a sum
// whose operands are all made of one tensor by such steps is taken for one of these. Nor is what
// follows from shapes and constants alone, nor what is only read as a shape, a scale, a position or
// an index: its values are exact or mean another place.
// `float_layers`: names of layers that stay in float, and what only they read with them.
// REQUIRES: sorted, validated graph with constants folded.
std::set<std::string> FindActivationPoints(const Graph& graph,
                                           const std::set<std::string>& float_layers = {});

}  // namespace adaround
