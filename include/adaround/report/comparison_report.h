// What `compare` has to tell, as plain data, and its forms as text.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace adaround {

// One network on one set of samples; the members mean what Evaluation's do.
struct NetworkMeasures {
  std::optional<double> top1;            // percent
  std::optional<double> top5;            // percent
  std::optional<double> miou;            // percent, with label maps
  std::optional<double> pixel_accuracy;  // percent, with label maps
  // Of the outputs; plus infinity where equal to the float ones, minus infinity where the float
  // ones are zero everywhere and these are not.
  std::optional<double> sqnr_db;
  std::optional<double> agreement;       // percent, with the float network's classes
  std::optional<double> agreement_miou;  // percent, of maps, the float network's taken for labels
  std::optional<double> kl_divergence;   // nats
};

// The members of NetworkMeasures, for whoever goes through all of them.
struct MeasureColumn {
  const char* key;   // the member's name
  const char* name;  // for people
  const char* unit;  // "%", "dB", "" where there is none
  int digits;        // after the point
  bool larger_is_better;
  std::optional<double> NetworkMeasures::*member;

  std::string Title() const;  // "top-1 %"
};
const std::vector<MeasureColumn>& MeasureColumns();

// The float network after one step of its transformation.
struct TransformedNetwork {
  std::string step;
  std::string detail;
  NetworkMeasures network;
};

// One quantization and its measurement.
struct ComparisonRun {
  int64_t repeat = 0;
  int64_t draw = 0;  // of a stochastic method, with one seed
  uint64_t seed = 0;
  std::optional<uint64_t> rounding_seed;  // of a draw after the first
  std::string failure;                    // why nothing below was measured; "" = it was
  NetworkMeasures network;
  std::vector<TransformedNetwork> transformed;
  // Sum over the quantized layers of LayerReport::error.
  double local_loss = 0.0;
  int64_t num_layers = 0;         // that were quantized; those that share a weight count once
  // What `quantize` would have done otherwise: layers above nearest on the held-out samples, and
  // output channels above it on those searched on.
  int64_t num_above_nearest = 0;
  int64_t num_rows_above_nearest = 0;
  int64_t num_held_out_samples = 0;  // of the calibration samples
  std::string grids;                 // a digest of all scales and zero points
  double solve_seconds = 0.0;
  double forward_seconds = 0.0;
  int64_t peak_bytes = 0;
  // Whether the system let the peak be started anew for the run; else it is the process's so far.
  bool peak_is_own = true;
};

// One line of a table: runs that differ in their seeds alone.
struct ComparisonRow {
  std::string table;  // "" where the user named the methods
  std::string label;
  std::string method;
  std::string options;  // as on a command line
  std::string scope;    // "all layers", "first layer"
  std::string calibration;
  int64_t num_calib_samples = 0;
  // The row that rounds to nearest on the same grids, in the same table.
  std::optional<size_t> nearest_row;
  bool is_stochastic = false;
  std::string note;  // why there are no runs
  std::map<std::string, std::string> provenance;  // of the first run
  std::vector<ComparisonRun> runs;
};

struct ComparisonReport {
  std::string model;
  std::string fingerprint;  // of all that it depends on, as hexadecimal SHA-256
  std::map<std::string, std::string> inputs;  // what every row was made from
  std::string evaluated_on;                   // "" where the data reach no output
  int64_t num_evaluated = 0;
  std::string first_layer;  // of scope "first layer"; "" where no row has it
  int num_threads = 1;
  double total_seconds = 0.0;
  int64_t num_resumed = 0;  // runs taken over from an interrupted comparison
  NetworkMeasures float_network;
  std::vector<ComparisonRow> rows;
  std::vector<std::string> notes;
};

struct Moments {
  int64_t count = 0;
  double mean = 0.0;
  std::optional<double> std;  // n - 1; none of a single value, nor where one is infinite
  int64_t num_exact = 0;      // values that are plus infinity
};

// Over the runs of a row that did not fail.
struct RowSummary {
  int64_t num_runs = 0;
  int64_t num_failed = 0;
  std::vector<std::optional<Moments>> measures;  // in the order of MeasureColumns
  std::optional<Moments> local_loss;
  double mean_above_nearest = 0.0;
  double mean_rows_above_nearest = 0.0;
  int64_t num_layers = 0;
  // The first row of the same table, layers and data, where its grids are others.
  std::optional<size_t> row_with_other_grids;
  double mean_solve_seconds = 0.0;
  double mean_forward_seconds = 0.0;
  int64_t peak_bytes = 0;  // the largest
  bool peak_is_own = true;
  // Of rows with several draws, by the report's headline measure: the best; how many are better
  // than nearest of the same seed; how the local loss, over that of nearest of the same seed where
  // there is one, goes with it.
  std::optional<double> best;
  std::optional<int64_t> num_beating_nearest;
  std::optional<double> pearson;
  std::optional<double> spearman;
};

// What draws are judged by: top-1 accuracy, or mIoU, or without labels SQNR, or agreement of
// outputs without scores. Null where nothing was measured.
const MeasureColumn* HeadlineMeasure(const ComparisonReport& report);

// REQUIRES: row < report.rows.size().
RowSummary Summarize(const ComparisonReport& report, size_t row);
// Of all rows.
int64_t NumFailedRuns(const ComparisonReport& report);

// {"format": "adaround-comparison", "version": 1, ...}: keys are the members' names.
std::string ToJson(const ComparisonReport& report);
// For the terminal.
std::string ToText(const ComparisonReport& report);
std::string ToMarkdown(const ComparisonReport& report);
// A line per single run, what may differ between two equal comparisons (times, memory) last.
std::string RunsToCsv(const ComparisonReport& report);
// A line per row.
std::string SummariesToCsv(const ComparisonReport& report);

// One picture: the draws of a stochastic row, and the other rows of its table on the same layers
// and data. The paper's Fig. 1.
struct Scatter {
  size_t row = 0;
  std::vector<size_t> marked;  // rows
};
// Of every row with at least two draws that were measured.
std::vector<Scatter> FindScatters(const ComparisonReport& report);
std::string ScatterToCsv(const ComparisonReport& report, const std::vector<Scatter>& scatters);
// A document that stands alone, readable on light and dark ground.
std::string ScatterToSvg(const ComparisonReport& report, const Scatter& scatter);

// "[ 3/12] Table 1: nearest, first layer, 24 samples of calib, seed 42, draw 2: top-1 67.30 %, SQNR
// 11.20 dB, local loss 0.0538, 1.2 s"
std::string RunLine(const ComparisonRow& row, const ComparisonRun& run, int64_t done,
                    int64_t total);

}  // namespace adaround
