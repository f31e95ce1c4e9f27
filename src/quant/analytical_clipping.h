// Estimators kAciq: the clipping threshold that is best for a Gaussian or a Laplacian.
//
// Analytical clipping for integer quantization, Banner, Nahshan and Soudry 2019 (arXiv:1810.05723),
// section 3: weights are taken to be drawn from a density f that is symmetric around its mean and
// clipped at a distance alpha from it, 2^M levels lie in the middle of equal cells between the
// thresholds, and within a cell f is taken to be constant. The expected squared error then is
//   2 * integral from alpha to infinity of f(x) (x - alpha)^2 dx + alpha^2 / (3 * 2^(2M))
#pragma once

#include "quant/weight_range.h"

namespace adaround {

enum class ValueDensity { kGaussian, kLaplacian };

// The expected squared error (see above) in units of the density's own scale squared: alpha in
// standard deviations sigma for a Gaussian (error / sigma^2), in mean absolute deviations b for a
// Laplacian (error / b^2); `num_levels` stands for 2^M.
//   Gaussian   (alpha^2 + 1) * erfc(alpha / sqrt(2)) - alpha * sqrt(2 / pi) * exp(-alpha^2 / 2)
//   Laplacian  2 * exp(-alpha)
// plus alpha^2 / (3 * num_levels^2).
double ExpectedClippingError(ValueDensity density, double alpha, int num_levels);

// The alpha at which that error is smallest: its derivative rises everywhere, and its only root is
// found by bisection.  REQUIRES: num_levels >= 2.
double OptimalClipping(ValueDensity density, int num_levels);

// The density under which the weights are more likely, each at its own most likely scale: Gaussian
// where sigma / b < 2 * sqrt(e / (2 pi)), about 1.3155 (a Gaussian has 1.2533, a Laplacian 1.4142).
ValueDensity FittingDensity(double sigma, double b);

// The threshold alpha, as a distance from the mean, for the density that fits.
double ClippingThreshold(double sigma, double b, int num_levels);

// The interval between the outermost levels: for the density that fits the weights that share a
// scale, and clipped to their range, beyond which levels would be wasted. On symmetric grids the
// density's mean is zero, on asymmetric ones that of the weights; in the narrow range there is one
// level less.
Interval AnalyticalInterval(const ScaledWeights& weights, const QuantGrid& grid);

}  // namespace adaround
