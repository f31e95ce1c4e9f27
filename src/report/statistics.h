// Means, spreads and correlations of a handful of measurements.
#pragma once

#include <optional>
#include <vector>

namespace adaround {

// Values may be infinite (the SQNR of equal outputs), never NaN.

// REQUIRES: values is not empty.
double Mean(const std::vector<double>& values);

// sqrt(sum (v - mean)^2 / (n - 1)): of the population that n values were drawn from. None of fewer
// than two values, or where one is infinite.
std::optional<double> StandardDeviation(const std::vector<double>& values);

// Pearson's coefficient, -1 ... 1. None of fewer than three pairs, where a value is infinite, or
// where either side does not vary.
// REQUIRES: a.size() == b.size().
std::optional<double> PearsonCorrelation(const std::vector<double>& a,
                                         const std::vector<double>& b);

// Pearson's coefficient of the ranks; equal values share the mean of their ranks. Infinite values
// have a rank as any.
// REQUIRES: a.size() == b.size().
std::optional<double> SpearmanCorrelation(const std::vector<double>& a,
                                          const std::vector<double>& b);

}  // namespace adaround
