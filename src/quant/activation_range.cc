#include "quant/activation_range.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "adaround/base/error.h"
#include "base/enum_names.h"
#include "quant/analytical_clipping.h"
#include "quant/power_of_two.h"

namespace adaround {
namespace {

// The grid of this scale, or the next that may be stored; its zero point is still 0.
ActivationGrid GridOfScale(double scale, const ActivationRangeOptions& options) {
  double largest = std::numeric_limits<float>::max();
  if (options.power_of_two_scales) {
    scale = NextPowerOfTwo(scale);
    largest = kLargestPowerOfTwo;
  }
  scale = std::clamp(scale, static_cast<double>(std::numeric_limits<float>::min()), largest);
  ActivationGrid grid;
  grid.bit_width = options.bit_width;
  grid.scale = static_cast<float>(scale);
  return grid;
}

ActivationGrid Cover(double low, double high, const ActivationRangeOptions& options) {
  ActivationGrid grid;
  grid.bit_width = options.bit_width;
  if (low == 0.0 && high == 0.0) return grid;
  grid = GridOfScale((high - low) / grid.q_max(), options);
  const auto zero_point = static_cast<int32_t>(std::lround(-low / grid.scale));
  grid.zero_point = std::clamp(zero_point, 0, grid.q_max());
  return grid;
}

// The ends between which `percentile` percent of the values lie, as many outside on either side.
// Values of 0 exactly (what a ReLU cuts off) count like all others.
ActivationGrid CoverPercentile(const ActivationRangeOptions& options,
                               const ActivationHistogram& histogram) {
  int64_t total = 0;
  for (const int64_t count : histogram.counts()) total += count;
  const double outside = static_cast<double>(total) * (100.0 - options.percentile) / 200.0;
  // The outer edge of the bin where the values outside have been passed.
  const auto end = [&](int64_t first, int64_t direction) {
    int64_t passed = 0;
    int64_t bin = first;
    while (bin >= 0 && bin < ActivationHistogram::kNumBins) {
      passed += histogram.counts()[static_cast<size_t>(bin)];
      if (static_cast<double>(passed) > outside) break;
      bin += direction;
    }
    bin = std::clamp<int64_t>(bin, 0, ActivationHistogram::kNumBins - 1);
    return histogram.Edge(direction > 0 ? bin : bin + 1);
  };
  // One end of the range may be 0 already, where everything lies on the other side of it.
  const double low = histogram.bounds().low < 0 ? std::min(0.0, end(0, 1)) : 0.0;
  const double high =
      histogram.bounds().high > 0 ? std::max(0.0, end(ActivationHistogram::kNumBins - 1, -1)) : 0.0;
  if (low == 0.0 && high == 0.0) {
    return Cover(histogram.bounds().low, histogram.bounds().high, options);
  }
  return Cover(low, high, options);
}

// Mean and mean distances from it of the values in bins from `first` to `last`; `mean` fixed where
// it is given.
struct Spread {
  int64_t count = 0;
  double mean = 0.0;
  double sigma = 0.0;  // root of the mean squared distance
  double b = 0.0;      // mean distance
};

Spread SpreadOf(const ActivationHistogram& histogram, int64_t first, int64_t last,
                std::optional<double> mean) {
  Spread spread;
  double sum = 0.0;
  const auto count_in = [&](int64_t bin) {
    return static_cast<double>(histogram.counts()[static_cast<size_t>(bin)]);
  };
  for (int64_t bin = first; bin <= last; ++bin) {
    spread.count += histogram.counts()[static_cast<size_t>(bin)];
    sum += count_in(bin) * histogram.Value(bin);
  }
  if (spread.count == 0) return spread;
  const auto count = static_cast<double>(spread.count);
  spread.mean = mean.value_or(sum / count);
  for (int64_t bin = first; bin <= last; ++bin) {
    const double distance = histogram.Value(bin) - spread.mean;
    spread.sigma += count_in(bin) * distance * distance;
    spread.b += count_in(bin) * std::abs(distance);
  }
  spread.sigma = std::sqrt(spread.sigma / count);
  spread.b /= count;
  return spread;
}

// As AnalyticalInterval does it for weights. Where everything lies on one side of 0, a ReLU has cut
// the density in half: its other half would have as many levels again (Banner et al.),
// and the bin at 0, which holds what was cut off, does not tell its width.
ActivationGrid CoverAnalytically(const ActivationRangeOptions& options,
                                 const ActivationHistogram& histogram) {
  const double low = histogram.bounds().low;
  const double high = histogram.bounds().high;
  const int num_levels = 1 << options.bit_width;
  constexpr int64_t kLast = ActivationHistogram::kNumBins - 1;
  if (low < 0.0 && high > 0.0) {
    const Spread spread = SpreadOf(histogram, 0, kLast, std::nullopt);
    const double alpha = ClippingThreshold(spread.sigma, spread.b, num_levels);
    const double reach = alpha - alpha / num_levels;
    return Cover(std::clamp(spread.mean - reach, low, 0.0),
                 std::clamp(spread.mean + reach, 0.0, high), options);
  }
  const bool is_positive = high > 0.0;
  const Spread spread =
      SpreadOf(histogram, is_positive ? 1 : 0, is_positive ? kLast : kLast - 1, 0.0);
  if (spread.count == 0) return Cover(low, high, options);
  const double alpha = ClippingThreshold(spread.sigma, spread.b, 2 * num_levels);
  const double reach = alpha - alpha / num_levels;
  return is_positive ? Cover(0.0, std::min(reach, high), options)
                     : Cover(std::max(-reach, low), 0.0, options);
}

// Looks for the grid of the least squared error, which has many local minima: a scan over zero
// points and scales finds the valley, then both ends move in turn.
class MseSearch {
 public:
  MseSearch(const ActivationRangeOptions& options, const ActivationHistogram& histogram)
      : options_(options),
        histogram_(histogram),
        low_(histogram.bounds().low),
        high_(histogram.bounds().high) {}

