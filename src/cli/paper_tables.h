// The paper's tables (Nagel et al. 2020, arXiv:2004.10568) as lists of rows, to be run on the
// user's network.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace adaround::cli {

struct PaperRow {
  std::string label;
  std::string options;  // of `quantize`, on top of the comparison's own
};

struct PaperTable {
  std::string name;   // after --table
  std::string title;  // "Table 1: ..."
  std::vector<PaperRow> rows;
  bool first_layer = false;  // the first layer alone is quantized ...
  bool all_layers = true;    // ... all are; both where both are true
  // Draws of a stochastic method, unless the user says otherwise.
  int64_t num_draws = 1;
  // Whether each row is run on rising amounts of calibration samples.
  bool sweeps_samples = false;
};

const std::vector<PaperTable>& PaperTables();
std::vector<std::string> PaperTableNames();
// REQUIRES: one of PaperTableNames().
const PaperTable& FindPaperTable(const std::string& name);

}  // namespace adaround::cli
