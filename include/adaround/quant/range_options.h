// The ways to choose a weight grid's scale.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace adaround {

enum class RangeEstimator {
  kMinMax,  // the smallest scale that clips nothing
  // min ||W - W_bar||^2 over the scale (Nagel et al. 2020, table 6); per channel this is OMSE
  // (Choukroun et al., arXiv:1902.06822), which has no name of its own
  kMse,
  kOutputMse,   // min ||W x - W_bar x_hat||^2 over the scale (ibid.); needs calibration data
  kPercentile,  // clips the outermost weights, a fixed share of them
  // the clipping that is best for a Gaussian or a Laplacian, whichever fits (ACIQ, Banner et al.
  // 2019, arXiv:1810.05723)
  kAciq,
};

struct RangeOptions {
  RangeEstimator estimator = RangeEstimator::kMse;
  // Scales are powers of two, for hardware that rescales by shifts: each candidate is rounded up to
  // the next one, and the estimator chooses among these.
  bool power_of_two_scales = false;
  // Percent of the weights that kPercentile keeps inside the range, 50 ... 100: of |w| where the
  // grid is symmetric, between both ends where not. At 4 bits the best clipping keeps 98.9 % of a
  // Gaussian and 99.3 % of a Laplacian; more bits want more.
  double percentile = 99.0;
};

// "min-max", "mse", "output-mse", "percentile", "aciq".
std::string_view RangeEstimatorName(RangeEstimator estimator);
std::vector<std::string> RangeEstimatorNames();
// Throws Error(kInvalidArgument), listing the names, where there is no such estimator.
RangeEstimator ParseRangeEstimator(const std::string& name);

enum class ActivationEstimator {
  kMinMax,      // everything that calibration shows (Nagel et al. 2020, section 5)
  kPercentile,  // all but the outermost values at either end
  kMse,         // min E[(x - x_bar)^2] over both ends
  // the clipping that is best for a Gaussian or a Laplacian, cut off at 0 where the tensor is
  // (ACIQ, Banner et al. 2019)
  kAciq,
};

// "min-max", "percentile", "mse", "aciq".
std::string_view ActivationEstimatorName(ActivationEstimator estimator);
std::vector<std::string> ActivationEstimatorNames();
// Throws Error(kInvalidArgument), listing the names, where there is no such estimator.
ActivationEstimator ParseActivationEstimator(const std::string& name);

}  // namespace adaround
