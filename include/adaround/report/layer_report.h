// What became of each layer, as plain data.
#pragma once

#include <cstdint>
#include <string>

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
  // Whether a searching method's result is above nearest's there, and whether nearest was taken
  // for it.
  bool above_nearest = false;
  bool fell_back = false;
  // Quantized together with an earlier layer that reads the same weight, on that layer's inputs.
  bool shares_weight = false;
  std::string strategy;
  int64_t iterations = 0;
  int64_t num_undecided = 0;
  int64_t num_descent_flips = 0;
  int64_t num_nearest_rows = 0;
  // Rows of a searching method above nearest on the search's own columns: where
  // RoundingOptions::keep_nearest_rows is off, it would have put nearest in their place.
  int64_t num_rows_above_nearest = 0;
  int64_t num_changed = 0;  // weights that are not rounded to nearest
  bool short_last_group = false;
  double seconds = 0.0;
};

struct LeftLayer {
  std::string name;
  std::string op;
  std::string reason;
};

}  // namespace adaround
