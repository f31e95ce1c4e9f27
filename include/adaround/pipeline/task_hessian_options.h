// The curvature of the task loss that eq. (13) of arXiv:2004.10568 needs, for one layer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace adaround {

// More weights than this make a layer's P x P matrix too large: 256 MiB at the limit.
inline constexpr int64_t kMaxTaskWeights = 8192;
// Up to so many classes, the expectation over the network's own predictions is exact.
inline constexpr int64_t kMaxExactClasses = 16;

struct TaskHessianOptions {
  // Classes drawn from the predictions of each sample where there are more than kMaxExactClasses,
  // or where the output is a map: the expectation's estimate. One backward pass each. 1 ... 1000.
  int64_t num_drawn_classes = 8;

  // Every violation of the ranges above; empty = sound.
  std::vector<std::string> Validate() const;
};

}  // namespace adaround
