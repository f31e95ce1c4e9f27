// Follows the channels of a layer's output to the layers that read them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "adaround/graph/graph.h"
#include "graph/channel_constant.h"
#include "graph/linear_layer.h"

namespace adaround {

// What a node does on its way to the values of one channel.
enum class ChannelStep {
  kKeeps,       // nothing: Identity, Dropout, Flatten, Reshape, Squeeze, Unsqueeze, Transpose
  kActivation,  // a function of each element: Relu, LeakyRelu, PRelu, Clip, Min, Max
  kMean,        // means of elements that all count: GlobalAveragePool, ReduceMean
  kOther        // AveragePool, GlobalMaxPool, MaxPool, Pad with zeros or copies, ReduceMax,
                // ReduceSum, Resize, Upsample
};

// One way from a layer's output to a layer that reads it.
struct ChannelPath {
  std::vector<size_t> nodes;  // between the two, in order
  size_t reader = 0;          // index among the layers
  // Inputs of the reader that one channel becomes, side by side: above 1 where maps are flattened.
  int64_t inputs_per_channel = 1;
};

struct ChannelReach {
  std::vector<ChannelPath> paths;
  // Whether the paths show all that reads the output: no other operator, not the network's caller.
  bool is_closed = true;
  // Where the channels lie in the input of a node on a path; num_channels is 0 where a map has been
  // flattened, so that no constant has one element per channel.
  std::map<size_t, ChannelPlace> places;
};

// Every node on a path computes each channel of its output from that channel of its input alone,
// and f(a x) = a f(x) for every a > 0, once finite bounds of Clip, Min and Max are multiplied by a
// as well. Convolutions read channels along dimension 1, matrix products along the last.
//
// Tensors named in `fixed` end a path as another reader would.
// REQUIRES: a sorted graph; `layers` are FindLinearLayers(graph).layers, `consumers`
// graph.Consumers().
ChannelReach FollowChannels(const Graph& graph, const std::vector<LinearLayer>& layers,
                            const std::map<std::string, std::vector<size_t>>& consumers,
                            size_t layer, const std::set<std::string>& fixed);

// REQUIRES: the node is on a path.
ChannelStep StepOf(const Node& node);

// The bounds of Clip, Min or Max with constants, infinite where there is none and where the largest
// float stands for none: one element each, or one per channel. Nothing for other operators
// and for bounds that are not constants.
struct ChannelBounds {
  std::vector<float> lower;
  std::vector<float> upper;
};
std::optional<ChannelBounds> BoundsOf(const Graph& graph, const Node& node,
                                      const std::string& input, const ChannelPlace& place);

// Which input channel (of all groups together) and output channel each weight belongs to: weights
// lie in stretches of one pair of channels.
// visit(output_channel, input_channel, offset, length).
template <typename Visit>
void ForEachChannelPair(const LinearLayer& layer, const Shape& shape, Visit visit) {
  const int64_t length = NumElements(shape) / (shape[0] * shape[1]);
  const int64_t first_per_group = shape[0] / layer.num_groups;
  for (int64_t i = 0; i < shape[0]; ++i) {
    for (int64_t j = 0; j < shape[1]; ++j) {
      // A group's share of dimension 1 follows that of the groups before it.
      const int64_t other = i / first_per_group * shape[1] + j;
      const bool rows_first = layer.weight_axis == 0;
      visit(rows_first ? i : other, rows_first ? other : i, (i * shape[1] + j) * length, length);
    }
  }
}

}  // namespace adaround
