#include "quant/activation_range.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "adaround/base/error.h"
#include "quant/power_of_two.h"

namespace adaround {
namespace {

ActivationGrid Cover(double low, double high, const ActivationRangeOptions& options) {
  ActivationGrid grid;
  grid.bit_width = options.bit_width;
  if (low == 0.0 && high == 0.0) return grid;
  double scale = (high - low) / grid.q_max();
  double largest = std::numeric_limits<float>::max();
  if (options.power_of_two_scales) {
    scale = NextPowerOfTwo(scale);
    largest = kLargestPowerOfTwo;
  }
  scale = std::clamp(scale, static_cast<double>(std::numeric_limits<float>::min()), largest);
  grid.scale = static_cast<float>(scale);
  grid.zero_point = std::clamp(static_cast<int32_t>(std::lround(-low / scale)), 0, grid.q_max());
  return grid;
}

// The ends between which `percentile` percent of the values lie, as many outside on either side.
// Values of 0 exactly (what a ReLU cuts off) count like all others.
ActivationGrid CoverPercentile(const ActivationRangeOptions& options,
                               const ActivationHistogram& histogram) {
  int64_t total = 0;
  for (const int64_t count : histogram.counts()) total += count;
  const double outside = static_cast<double>(total) * (100.0 - options.percentile) / 200.0;
  const auto end = [&](int64_t first, int64_t direction) {
    int64_t passed = 0;
    int64_t bin = first;
    while (bin >= 0 && bin < ActivationHistogram::kNumBins) {
      passed += histogram.counts()[static_cast<size_t>(bin)];
      if (static_cast<double>(passed) > outside) break;
      bin += direction;
    }
    return histogram.Value(std::clamp<int64_t>(bin, 0, ActivationHistogram::kNumBins - 1));
  };
  // One end of the range may be 0 already, where everything lies on the other side of it.
  const double low = histogram.bounds().low < 0 ? std::min(0.0, end(0, 1)) : 0.0;
  const double high = histogram.bounds().high > 0
                          ? std::max(0.0, end(ActivationHistogram::kNumBins - 1, -1))
                          : 0.0;
  if (low == 0.0 && high == 0.0) {
    return Cover(histogram.bounds().low, histogram.bounds().high, options);
  }
  return Cover(low, high, options);
}

double MeanSquaredError(const ActivationGrid& grid, const ActivationHistogram& histogram) {
  const double scale = grid.scale;
  double sum = 0.0;
  for (int64_t bin = 0; bin < ActivationHistogram::kNumBins; ++bin) {
    const int64_t count = histogram.counts()[static_cast<size_t>(bin)];
    if (count == 0) continue;
    const double x = histogram.Value(bin);
    const double q = std::clamp(std::nearbyint(x / scale), static_cast<double>(-grid.zero_point),
                                static_cast<double>(grid.q_max() - grid.zero_point));
    const double error = x - scale * q;
    sum += static_cast<double>(count) * error * error;
  }
  return sum;
}

// Both ends shrink in turn: a scan, as the error has many local minima.
ActivationGrid CoverMse(const ActivationRangeOptions& options,
                        const ActivationHistogram& histogram) {
  constexpr int kRounds = 3;
  constexpr double kRatio = 0.97;
  constexpr int kSteps = 130;
  double low = histogram.bounds().low;
  double high = histogram.bounds().high;
  ActivationGrid best = Cover(low, high, options);
  double best_error = MeanSquaredError(best, histogram);
  for (int round = 0; round < kRounds; ++round) {
    for (double* end : {&high, &low}) {
      const double start = *end;
      double kept = start;
      for (int step = 0; step < kSteps; ++step) {
        *end = start * std::pow(kRatio, step);
        const ActivationGrid grid = Cover(low, high, options);
        const double error = MeanSquaredError(grid, histogram);
        if (error < best_error) {
          best_error = error;
          best = grid;
          kept = *end;
        }
      }
      *end = kept;
    }
  }
  return best;
}

struct EstimatorName {
  ActivationEstimator estimator;
  std::string_view name;
};

constexpr EstimatorName kEstimatorNames[] = {
    {ActivationEstimator::kMinMax, "min-max"},
    {ActivationEstimator::kPercentile, "percentile"},
    {ActivationEstimator::kMse, "mse"},
};

}  // namespace

void ActivationBounds::Include(const Tensor& x) {
  const float* values = x.data<float>();
  float lowest = low;
  float highest = high;
  for (int64_t i = 0; i < x.num_elements(); ++i) {
    lowest = values[i] < lowest ? values[i] : lowest;
    highest = values[i] > highest ? values[i] : highest;
  }
  low = lowest;
  high = highest;
}

void ActivationBounds::Include(const ActivationBounds& other) {
  low = std::min(low, other.low);
  high = std::max(high, other.high);
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
  return options.estimator == ActivationEstimator::kMse ? CoverMse(options, *histogram)
                                                        : CoverPercentile(options, *histogram);
}

std::string_view ActivationEstimatorName(ActivationEstimator estimator) {
  for (const EstimatorName& row : kEstimatorNames) {
    if (row.estimator == estimator) return row.name;
  }
  ADAROUND_CHECK(false);
}

std::vector<std::string> ActivationEstimatorNames() {
  std::vector<std::string> names;
  for (const EstimatorName& row : kEstimatorNames) names.emplace_back(row.name);
  return names;
}

ActivationEstimator ParseActivationEstimator(const std::string& name) {
  std::string known;
  for (const EstimatorName& row : kEstimatorNames) {
    if (row.name == name) return row.estimator;
    known += (known.empty() ? "" : ", ") + std::string(row.name);
  }
  throw Error(ErrorCode::kInvalidArgument,
              "there is no activation range estimator '" + Printable(name) + "'; known are " + known);
}

}  // namespace adaround
