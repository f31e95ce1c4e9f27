// One layer's rounding as the solvers see it: weights, grid, and sampled inputs with targets.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "adaround/quant/quant_grid.h"
#include "tensor/activation.h"
#include "tensor/eigen_view.h"

namespace adaround {

// A bounded sample of a layer's input columns and of what the float network makes of them.
// G groups of rows each read columns of their own (a grouped or depthwise convolution; else G = 1).
struct SampledColumns {
  int64_t num_groups = 1;
  int64_t num_rows = 0;     // M, all groups together; rows of group g are consecutive
  int64_t row_length = 0;   // K, weights per row
  int64_t num_samples = 0;  // N
  // Images (or other inputs of the network) that the N columns were drawn from; 0 = N, one each.
  int64_t num_images = 0;
  // Consecutive samples that a minibatch draws as one: 1, or the positions of one image.
  int64_t columns_per_draw = 1;
  std::vector<float> x_hat;   // [G, N, K]: the layer's input, preceding layers quantized
  std::vector<float> target;  // [M, N]: W x + b of the float network, before the activation

  // Columns of one image resemble one another: for the danger of fitting too few, images count.
  int64_t NumIndependent() const { return num_images > 0 ? num_images : num_samples; }
  int64_t RowsPerGroup() const { return num_rows / num_groups; }
  const float* GroupColumns(int64_t group) const {
    return x_hat.data() + group * num_samples * row_length;
  }
  const float* RowTarget(int64_t row) const { return target.data() + row * num_samples; }
};

struct RoundingProblem {
  std::vector<float> weights;  // [M, K]
  std::vector<float> bias;     // [M]
  QuantGrid grid;              // with scales
  ChannelActivation activation;  // f, identity where none belongs to the layer
  const SampledColumns* samples = nullptr;
  // H of eq. (13), [P, P] for P = M K weights in the order of `weights`: what methods minimize that
  // look at the task loss; others ignore it. Borrowed.
  const float* task_curvature = nullptr;

  // Every violation (sizes, grid, numbers that are not finite); empty = sound.
  std::vector<std::string> Validate() const;
};

// Mean over the samples of (f(W_bar x_hat + b) - f(target))^2, for each row of W_bar [M, K].
// Units: squared output units.  `samples` may be others than the problem's (held-out columns).
std::vector<double> RowErrors(const RoundingProblem& problem, const SampledColumns& samples,
                              const std::vector<float>& rounded_weights, int num_threads);
// The same with another f than the problem's.
std::vector<double> RowErrors(const RoundingProblem& problem, const ChannelActivation& function,
                              const SampledColumns& samples,
                              const std::vector<float>& rounded_weights, int num_threads);

// Those of rows first_row ... first_row + R - 1, all of one group, of `rounded_weights` [R, K].
std::vector<double> RowErrors(const RoundingProblem& problem, const ChannelActivation& function,
                              const SampledColumns& samples, int64_t first_row,
                              const ConstMatrixView& rounded_weights);

// The samples at `positions`, in that order; their images are the caller's to count.
SampledColumns SelectColumns(const SampledColumns& samples, const std::vector<int64_t>& positions);
// At most max_samples of the samples, spread evenly.
SampledColumns ThinColumns(const SampledColumns& samples, int64_t max_samples);

// The mean of RowErrors over the rows.
double MeanError(const std::vector<double>& row_errors);

}  // namespace adaround
