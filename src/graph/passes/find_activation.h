// Finds the activation function that belongs to a layer.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "adaround/graph/graph.h"
#include "graph/channel_constant.h"
#include "tensor/activation.h"

namespace adaround {

struct LayerActivation {
  ChannelActivation activation;  // identity where none belongs to the layer
  std::string node;     // name of the node that applies it, "" for identity
};

// The activation that directly follows `tensor`, where nothing else reads the tensor and it is no
// graph output: Relu, LeakyRelu, PRelu with one slope, Clip with constant bounds, Sigmoid,
// HardSigmoid, HardSwish, Tanh, Gelu or Mish as one node, or any of these (with SiLU) spread over
// element-wise nodes whose other operands are single constants, in whatever order: such a group is
// recognised by its values, not by its operators.
//
// Beside these, where `place` says where the tensor's channels lie: PRelu with a slope per channel,
// and LeakyRelu, PRelu, Relu, Clip, Min and Max in a row, if some constant among theirs has one
// element per channel (Relu and Min are what ReLU6 becomes once channels are equalized).
// `consumers` is graph.Consumers().
LayerActivation FindActivation(const Graph& graph,
                               const std::map<std::string, std::vector<size_t>>& consumers,
                               const std::string& tensor, const ChannelPlace& place = {});

}  // namespace adaround
