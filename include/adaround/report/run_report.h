// What a run of `quantize` has to tell, as plain data, and its forms as text.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "adaround/report/layer_report.h"

namespace adaround {

// A quantized activation tensor.
struct ActivationRow {
  std::string tensor;
  int bits = 0;
  double low = 0.0;  // smallest and largest value on the grid
  double high = 0.0;
};

// One network's measurements on one set of samples.
struct NetworkRow {
  std::string name;  // "float", "nearest", "adaround"
  std::optional<double> top1;
  std::optional<double> top5;
  std::optional<double> miou;  // percent, with label maps
  std::optional<double> pixel_accuracy;
  std::optional<double> sqnr_db;
  std::optional<double> agreement;
  std::optional<double> kl_divergence;
};

// A step of the float network's transformation, and what the network measures behind it beside the
// network as it was read.
struct TransformRow {
  std::string name;    // the option's
  std::string detail;  // what was done
  std::optional<NetworkRow> network;  // where samples reach the output
};

// A condition that the result was to meet.
struct GateRow {
  std::string name;  // the option's
  double limit = 0.0;
  double value = 0.0;
  bool passed = false;
  std::string text;  // what was found and what was wanted
};

struct RunReport {
  std::string model;   // path as given
  std::string output;  // path of OUT
  std::string method;
  std::map<std::string, std::string> provenance;
  // SHA-256 of everything that the run came from, options and program included, and of the model
  // that it wrote: a later run tells by them that its work is done (io/result_report.h).
  std::string fingerprint;
  std::string result_sha256;
  // What the fingerprint is of, by name.
  std::map<std::string, std::string> inputs;
  std::vector<LayerReport> layers;
  std::vector<LeftLayer> left;
  std::vector<ActivationRow> activations;
  std::vector<LeftLayer> float_biases;  // beside quantized activations
  std::string evaluated_on;  // what the rows of `networks` were measured on
  int64_t num_evaluated = 0;
  std::vector<NetworkRow> networks;
  std::vector<TransformRow> transforms;  // measured on the same
  std::vector<GateRow> gates;            // likewise
  // The network with one layer's weights alone quantized, by the layer's name, on so many of those
  // samples; with --html.
  std::vector<NetworkRow> sensitivity;
  int64_t num_sensitivity_samples = 0;
  int64_t num_samples = 0;
  int64_t num_held_out_samples = 0;
  int64_t num_folded_batch_norms = 0;
  int64_t float_bytes = 0;      // of the quantized weights, as float32
  int64_t quantized_bytes = 0;  // of the same, packed, with scales
  int64_t model_file_bytes = 0;                // of the float model's files
  std::map<std::string, int64_t> file_bytes;       // of the files written, by name
  std::map<std::string, std::string> file_sha256;  // of exports, page and plan, by name
  int64_t macs_per_sample = 0;
  int64_t forward_macs = 0;
  int64_t num_segments = 0;
  int64_t stored_bytes = 0;
  int64_t spilled_bytes = 0;
  int64_t peak_resident_bytes = 0;
  int num_threads = 1;
  double forward_seconds = 0.0;
  double solve_seconds = 0.0;
  double total_seconds = 0.0;
  std::vector<std::string> warnings;
};

// {"format": "adaround-report", "version": 1, ...}: keys are the members' names. A version gains
// keys, and loses none. Of a layer's "trace", only looks of the stage "relaxation" have
// "iteration", and only those with soft weights "soft_roundings" and "num_undecided".
std::string ToJson(const RunReport& report);

// The final tables: networks side by side, layers left in float, bytes, times.
std::string ToText(const RunReport& report, bool with_baseline);

// The networks side by side, headed by what they were measured on: top-1 and top-5, or, where a row
// has it, mIoU and pixel accuracy.
std::string NetworkTable(const std::vector<NetworkRow>& networks, int64_t num_evaluated,
                         const std::string& evaluated_on);

// "[ 7/21] layer2.0.conv1  64x576  nearest 0.0538 -> 0.0094  (5.7x)  3.1 s"
std::string LayerLine(const LayerReport& layer, int64_t done, int64_t total);

// "equalize: 37 pairs of layers, ...; float network: top-1 79.20 %, agreement 100.00 %, SQNR 91.20
// dB"
std::string TransformLine(const TransformRow& row);

// "1.5 MiB"
std::string FormatBytes(int64_t bytes);
// "12.3 s", "4 min 05 s"
std::string FormatSeconds(double seconds);

}  // namespace adaround
