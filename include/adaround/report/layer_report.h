// What became of each layer, as plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "adaround/quant/search_trace.h"

namespace adaround {

struct LayerReport {
  std::string name;
  std::string op;
  std::string weight;      // the initializer; several layers may share one
  std::string activation;  // in the loss
  int64_t num_rows = 0;
  int64_t row_length = 0;
  int64_t num_groups = 1;
  int bits = 0;
  int64_t num_search_columns = 0;
  int64_t num_held_out_columns = 0;
  // Mean squared error of the activation's output per element, over the held-out columns (over the
  // search's own where nothing is held out): hard integers, x_hat as input.
  double nearest_error = 0.0;
  double error = 0.0;
  // The search's result before falling back to nearest.
  double search_error = 0.0;
  // Of methods that minimize the task loss: its predicted rise 1/2 v^T H v in nats a sample, v =
  // W_hat - W, on the held-out samples; nearest's, and the search's before falling back.
  std::optional<double> nearest_task_loss;
  std::optional<double> search_task_loss;
  // Whether a searching method's result is above nearest's there, and whether nearest was taken
  // for it. By the error, or by the task loss where the method minimizes that.
  bool above_nearest = false;
  bool fell_back = false;
  // Quantized together with an earlier layer that reads the same weight, on that layer's inputs.
  bool shares_weight = false;
  std::string strategy;
  int64_t iterations = 0;
  int64_t num_undecided = 0;
  // How strongly the search held weights to themselves (AdaRoundOptions::ridge), where it was asked
  // to; the chosen one where none was given.
  std::optional<double> ridge;
  int64_t num_descent_flips = 0;
  int64_t num_nearest_rows = 0;
  // Rows of a searching method above nearest on the search's own columns: where
  // RoundingOptions::keep_nearest_rows is off, it would have put nearest in their place.
  int64_t num_rows_above_nearest = 0;
  int64_t num_changed = 0;  // weights that are not rounded to nearest
  bool short_last_group = false;
  // Of the weight, packed, with scales; 0 where shares_weight.
  int64_t quantized_bytes = 0;
  // How the search went; empty where the method has no course to show.
  SearchTrace trace;
  // "empirical" or "analytic" where the bias was corrected after rounding; else why it was not,
  // where that was asked for. The errors above are those before the correction.
  std::string bias_correction;
  std::string bias_uncorrected_because;
  double seconds = 0.0;
};

struct LeftLayer {
  std::string name;
  std::string op;
  std::string reason;
};

}  // namespace adaround
