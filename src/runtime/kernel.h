// What an operator's implementation looks like, and the table that finds it.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "adaround/graph/graph.h"

namespace adaround {

// Pointers to the inputs in the node's order; nullptr for an optional input left out, also at the
// end (KernelFunction sees exactly as many entries as the node names).
using KernelInputs = std::vector<const Tensor*>;

// Computes a node's outputs, as many as the node names. Safe to call from several threads at once.
// Sees one sample at a time (extent 1 along axis 0), and checks everything about its inputs that it
// relies on: shapes that do not fit are Error(kMalformed), an unsupported dtype is
// Error(kUnsupported); the executor adds the node's name to the message.
using KernelFunction = std::function<std::vector<Tensor>(const KernelInputs&)>;

// What a factory may look at: the node, the graph's opset, and those inputs that never change
// (initializers), nullptr for the others. Constants stay alive as long as the kernel; a kernel may
// keep whatever it derives from them, such as weights in the layout it computes with.
struct KernelSpec {
  const Node& node;
  int64_t opset;
  KernelInputs constants;
};

using KernelFactory = KernelFunction (*)(const KernelSpec&);

// One row: this factory implements `op` from opset `since_version` until the operator's next row.
struct KernelRow {
  std::string_view op;
  int64_t since_version;
  KernelFactory create;
};

// Makes the kernel of the row with the highest since_version <= opset.
// Throws Error(kUnsupported) where there is none, Error(kMalformed) where the attributes are wrong.
KernelFunction CreateKernel(const KernelSpec& spec);

// Whether CreateKernel would find a row.
bool HasKernel(std::string_view op, int64_t opset);

}  // namespace adaround
