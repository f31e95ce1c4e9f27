// Rescales channels between layers so that weights that share a scale share a range as well.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "adaround/graph/graph.h"

namespace adaround {

// Sweeps end when none changes a channel's scale by more than this part of it: 0.1 % is far below
// what a grid of 8 bits resolves.
inline constexpr double kEqualizationTolerance = 1e-3;
// Chains pass a range on by one layer a sweep; MobileNetV2's needs some 60 sweeps.
inline constexpr int64_t kMaxEqualizationSweeps = 500;
// A channel's scale stays within 1 / this and this: weights of such channels would be noise beside
// the others, and their biases must not grow without bound.
inline constexpr double kMaxEqualizationScale = 0x1p20;
// A channel is taken as dead where sqrt(r1 r2) is below the first part of the pair's median, and r1
// or r2 below the second part of its median before the pair is scaled. MobileNetV1 and V2 have none
// below 0.15 of the median; a row scaled by 0.01 with a bias of 1 is at 0.1, and costs 10 dB at 8
// bits unless it is taken as dead.
inline constexpr double kNegligibleRange = 0x1p-3;
inline constexpr double kNegligibleSide = 0x1p-5;

// A layer and those that read its output.
struct EqualizedPair {
  std::string layer;
  // Tensor W x + b, whose channels are divided by `scale`: what it was called, and is called.
  std::string original_output;
  std::string output;
  std::vector<std::string> readers;
  std::vector<double> scale;
};

struct EqualizationResult {
  std::vector<EqualizedPair> pairs;
  int64_t num_sweeps = 0;
  bool has_converged = true;
  // Pairs left alone for a tensor in `fixed`.
  int64_t num_fixed_pairs = 0;
  // "NAME: why", other layers whose output layers alone read.
  std::vector<std::string> left;
  // Channels whose weights are all zero on one side at least, or next to nothing.
  int64_t num_dead_channels = 0;
  // Clip nodes that became Relu or Max, and Min with one bound per channel.
  int64_t num_split_clips = 0;
};

// Cross-layer equalization (Nagel et al. 2019, arXiv:1906.04721, section 4.1). With f positively
// homogeneous between two layers and S a diagonal of positive scales,
//   W2 f(W1 x + b1) + b2 = (W2 S) f_S(S^-1 W1 x + S^-1 b1) + b2
// holds for any S; f_S is f with its finite bounds divided by S. With r1 and r2 the largest
// magnitudes of a channel's weights in either layer,
//   s = sqrt(r1 / r2)
// makes both sqrt(r1 r2) (eq. 11). Layers have two neighbours, so pairs are swept in order until
// scales rest.
//
// A pair is a layer and all that reads its output: one layer in most networks, several where their
// shares add up to all readers (r2 is then the largest of theirs). What may lie in between is
// FollowChannels()' matter. Tensors that are rescaled get other names, so that arrays of their old
// values are not taken for them. No pair: outputs of the graph and tensors in `fixed`, which keep
// their values; weights and biases that other nodes read too; residual sums; single channels;
// bounds that differ per channel before opset 8, whose Min and Max do not broadcast.
//
// A channel whose weights are zeros on one side may have any scale: it takes the one that puts its
// other side at the median of the live channels' ranges, as it would set the range of the whole
// tensor otherwise. Zeros on both sides: 1.
//
// Weights of next to nothing on one side (BatchNormalization with a tiny gamma folded into a row)
// count as zeros there: s = sqrt(r1 / r2) would shrink the other side below half a step of a shared
// grid, and a channel that is constant by its bias, f(b1), would be rounded away.
//
// Clip's bounds are scalars: where they come to differ, Relu (or Max with a lower bound) and Min
// with a constant [1, C, 1, 1] take its place, which computes the same.
// REQUIRES: a sorted, valid graph with constants folded; it stays one.
// Throws Error(kCancelled) once `should_stop` (which may be empty, and is asked between pairs) says
// so.
EqualizationResult EqualizeCrossLayer(Graph& graph, const std::set<std::string>& fixed,
                                      const std::function<bool()>& should_stop = {});

}  // namespace adaround
