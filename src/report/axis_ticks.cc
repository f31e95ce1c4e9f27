#include "report/axis_ticks.h"

#include <algorithm>
#include <cmath>

#include "adaround/base/error.h"

namespace adaround {

std::vector<double> AxisTicks(double low, double high) {
  ADAROUND_CHECK(std::isfinite(low) && std::isfinite(high) && low <= high);
  // Values that doubles can hardly tell apart get an axis that shows them as one.
  const double magnitude = std::max(std::abs(low), std::abs(high));
  if (high - low <= 1e-9 * magnitude || high - low < 1e-300) {
    const double margin = magnitude > 1e-290 ? 0.1 * magnitude : 1.0;
    low -= margin;
    high += margin;
  }
  constexpr double kSteps = 6.0;
  const double raw = high / kSteps - low / kSteps;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  double spacing = 10.0 * power;
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= raw * (1.0 - 1e-9)) {
      spacing = factor * power;
      break;
    }
  }
  const double first = std::floor(low / spacing);
  const double last = std::ceil(high / spacing);
  std::vector<double> ticks;
  // Multiples of the spacing, as sums would drift.
  for (double i = first; i <= last; i += 1.0) ticks.push_back(i * spacing);
  return ticks;
}

}  // namespace adaround
