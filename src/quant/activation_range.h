// Chooses scale and zero point of an activation grid from what calibration shows.
#pragma once

#include <cstdint>
#include <vector>

#include "adaround/quant/activation_grid.h"
#include "adaround/quant/range_options.h"
#include "adaround/tensor/tensor.h"

namespace adaround {

// Ends of what a tensor holds, 0 included: zero must lie on the grid, or padding is off. They are
// NaN from the first value on that is not finite.
struct ActivationBounds {
  float low = 0.0F;
  float high = 0.0F;

  void Include(const Tensor& x);
  void Include(const ActivationBounds& other);
};

// How often a tensor's values lie in each of equal bins between its bounds. Counts are whole
// numbers: the order of samples does not matter.
class ActivationHistogram {
 public:
  static constexpr int64_t kNumBins = 4096;

  explicit ActivationHistogram(const ActivationBounds& bounds);

  // REQUIRES: values within the bounds.
  void Add(const Tensor& x);
  void Add(const ActivationHistogram& other);

  const ActivationBounds& bounds() const { return bounds_; }
  const std::vector<int64_t>& counts() const { return counts_; }
  // The middle of a bin.
  double Value(int64_t bin) const;
  // Where a bin begins; that of kNumBins is the last bin's end.
  double Edge(int64_t bin) const;

 private:
  ActivationBounds bounds_;
  double bins_per_unit_ = 0.0;
  std::vector<int64_t> counts_;
};

struct ActivationRangeOptions {
  ActivationEstimator estimator = ActivationEstimator::kMinMax;
  int bit_width = 8;
  // Percent of the values that kPercentile keeps between the ends. 50 ... 100.
  double percentile = 99.99;
  bool power_of_two_scales = false;
};

// Whether the estimator needs a histogram.
bool NeedsHistogram(ActivationEstimator estimator);

// `histogram` may be null where the estimator needs none. A tensor that is 0 throughout gets scale
// 1; a scale too small for a normal float32 is lifted to the smallest.
ActivationGrid EstimateActivationGrid(const ActivationRangeOptions& options,
                                      const ActivationBounds& bounds,
                                      const ActivationHistogram* histogram);

}  // namespace adaround
