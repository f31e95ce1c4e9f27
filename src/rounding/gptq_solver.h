// GPTQ: column-wise second-order rounding (Frantar et al. 2022, arXiv:2210.17323).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "rounding/rounding_solver.h"
#include "tensor/eigen_view.h"

namespace adaround {

// Minimizes for each row the squared error before the activation, which is left out:
//   mean over samples of (target - b - w_hat x_hat)^2 + the ridge of AdaRoundOptions
//     + damping * mean(diag G) / 2 * |w_hat - w|^2,   G = 2 / N X_hat^T X_hat + 2 ridge.
// Starts from w*, the real weights that minimize this: the float weights
// where x_hat = x, else corrected for what the preceding layers' quantization changes (ResNet-20 on
// CIFAR-10, 2 bits per tensor: top-1 50 % from w*, 26 % from the float weights). Then rounds
// one weight after another to the nearest point of its fixed grid, and moves those that are left to
// where the error is least. A weight may so end beyond the floor and ceiling of its float value.
// Hessian, factor and rounding are in double; the gradient at the float weights is summed in
// float32, from residuals. A group whose samples are all zero rounds to nearest. Where rounding
// leaves a group's damped Hessian without a Cholesky factor, its damping is raised
// (FactorDampedInverse), and the summary's strategy says to what.
// The ridge is chosen for each layer (ChooseRidge) where none is given.
// REQUIRES: options.Validate() is empty, ridge >= 0.
// Solve() throws Error(kNumerical) where G is not finite, or where no damping helps.
std::unique_ptr<RoundingSolver> MakeGptqSolver(const GptqOptions& options,
                                               std::optional<double> ridge);

// What its Solve() does, for searches that start there.
struct GptqSolution {
  RoundingResult result;
  double ridge = 0.0;
  // Where kept: G of the only group, without ridge; empty where there are several.
  Matrix gram;
};
enum class KeepGram { kNo, kYes };
GptqSolution SolveByGptq(const RoundingProblem& problem, const GptqOptions& options,
                         std::optional<double> ridge, KeepGram keep_gram,
                         const SolveContext& context);
// RoundingSolver::Work and PairBytes of it.
double GptqWork(const LayerExtent& layer, std::optional<double> ridge, int64_t num_columns);
int64_t GptqPairBytes(const LayerExtent& layer, std::optional<double> ridge, KeepGram keep_gram,
                      int num_threads);

}  // namespace adaround
