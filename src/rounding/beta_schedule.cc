#include "rounding/beta_schedule.h"

#include <cmath>
#include <numbers>

namespace adaround {

std::optional<double> BetaAt(const AdaRoundOptions& options, int64_t step) {
  const double warm_steps = options.warm_start_fraction * static_cast<double>(options.iterations);
  const double after = static_cast<double>(step) - warm_steps;
  if (after < 0.0) return std::nullopt;
  const double length = static_cast<double>(options.iterations) - warm_steps;
  const double progress = length > 0.0 ? after / length : 1.0;
  return options.beta_end + 0.5 * (options.beta_start - options.beta_end) *
                                (1.0 + std::cos(progress * std::numbers::pi));
}

}  // namespace adaround
