// Where the channels of image tensors lie.
#pragma once

#include <cstdint>

#include "adaround/tensor/shape.h"

namespace adaround {

// The axis of an image tensor's channels. Of four axes it is 1 ([N, C, H, W]) where axis 1 has
// extent 1 or 3, else 3 ([N, H, W, C]) where axis 3 has; of any other shape it is 1.
inline int64_t ChannelAxis(const Shape& shape) {
  const auto few = [](int64_t extent) { return extent == 1 || extent == 3; };
  return shape.size() == 4 && !few(shape[1]) && few(shape[3]) ? 3 : 1;
}

}  // namespace adaround
