// Folds BatchNormalization, and what else scales and shifts channels, into the linear layer before
// it.
#pragma once

#include "adaround/graph/graph.h"
#include "graph/channel_moments.h"

namespace adaround {

// Where a BatchNormalization with constant statistics is the only reader of a layer's output, and
// the layer's weight and bias are constants that nothing else reads, replaces both nodes by the
// layer with
//   W' = W * gamma / sqrt(variance + epsilon),  b' = (b - mean) * gamma / sqrt(...) + beta
// and removes initializers that nothing reads any more. Layers are Conv, ConvTranspose, Gemm, and a
// MatMul whose output is known to be a matrix: it becomes a Gemm.
//
// Add, Sub, Mul and Div of a constant that has one element, or one per channel, are folded into
// Conv, ConvTranspose and Gemm in the same way: a frozen BatchNormalization is exported as Mul and
// Add, and a layer's activation is found only where it follows the layer directly. Behind a MatMul,
// Add is folded on the way to a BatchNormalization alone: it is the layer's bias otherwise.
//
// What does not fit, or would overflow, stays as it is. Returns the number of folded
// BatchNormalization nodes.
// REQUIRES: graph.Validate() is empty. Keeps the order of nodes.
//
// `moments`, where not null, gains the output moments of each layer that a BatchNormalization is
// folded into: as it normalizes what it was trained on, they are mean = beta, std = |gamma| (Nagel
// et al. 2019, arXiv:1906.04721, section 4.2.1), then scaled and shifted by what is folded after
// it.
// Throws Error(kMalformed), naming the node, where a variance has no root.
int64_t FoldBatchNorm(Graph& graph, ChannelMomentsMap* moments = nullptr);

}  // namespace adaround
