// Options of the rounding methods.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace adaround {

inline constexpr double kDefaultRidge = 0.3;

// AdaRound's relaxation and what this program adds around it. Nagel et al. 2020 = arXiv:2004.10568.
// The other relaxations and the straight-through estimator read the fields that they share with it
// here, up to `ridge`: methods are compared on one set of options.
struct AdaRoundOptions {
  // Adam steps per block of rows. The paper uses 10,000; random columns and the discrete finish
  // reach the same error with far fewer. >= 0; 0 leaves nearest rounding to the finish.
  int64_t iterations = 2000;
  // Adam's step size on V. 1e-3 is the paper's; 1e-2 and more converge within 2,000 iterations, and
  // from a start of second order 2e-2 ends 0 to 1.5 % lower than 1e-2. > 0.
  double learning_rate = 2e-2;
  // Weight of the regularizer f_reg, eq. (24), a sum over weights. >= 0.
  double lambda = 0.01;
  // Exponent of f_reg, annealed by a cosine from beta_start to beta_end once the warm start is
  // over. beta_start >= beta_end >= 1.
  double beta_start = 20.0;
  double beta_end = 2.0;
  // Part of the iterations that run without regularizer. 0 ... 1.
  double warm_start_fraction = 0.2;
  // Draws per step: sampled columns, or images of several columns each where positions_per_draw
  // says so (preset paper: 32 images of 64 columns). At most as many as there are. >= 1.
  int64_t batch_size = 64;
  // Without an activation and with few weights a row, steps by the exact gradient over all columns,
  // from their Gram matrix, instead of a minibatch. The paper has minibatches only.
  bool exact_gradient = true;
  // Rescales each row's data term so that nearest rounding's error is 0.02: lambda then means the
  // same for every layer. The paper's setting is false: squared error summed over output channels,
  // averaged over columns.
  bool normalize_rows = true;
  // Guards against fitting few samples: the loss of a row gains
  //   ridge * K / N * sum over k of E[x_hat_k^2] (w_hat_k - w_k)^2,
  // which is what independent noise on the inputs would add; K weights a row, N images. Vanishes as
  // images grow; rows that are enumerated go without. The paper has none: 0. >= 0. Where none is
  // given, AdaRound's start of second order and GPTQ choose it for each layer, from 0.008 to 1, by
  // images held back: on six layers and two networks the best lay anywhere in between. All else has
  // kDefaultRidge then.
  std::optional<double> ridge;
  double RidgeOrDefault() const { return ridge.value_or(kDefaultRidge); }
  // AdaRound's start of second order chooses none for longer rows, which take kDefaultRidge: a
  // choice takes three or four factors of [K, K] beside the one that is used. >= 0.
  int64_t max_ridge_choice_length = 8192;
  // After hard rounding: sweeps of coordinate descent over the true loss, activation included, each
  // of all flips that gradient and curvature promise a gain from; 0 = none.
  int64_t descent_sweeps = 20;
  // Starts from GPTQ's rounding, which may leave floor and ceiling, and descends from there; each
  // weight then has its integer and the neighbour on the float weight's side to choose from. Where
  // the layer has an activation in its loss, the relaxation starts from that result, and each row
  // keeps the better of the two; where it has none, descent is all that is left to do. Rows of more
  // than 8,192 weights start from the float weights, and so does the paper.
  bool second_order_start = true;
  // With a start of second order, rows of more weights are not relaxed behind it. On held-out data
  // 2,000 iterations took another 3.4 % off the error of rows of 24 weights, 1 % at 576, and
  // nothing at 2,304, where they are the dearest. >= 0.
  int64_t max_relaxed_row_length = 1024;
  // Rows of at most this many weights are solved exactly by trying every combination; 0 = never.
  // With second_order_start, integers then move on, by one or two at a time, beyond floor and
  // ceiling. At most 16.
  int64_t enumerate_row_length = 10;
  // Every violation of the ranges above; empty = sound.
  std::vector<std::string> Validate() const;
};

// Temperature annealing of a plain sigmoid, h(V) = sigmoid(V / T), by the step size on V that
// AdaRoundOptions has.
struct AnnealingOptions {
  // T falls from start to end in equal factors, one a step. Only T relative to the learning rate
  // matters, so the start is 1. Where T ends well above the step size, V shrinks with T and h stays
  // undecided: on two layers of ResNet-20 at 4 and 2 bits, ends of 0.5, 0.1, 0.01, 0.003 and 0.001
  // left 2.1, 1.8, 1.3, 1.0 and 1.0 times the held-out error of an end at 1e-4.
  // temperature_start >= temperature_end; at most 1e6, at least 1e-6.
  double temperature_start = 1.0;
  double temperature_end = 0.001;
  std::vector<std::string> Validate() const;
};

