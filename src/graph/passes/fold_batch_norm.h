// Folds BatchNormalization into the linear layer before it.
#pragma once

#include "adaround/graph/graph.h"

namespace adaround {

// Where a BatchNormalization with constant statistics is the only reader of a Conv's,
// ConvTranspose's or Gemm's output, and the layer's weight and bias are constants that nothing else
// reads, replaces both nodes by the layer with
//   W' = W * gamma / sqrt(variance + epsilon),  b' = (b - mean) * gamma / sqrt(...) + beta
// and removes initializers that nothing reads any more. Others stay as they are and run as
// BatchNormalization. Returns the number of folded nodes.
// REQUIRES: graph.Validate() is empty. Keeps the order of nodes.
int64_t FoldBatchNorm(Graph& graph);

}  // namespace adaround
