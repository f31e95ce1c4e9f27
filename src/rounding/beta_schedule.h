// When the regularizer acts, and how sharply.
#pragma once

#include <cstdint>
#include <optional>

#include "adaround/rounding/rounding_options.h"

namespace adaround {

// beta of f_reg at a step: nothing during the warm start, then half a cosine from beta_start to
// beta_end (arXiv:2004.10568, section 4.2).
std::optional<double> BetaAt(const AdaRoundOptions& options, int64_t step);

}  // namespace adaround
