// What `analyze` has to tell, as plain data, and its forms as text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "adaround/report/run_report.h"

namespace adaround {

struct SensitivityRow {
  std::string name;
  std::string op;
  std::vector<std::string> sharing;  // other layers that read its weight
  int64_t num_weights = 0;
  int bits = 0;
  int suggested_bits = 0;
  int64_t rank_by_noise = 0;  // from 1
  std::optional<int64_t> rank_by_accuracy;
  NetworkRow alone;    // only this layer is quantized
  NetworkRow all_but;  // all layers are quantized but this one
};

struct SensitivityReport {
  std::string model;
  std::string method;
  int64_t num_samples = 0;  // of calibration data
  std::string evaluated_on;
  int64_t num_evaluated = 0;
  std::vector<SensitivityRow> layers;  // most sensitive first
  std::vector<NetworkRow> networks;    // float (with labels), all layers, the suggestion
  int64_t num_suggested = 0;
  double average_bits = 0.0;
  double suggested_average_bits = 0.0;
  double total_seconds = 0.0;
};

// {"format": "adaround-sensitivity", "version": 1, ...}: keys are the members' names.
std::string ToJson(const SensitivityReport& report);

// A table of layers, the networks side by side, and the suggestion.
std::string ToText(const SensitivityReport& report);

// A line per layer, most sensitive first, below a line of column names; nothing where a measure was
// not taken, "inf" for an SQNR without noise. RFC 4180; control characters in names are escaped,
// and names that a spreadsheet would take for a formula begin with "'".
std::string ToCsv(const SensitivityReport& report);

}  // namespace adaround
