#include "report/chart_axis.h"

#include <algorithm>
#include <cmath>

#include "report/axis_ticks.h"

namespace adaround {
namespace {

// Powers of ten around both; where these are few, twice and five times them as well; where both are
// near each other, numbers equally far apart.
std::vector<double> LogTicks(double low, double high) {
  constexpr double kNear = 3.0;
  if (high / low <= kNear) {
    std::vector<double> equal = AxisTicks(low, high);
    if (equal.front() > 0.0) return equal;
  }
  constexpr int kMostDecades = 7;
  // Powers beyond are not all normal numbers.
  constexpr double kMostPower = 300.0;
  const auto power_of = [&](double value) {
    return std::clamp(std::log10(value), -kMostPower, kMostPower);
  };
  int first = static_cast<int>(std::floor(power_of(low)));
  const int last = static_cast<int>(std::ceil(power_of(high)));
  std::vector<double> ticks;
  if (last - first > 2) {
    const int spacing = 1 + (last - first - 1) / kMostDecades;
    while ((last - first) % spacing != 0) --first;
    for (int power = first; power <= last; power += spacing) ticks.push_back(std::pow(10.0, power));
    return ticks;
  }
  for (int power = first; power <= last; ++power) {
    for (const double factor : {1.0, 2.0, 5.0}) ticks.push_back(factor * std::pow(10.0, power));
  }
  // The last tick at or below the least value, and the first at or above the largest.
  const auto above = std::find_if(ticks.begin(), ticks.end(),
                                  [&](double tick) { return tick >= high * (1.0 - 1e-9); });
  if (above != ticks.end()) ticks.erase(above + 1, ticks.end());
  const auto below = std::find_if(ticks.begin(), ticks.end(),
                                  [&](double tick) { return tick > low * (1.0 + 1e-9); });
  if (below != ticks.begin()) ticks.erase(ticks.begin(), below - 1);
  if (ticks.size() == 1) ticks = {ticks[0] / 2.0, ticks[0], ticks[0] * 2.0};
  return ticks;
}

}  // namespace

ChartAxis::ChartAxis(Scale scale, const std::vector<double>& values, double begin, double end)
    : scale_(scale), begin_(begin), end_(end) {
  double low = 0.0;
  double high = 0.0;
  bool any = false;
  for (const double value : values) {
    if (!std::isfinite(value) || (scale == Scale::kLog && !(value > 0.0))) continue;
    low = any ? std::min(low, value) : value;
    high = any ? std::max(high, value) : value;
    any = true;
  }
  if (!any) {
    low = scale == Scale::kLog ? 0.1 : 0.0;
    high = 1.0;
  }
  ticks_ = scale == Scale::kLog ? LogTicks(low, high) : AxisTicks(low, high);
}

double ChartAxis::Position(double value) const {
  return scale_ == Scale::kLog ? std::log(value) : value;
}

double ChartAxis::At(double value) const {
  const bool is_placed = !std::isnan(value) && (scale_ == Scale::kLinear || value > 0.0);
  const double within =
      is_placed ? std::clamp(value, ticks_.front(), ticks_.back()) : ticks_.front();
  const double low = Position(ticks_.front());
  return begin_ + (end_ - begin_) * ((Position(within) - low) / (Position(ticks_.back()) - low));
}

}  // namespace adaround
