// From values to places along an axis.
#pragma once

#include <vector>

namespace adaround {

class ChartAxis {
 public:
  enum class Scale { kLinear, kLog };
  // Spans the values, from the tick at or below the least, which lies at `begin`, to the one at or
  // above the largest, at `end`. Values that have no place are passed over: those that are not
  // finite, and on a logarithmic axis those that are not positive. Without any it spans 0 to 1, or
  // 0.1 to 1.
  ChartAxis(Scale scale, const std::vector<double>& values, double begin, double end);

  // Increasing.
  const std::vector<double>& ticks() const { return ticks_; }
  // Values beyond the axis, and those that have no place, lie at its ends.
  double At(double value) const;

 private:
  double Position(double value) const;

  Scale scale_;
  double begin_;
  double end_;
  std::vector<double> ticks_;
};

}  // namespace adaround