  ActivationGrid Run() {
    best_ = Cover(low_, high_, options_);
    best_error_ = SquaredError(best_);
    if (low_ == 0.0) {
      ScanScales(0);
    } else if (high_ == 0.0) {
      ScanScales(best_.q_max());
    } else {
      const int last = std::min(best_.q_max(), kMaxZeroPoints - 1);
      for (int i = 0; i <= last; ++i) ScanScales(i * best_.q_max() / last);
    }
    for (int round = 0; round < kEndRounds; ++round) {
      for (const bool move_high : {true, false}) {
        const double low = -static_cast<double>(best_.scale) * best_.zero_point;
        const double high = static_cast<double>(best_.scale) * (best_.q_max() - best_.zero_point);
        for (int step = 0; step <= kEndSteps; ++step) {
          const double factor = kLargestEndFactor * std::pow(kRatio, step);
          Try(move_high ? Cover(low, high * factor, options_)
                        : Cover(low * factor, high, options_));
        }
      }
    }
    return best_;
  }

 private:
  static constexpr int kMaxZeroPoints = 16;  // up to 4 bits these are all
  static constexpr double kRatio = 0.97;
  static constexpr int kScaleSteps = 130;  // down to 0.02 of the range
  static constexpr int kEndRounds = 2;
  static constexpr int kEndSteps = 40;
  static constexpr double kLargestEndFactor = 1.2;

  // From the scale that clips nothing, or nothing of the side that this zero point leaves.
  void ScanScales(int zero_point) {
    const int above = best_.q_max() - zero_point;
    const double reach =
        std::max(zero_point > 0 ? -low_ / zero_point : 0.0, above > 0 ? high_ / above : 0.0);
    for (int step = 0; step < kScaleSteps; ++step) {
      ActivationGrid grid = GridOfScale(reach * std::pow(kRatio, step), options_);
      grid.zero_point = zero_point;
      Try(grid);
    }
  }

  void Try(const ActivationGrid& grid) {
    if (grid.scale == tried_.scale && grid.zero_point == tried_.zero_point) return;
    tried_ = grid;
    const double error = SquaredError(grid);
    if (error < best_error_) {
      best_error_ = error;
      best_ = grid;
    }
  }

  double SquaredError(const ActivationGrid& grid) const {
    const double scale = grid.scale;
    double sum = 0.0;
    for (int64_t bin = 0; bin < ActivationHistogram::kNumBins; ++bin) {
      const int64_t count = histogram_.counts()[static_cast<size_t>(bin)];
      if (count == 0) continue;
      const double x = histogram_.Value(bin);
      const double q = std::clamp(std::nearbyint(x / scale), static_cast<double>(-grid.zero_point),
                                  static_cast<double>(grid.q_max() - grid.zero_point));
      const double error = x - scale * q;
      sum += static_cast<double>(count) * error * error;
    }
    return sum;
  }

