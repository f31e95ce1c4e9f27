// Empirical bias correction: the part of the rounding error that a layer's bias can take back.
#pragma once

#include <vector>

#include "rounding/rounding_problem.h"

namespace adaround {

// For each row the bias at which the mean of f(W_bar x_hat + bias) over the samples equals the mean
// of f(target) (Nagel et al. 2019, arXiv:1906.04721, section 4.2, but behind the activation, where
// what follows sees it). Starts from problem.bias; a row that is too rarely in f's sloped part to
// tell keeps it.  `weights` [M, K] are the weights the layer will have.
std::vector<float> CorrectBias(const RoundingProblem& problem, const std::vector<float>& weights,
                               int num_threads);

}  // namespace adaround
