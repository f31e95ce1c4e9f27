// Names of the ways to choose a weight grid's scale.
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

// "min-max", "mse", "output-mse".
std::string_view RangeEstimatorName(RangeEstimator estimator);
std::vector<std::string> RangeEstimatorNames();
// Throws Error(kInvalidArgument), listing the names, where there is no such estimator.
RangeEstimator ParseRangeEstimator(const std::string& name);

}  // namespace adaround
