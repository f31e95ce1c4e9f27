// Resize as what it is: along each axis a sparse matrix.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/kernels/kernel_util.h"

namespace adaround::kernels {

// An output position is the weighted sum of these input positions: two or four, more where
// antialiasing widens the filter, one for nearest.
struct ResizeTaps {
  std::vector<int64_t> index;
  std::vector<float> weight;
  bool extrapolated = false;  // a constant in place of the sum
};

struct ResizedAxis {
  int64_t axis = 0;
  int64_t input = 0;  // extents
  int64_t output = 0;
  std::vector<ResizeTaps> taps;  // per output position
};

// The axes that a Resize or Upsample node resizes, in the order in which it does. Of inputs[0] the
// shape is looked at.
std::vector<ResizedAxis> ResizedAxes(const Node& node, int64_t opset, const KernelInputs& inputs);

}  // namespace adaround::kernels
