// The rows that a comparison's command line asks for.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "adaround/pipeline/quantize.h"
#include "cli/option_binding.h"

namespace adaround::cli {

inline constexpr const char* kAllLayers = "all layers";
inline constexpr const char* kFirstLayer = "first layer";

struct RowRequest {
  std::vector<std::string> methods;
  std::vector<std::string> variants;  // "LABEL=OPTIONS"
  std::vector<std::string> tables;    // names of PaperTables()
  std::vector<std::string> scopes;    // "all", "first"; empty = all, or what the tables say
  std::optional<int64_t> num_draws;   // of stochastic methods; none = 1, or what the tables say
};

struct RowDefinition {
  std::string table;  // its title; "" = the user's own rows
  std::string label;
  std::string text;  // its options, as on a command line
  QuantizeOptions options;
  std::string calib_labels;  // the file; "" = none, or not read by the method
  std::vector<std::string> scopes;  // kAllLayers, kFirstLayer
  int64_t num_draws = 1;
  bool sweeps_samples = false;
};

// In the order of the tables: the user's own rows first. `base` holds what all rows share, and
// belongs to `command`.
//
// Throws Error(kInvalidArgument), naming the row: no row at all; two rows of one table with the
// same label; an option that is none of `quantize`'s about grid, method or layers, that its value
// does not fit, or that the row's method does not read; layers chosen by a row of scope "first"; an
// option of `base` that no row reads, or that each row says for itself.
std::vector<RowDefinition> DefineRows(const CLI::App& command, const QuantizeBinding& base,
                                      const RowRequest& request);

// Whether the method minimizes the task loss, over the weights of one layer alone.
bool WorksOnOneLayer(const std::string& method);

}  // namespace adaround::cli
