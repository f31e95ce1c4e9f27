// Folds BatchNormalization, and what else scales and shifts channels, into the linear layer before
// it.
#pragma once

#include "adaround/graph/graph.h"

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
// Throws Error(kMalformed), naming the node, where a variance has no root.
int64_t FoldBatchNorm(Graph& graph);

}  // namespace adaround