  const ActivationRangeOptions& options_;
  const ActivationHistogram& histogram_;
  double low_;   // <= 0
  double high_;  // >= 0, and one of the two is not 0
  ActivationGrid best_;
  ActivationGrid tried_;
  double best_error_ = 0.0;
};

constexpr EnumName<ActivationEstimator> kEstimatorNames[] = {
    {ActivationEstimator::kMinMax, "min-max"},
    {ActivationEstimator::kPercentile, "percentile"},
    {ActivationEstimator::kMse, "mse"},
    {ActivationEstimator::kAciq, "aciq"},
};

}  // namespace

void ActivationBounds::Include(const Tensor& x) {
  const float* values = x.data<float>();
  float lowest = low;
  float highest = high;
  float zero = 0.0F;  // NaN once a value is not finite
  for (int64_t i = 0; i < x.num_elements(); ++i) {
    lowest = values[i] < lowest ? values[i] : lowest;
    highest = values[i] > highest ? values[i] : highest;
    zero += 0.0F * values[i];
  }
  low = lowest + zero;
  high = highest + zero;
}

void ActivationBounds::Include(const ActivationBounds& other) {
  // NaN on either side is kept.
  low = low <= other.low || std::isnan(low) ? low : other.low;
  high = high >= other.high || std::isnan(high) ? high : other.high;
}

ActivationHistogram::ActivationHistogram(const ActivationBounds& bounds)
    : bounds_(bounds), counts_(static_cast<size_t>(kNumBins), 0) {
  const double width = static_cast<double>(bounds.high) - static_cast<double>(bounds.low);
  bins_per_unit_ = width > 0.0 ? static_cast<double>(kNumBins) / width : 0.0;
}

void ActivationHistogram::Add(const Tensor& x) {
  const float* values = x.data<float>();
  const double low = bounds_.low;
  for (int64_t i = 0; i < x.num_elements(); ++i) {
    const auto bin = static_cast<int64_t>((static_cast<double>(values[i]) - low) * bins_per_unit_);
    ++counts_[static_cast<size_t>(std::clamp<int64_t>(bin, 0, kNumBins - 1))];
  }
}

void ActivationHistogram::Add(const ActivationHistogram& other) {
  ADAROUND_CHECK(bounds_.low == other.bounds_.low && bounds_.high == other.bounds_.high);
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
}

double ActivationHistogram::Value(int64_t bin) const {
  if (bins_per_unit_ == 0.0) return bounds_.low;
  return bounds_.low + (static_cast<double>(bin) + 0.5) / bins_per_unit_;
}

double ActivationHistogram::Edge(int64_t bin) const {
  if (bins_per_unit_ == 0.0) return bounds_.low;
  const double edge = bounds_.low + static_cast<double>(bin) / bins_per_unit_;
  return std::min(edge, static_cast<double>(bounds_.high));
}

bool NeedsHistogram(ActivationEstimator estimator) {
  return estimator != ActivationEstimator::kMinMax;
}

ActivationGrid EstimateActivationGrid(const ActivationRangeOptions& options,
                                      const ActivationBounds& bounds,
                                      const ActivationHistogram* histogram) {
  const bool flat = bounds.low == 0.0F && bounds.high == 0.0F;
  if (flat || options.estimator == ActivationEstimator::kMinMax) {
    return Cover(bounds.low, bounds.high, options);
  }
  ADAROUND_CHECK(histogram != nullptr);
  switch (options.estimator) {
    case ActivationEstimator::kPercentile: return CoverPercentile(options, *histogram);
    case ActivationEstimator::kMse: return MseSearch(options, *histogram).Run();
    case ActivationEstimator::kAciq: return CoverAnalytically(options, *histogram);
    case ActivationEstimator::kMinMax: break;  // above
  }
  ADAROUND_CHECK(false);
}

std::string_view ActivationEstimatorName(ActivationEstimator estimator) {
  return NameIn(kEstimatorNames, estimator);
}

std::vector<std::string> ActivationEstimatorNames() { return NamesIn(kEstimatorNames); }

ActivationEstimator ParseActivationEstimator(const std::string& name) {
  return ParseIn(kEstimatorNames, "activation range estimator", name);
}

}  // namespace adaround
