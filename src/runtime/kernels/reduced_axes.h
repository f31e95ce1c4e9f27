// Which axes a reduction goes over.
#pragma once

#include <optional>
#include <vector>

#include "runtime/kernels/kernel_util.h"

namespace adaround::kernels {

// Whether the node's axes are an input at this opset, not an attribute.
bool AxesAreInput(const Node& node, int64_t opset);

class ReducedAxes {
 public:
  ReducedAxes(const Node& node, bool axes_are_input);

  // Sorted and from 0 on; nothing where the node passes its input through. `input` is the axes
  // input, or null.
  std::optional<std::vector<int64_t>> Of(const Tensor* input, int64_t rank) const;

 private:
  bool empty_means_none_;
  std::vector<int64_t> stated_;
};

}  // namespace adaround::kernels
