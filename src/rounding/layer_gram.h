// The squared error of one layer's pre-activations as a quadratic of its weights: eq. (20) of
// arXiv:2004.10568, with the linear term that asymmetric inputs give it.
//
// For row w of the quantized weights, mean over the N samples,
//   loss(w) = mean of (target - b - w x_hat)^2,
//   second derivative  G = 2 / N X_hat^T X_hat [K, K], shared by the rows of a group,
//   first derivative   2 / N (X_hat w + b - target)^T X_hat [K].
// The activation is the identity here, whatever the problem's is.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <vector>

#include "rounding/rounding_problem.h"
#include "rounding/rounding_solver.h"
#include "tensor/eigen_view.h"

namespace adaround {

// Beyond this many weights a row, [K, K] is too large to hold.
inline constexpr int64_t kMaxGramLength = 8192;

// G of a group's columns: products of 512 columns in float32, summed in double.
Eigen::MatrixXd GroupGram(const SampledColumns& samples, int64_t group, int num_threads);

// Bytes of a matrix [K, K] of values of `value_bytes` for each group that threads work on at once:
// SolveInBlocks starts groups in order and drops each once its blocks are done.
int64_t GramBytes(const LayerExtent& layer, int num_threads, int64_t value_bytes);
// Of G in float32 while it is made: its sum in double lies beside it.
inline int64_t MadeGramBytes(const LayerExtent& layer, int num_threads) {
  return GramBytes(layer, num_threads, sizeof(float) + sizeof(double));
}

// What a squared unit of each weight's own error costs beside the loss (AdaRoundOptions::ridge):
// ridge * K / N * E[x_hat_k^2], where N counts independent samples.  [K]
std::vector<float> RidgeOf(const SampledColumns& samples, int64_t group, double ridge);

// The ridge's part of the second derivative: adds 2 ridge_k to the diagonal of G.
void AddRidge(const std::vector<float>& ridge, Matrix& gram);
void AddRidge(const std::vector<float>& ridge, Eigen::MatrixXd& gram);

// The first derivative [R, K] at `weights` [R, K], rows first_row ... of the layer, all of one
// group. Taken from the residuals: beside G w and 2 / N (target - b) X_hat, which are large and
// cancel, float32 would hide it.
Matrix LossGradient(const RoundingProblem& problem, const SampledColumns& samples, int64_t group,
                    int64_t first_row, const Matrix& weights);

// Throws Error(kNumerical) where a value is not finite: inputs whose squares float32 cannot hold.
void CheckGram(const Matrix& values);
void CheckGram(const Eigen::MatrixXd& values);

}  // namespace adaround
