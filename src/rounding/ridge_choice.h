// How strong a ridge a layer needs.
#pragma once

#include <Eigen/Core>
#include <cstdint>

#include "rounding/rounding_problem.h"
#include "rounding/rounding_solver.h"

namespace adaround {

// Groups that are tried at most.
inline constexpr int64_t kMaxTriedGroups = 4;

// The ridge (AdaRoundOptions::ridge) of 1, 0.2, 0.04 and 0.008 with which GPTQ, on four of five
// images, does best on the fifth: at most 128 rows of at most four groups, f in their error. How
// many images a layer needs depends on how alike their columns are, and on what the layers before
// it leave to correct: neither K nor N tells. Tries 0.2 and 0.04, then on from the better.
// kDefaultRidge where there are fewer than ten images, or where neither of the two gives a finite
// error.
// `gram` is the layer's G if it has one group, and empty otherwise.
// Throws Error(kCancelled); Error(kNumerical) where squares of the inputs are not finite.
double ChooseRidge(const RoundingProblem& problem, const GptqOptions& options,
                   const Eigen::MatrixXd& gram, const SolveContext& context);

// Matrices [K, K] in double that it holds at most, `gram` not among them.
int64_t RidgeChoiceMatrices(int64_t num_groups);

}  // namespace adaround
