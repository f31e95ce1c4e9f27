// Lifts a graph to a newer operator set.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "adaround/graph/graph.h"
#include "graph/tensor_types.h"

namespace adaround {

// The newest operator set that graphs can be lifted to.
inline constexpr int64_t kNewestLiftedOpset = 21;

// Rewrites every node so that the graph means at opset `target` what it means at its own. Tensors
// keep their names; nodes, initializers and tensors that come in between get names that are free.
// Operators of other domains ("DOMAIN::OP") stay as they are. `given` holds the types of tensors
// that nodes read and the graph does not hold.
//
// Nodes are taken as they act in inference: Dropout passes its input on; where opset 6 says that a
// node trains (is_test 0), it is refused. Upsample and the Resize of
// opset 10 sample at x / scale and, for nearest, round down, as opset 11's "asymmetric" and
// "floor".
//
// REQUIRES: sorted graph; opset <= target <= kNewestLiftedOpset.
// Throws Error(kUnsupported), naming node and reason, where a node cannot be said at `target`.
void UpgradeOpset(Graph& graph, int64_t target,
                  const std::map<std::string, TensorType>& given = {});

}  // namespace adaround
