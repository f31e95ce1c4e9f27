// The ways to choose a weight grid's scale.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace adaround {

enum class RangeEstimator {
  kMinMax,     // the smallest scale that clips nothing
  kMse,        // min ||W - W_bar||^2 over the scale (Nagel et al. 2020, table 6)
  kOutputMse,  // min ||W x - W_bar x_hat||^2 over the scale (ibid.); needs calibration data
};

struct RangeOptions {
  RangeEstimator estimator = RangeEstimator::kMse;
  // Scales are powers of two, for hardware that rescales by shifts: each candidate is rounded up to
  // the next one, and the estimator chooses among these.
  bool power_of_two_scales = false;
};

// "min-max", "mse", "output-mse".
std::string_view RangeEstimatorName(RangeEstimator estimator);
std::vector<std::string> RangeEstimatorNames();
// Throws Error(kInvalidArgument), listing the names, where there is no such estimator.
RangeEstimator ParseRangeEstimator(const std::string& name);

enum class ActivationEstimator {
  kMinMax,      // everything that calibration shows (Nagel et al. 2020, section 5)
  kPercentile,  // all but the outermost values at either end
  kMse,         // min E[(x - x_bar)^2] over both ends
};

// "min-max", "percentile", "mse".
std::string_view ActivationEstimatorName(ActivationEstimator estimator);
std::vector<std::string> ActivationEstimatorNames();
// Throws Error(kInvalidArgument), listing the names, where there is no such estimator.
ActivationEstimator ParseActivationEstimator(const std::string& name);

}  // namespace adaround
