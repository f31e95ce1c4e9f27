// The arithmetic cost of a node.
#pragma once

#include <vector>

#include "adaround/graph/graph.h"

namespace adaround {

// Multiply-accumulates of Conv, ConvTranspose, Gemm and MatMul for these inputs and outputs (of a
// call that succeeded); 0 for other operators, whose cost is small beside these.
// Products with padding count, as they do in the literature.
int64_t CountMacs(const Node& node, const std::vector<const Tensor*>& inputs,
                  const std::vector<Tensor>& outputs);

}  // namespace adaround
