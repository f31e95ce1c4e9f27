// Constants that hold one number, or one per channel of another operand.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "adaround/graph/graph.h"
#include "graph/linear_layer.h"

namespace adaround {

// Where a tensor's channels lie.
struct ChannelPlace {
  int64_t num_channels = 0;  // 0 = unknown: no constant has one element per channel
  // Dimensions from the channels' on, theirs included: 3 of [N, C, H, W], 1 of [N, C].
  int64_t from_end = 1;
  // The tensor's rank; 0 = unknown. A constant of more dimensions would change the rank.
  int64_t rank = 0;
};

// Of W x + b: the last dimension of a matrix product, dimension 1 of a convolution.
ChannelPlace OutputChannels(const LinearLayer& layer);

// The elements of a float32 initializer that broadcasts against a tensor without changing its
// shape: one element, or one per channel along the channels' dimension; nothing where the
// initializer is none of both.
std::optional<std::vector<float>> ChannelConstant(const Graph& graph, const std::string& name,
                                                  const ChannelPlace& place);

// The shape that a constant with one element per channel has: [1, C, 1, 1], [1, C], or [C] where
// the rank is unknown and channels are last.
// REQUIRES: place.num_channels > 0.
Shape ChannelConstantShape(const ChannelPlace& place);

}  // namespace adaround
