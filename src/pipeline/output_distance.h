// How far a network's output on one sample lies from another network's.
#pragma once

#include <cstdint>

#include "pipeline/network_output.h"

namespace adaround {

// Sums over the positions of one sample; without scores, the last two counts alone.
struct OutputDistance {
  double signal = 0.0;         // of squared reference scores
  double noise = 0.0;          // of squared differences
  double kl_divergence = 0.0;  // of KL(softmax(reference) || softmax(output)), nats
  int64_t num_agreeing = 0;    // positions of the same class
  int64_t num_positions = 0;
};

// REQUIRES: tensors of the same shape and dtype.
OutputDistance DistanceBetween(const NetworkOutput& output, const NetworkOutput& reference);

}  // namespace adaround
