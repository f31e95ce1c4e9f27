// What may be done to a float network before its weights are rounded. Each step keeps what the
// network computes, up to what its comment says.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace adaround {

struct TransformOptions {
  // Cross-layer equalization (arXiv:1906.04721, section 4.1): channels between two layers are
  // rescaled so that both layers' weights have the same range there. Changes the float network's
  // outputs by rounding alone. For per-tensor grids, of depthwise networks above all.
  bool equalize = false;
  // High-bias absorption (section 4.1.3), after equalization: what almost all values of a channel
  // exceed moves into the next layers' biases. Changes outputs by rounding alone, too, as bounds
  // move with the values and layers behind zero padding are left alone. For quantized activations.
  bool absorb_bias = false;
  // Outlier channel splitting (Zhao et al. 2019, arXiv:1901.09504): this part of a layer's input
  // channels, rounded up, is duplicated with about half the weight each, those with the largest
  // weights first; 0 ... 1, 0 = none. The paper has 0.01 to 0.05 for weights. Costs that part in
  // weights and arithmetic.
  double split_outliers = 0.0;

  // Every violation; empty = sound.
  std::vector<std::string> Validate() const;
};

// What one step did.
struct TransformStep {
  std::string name;    // the option's
  std::string detail;  // for the user: "37 pairs, 12 sweeps"
};

}  // namespace adaround