// The straight-through estimator.
struct StraightThroughOptions {
  // How far a weight comes that is pushed one way throughout, in steps of its grid, whatever the
  // iterations: Adam's step size is 2 * reach / iterations, falling to 0 by half a cosine. On
  // ResNet-20 at 2 bits per tensor (one seed, top-1): 46.7, 62.9, 70.1 and 74.1 % at 0.5, 1, 2 and
  // 4; without dampening 58.8, 71.9 and 75.3 % at 0.5, 1 and 2; rectified-sigmoid 75.2 %. > 0.
  double reach = 4.0;
  // Pulls each weight towards the grid point that it rounds to, by this part of the loss's own
  // curvature (dampening: Nagel et al. 2022, arXiv:2203.11086). At 0, the paper's estimator, a
  // weight's own rounding error drives it to the middle between two integers, where it comes to
  // rest on either side: on independent inputs that is worse than nearest. At 1 that part of the
  // gradient is cancelled, and what remains is what the other weights' errors ask of it. >= 0.
  double dampening = 1.0;
  std::vector<std::string> Validate() const;
};

// The cross-entropy method over a quadratic problem (Rubinstein 1999; eqs. (13) and (20)).
struct CrossEntropyOptions {
  // Draws per round, times the square root of the number of weights: the signal of one weight in a
  // draw's energy falls like 1 / sqrt(P), and so must the luck in the elite's mean. Few weights get
  // 200 draws. On rows of 576, factors of 10, 25 and 50 left 5, 3 and 2 % more error than tabu
  // search. 1 ... 10,000.
  double population = 25.0;
  // Part of a round's draws that the coins move towards. Above 0, at most 1.
  double elite_fraction = 0.1;
  // How far they move, of the way to the elite's mean. Above 0, at most 1.
  double smoothing = 0.7;
  // Rounds at most; a search ends sooner when every coin has decided. >= 1.
  int64_t max_rounds = 200;
  // Multiply-adds per problem (a row of a layer) that a search may be predicted to cost: the
  // population is cut to fit, down to a least size, below which the problem is refused. Above 0.
  double max_operations = 3e10;
  std::vector<std::string> Validate() const;
};

// Tabu search over a quadratic problem, the role of the paper's qbsolv.
struct TabuOptions {
  // Flips per start, times the number of weights; on rows of 576, more than 10 found nothing better
  // on held-out samples. 1 ... 1,000,000.
  int64_t flips_per_weight = 20;
  // Further starts, each near the best rounding so far. 0 ... 1,000,000.
  int64_t restarts = 3;
  // Flips for which a flipped weight rests; at most a quarter of the weights, and up to ten more
  // at random. 0 ... 1,000,000.
  int64_t tenure = 20;
  std::vector<std::string> Validate() const;
};

// Coordinate descent alone, from nearest rounding.
struct CoordinateDescentOptions {
  // Passes over all weights of a row; it ends sooner where a pass flips nothing. 1 ... 1,000,000.
  int64_t max_sweeps = 50;
  std::vector<std::string> Validate() const;
};

// GPTQ, column-wise second-order rounding (Frantar et al. 2022, arXiv:2210.17323).
struct GptqOptions {
  // What the diagonal of the Hessian gains, as a part of its mean: inputs that the samples hardly
  // tell apart, or do not reach, then move no weight far. The authors take 0.01. 1e-8 ... 100.
  double damping = 0.01;
  // Rounds the weights with the strongest inputs first, while the others can still make up for
  // them, rather than in the order that they lie in.
  bool activation_order = true;
  std::vector<std::string> Validate() const;
};

// The options of every method; each method reads its own.
struct RoundingOptions {
  // Its ridge holds for coordinate descent, the local quadratic problems and GPTQ too.
  AdaRoundOptions adaround;
  CrossEntropyOptions cross_entropy;
  TabuOptions tabu;
  CoordinateDescentOptions descent;
  GptqOptions gptq;
  AnnealingOptions annealing;
  StraightThroughOptions straight_through;
  // A row that a searching method leaves above nearest rounding on the search's own columns takes
  // nearest. `compare` and preset paper turn it off.
  bool keep_nearest_rows = true;

  // Every violation; empty = sound.
  std::vector<std::string> Validate() const;
};

}  // namespace adaround
