// Where an axis is marked.
#pragma once

#include <vector>

namespace adaround {

// Round numbers (1, 2 or 5 times a power of ten apart) from at most `low` to at least `high` (up to
// rounding), 3 to 12 of them, increasing. Where low equals high the axis spans a range around them.
// REQUIRES: both finite, low <= high.
std::vector<double> AxisTicks(double low, double high);

}  // namespace adaround
