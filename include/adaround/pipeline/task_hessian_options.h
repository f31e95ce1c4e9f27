// The curvature of the task loss that eq. (13) of arXiv:2004.10568 needs, for one layer: by the
// network's own predictions, or by labels.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "adaround/io/labels.h"

namespace adaround {

// More weights than this make a layer's P x P matrix too large: 256 MiB at the limit.
inline constexpr int64_t kMaxTaskWeights = 8192;
// Up to so many classes, the expectation over the network's own predictions is exact.
inline constexpr int64_t kMaxExactClasses = 16;

struct TaskHessianOptions {
  // Without labels: classes drawn from the predictions of each sample where there are more than
  // kMaxExactClasses, or where the output is a map. With label maps: random signs of the positions
  // (see TaskLossHessian). One backward pass each estimates the expectation. 1 ... 1000.
  // Not read with one label per sample.
  int64_t num_drawn_classes = 8;
  // One for each sample that QuantizeModel is given, in their order: H is then the empirical Fisher
  // matrix, mean of g_y g_y^T with g_y = d(-log p_y) / dW for the sample's label y, in place of the
  // mean over the network's own predictions. The two are the same on average where labels occur as
  // often as the network predicts them. Of a trained network this one counts samples that it
  // mistakes by far the most, and none that it is sure of (Kunstner et al. 2019, arXiv:1905.12558,
  // section 3): take it with many samples, of known labels that the network was not trained on.
  // Label maps fit outputs that are maps; kIgnoredClass counts nothing.
  std::optional<Labels> labels;

  // Every violation of the ranges above; empty = sound.
  std::vector<std::string> Validate() const;
};

}  // namespace adaround
