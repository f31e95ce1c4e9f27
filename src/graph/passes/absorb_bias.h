// Moves what is nearly constant in a layer's outputs into the biases of the layers that read them.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "adaround/graph/graph.h"
#include "graph/channel_moments.h"

namespace adaround {

struct AbsorptionResult {
  int64_t num_layers = 0;    // whose outputs are lowered
  int64_t num_channels = 0;  // of theirs, by more than 0
  // Layers left alone because a convolution that reads them pads with zeros, or is transposed.
  int64_t num_padded = 0;
};

// High-bias absorption (Nagel et al. 2019, arXiv:1906.04721, section 4.1.3). With
//   c = max(0, mean - 3 std)
// of a channel of W1 x + b1, almost all of its values lie above c, and
//   b1' = b1 - c,   b2' = b2 + W2 c
// leaves them a smaller range. The paper's ReLU then changes the few values below c; here the
// activation's bounds are lowered with the values, f'(z) = f(z + c) - c, and nothing changes: Relu
// becomes Max with -c, an upper bound u becomes u - c (c is at most u).
//
// Zeros that pad a convolution's input are not lowered, which costs a network points of accuracy: a
// layer that such a convolution reads is left alone. Between the layers: Relu, Clip, Min and Max,
// then GlobalAveragePool, ReduceMean, MaxPool, GlobalMaxPool and what only changes shapes. Layers
// without moments, and graph outputs and tensors in `fixed`, stay as they are.
//
// Tensors that are lowered get other names. `moments` are those of the layers' outputs; lowered and
// renamed with them.
// REQUIRES: a sorted, valid graph with constants folded; it stays one.
AbsorptionResult AbsorbHighBias(Graph& graph, const std::set<std::string>& fixed,
                                ChannelMomentsMap& moments);

}  // namespace adaround
