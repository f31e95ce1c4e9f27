// Runs the rows of a comparison, one after the other, each on all threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "adaround/graph/graph.h"
#include "adaround/io/input_stamps.h"
#include "adaround/pipeline/calibration_set.h"
#include "adaround/pipeline/comparison.h"
#include "adaround/report/comparison_report.h"
#include "cli/comparison_journal.h"
#include "cli/comparison_rows.h"
#include "cli/progress_display.h"

namespace adaround::cli {

struct CalibrationChoice {
  std::string name;
  std::string path;
  std::vector<std::filesystem::path> files;  // CalibrationFiles, which `digest` is of
  std::string digest;                        // CalibrationDigest
};

struct ComparisonSetup {
  InputStamps stamps;  // of all that is read
  std::string model_digest;
  std::vector<CalibrationChoice> calibrations;  // the first is --calib
  // Of samples, 0 = all; empty = as many as are enough for `base`, or what a row sweeps.
  std::vector<int64_t> amounts;
  std::vector<RowDefinition> rows;
  QuantizeOptions base;
  int64_t num_repeats = 1;
};

class ComparisonRunner {
 public:
  // Plans every run, and checks what can be checked before the first.
  // Throws Error(kInvalidArgument): more samples wanted than there are, an amount twice, a row
  // whose options fit no layer, --calib-labels beside other samples than its own; as
  // OpenCalibrationFiles, CalibrationSet and ReadCalibLabels do.
  ComparisonRunner(const Graph& graph, ComparisonSetup setup);

  int64_t num_runs() const;
  // The most samples of --calib that a row uses.
  int64_t largest_amount() const;
  // Rows without runs.
  const ComparisonReport& report() const { return report_; }

  // A run that fails is shown as failed, and the others go on. Runs in the journal are taken from
  // there.  Throws Error(kCancelled | kIo), std::logic_error.
  ComparisonReport Run(ComparisonBench& bench, ComparisonJournal& journal,
                       const std::filesystem::path& spill_directory, int64_t data_bytes,
                       ProgressDisplay& display);

 private:
  struct Plan {  // of the row with the same index
    // Labels are those of all samples of the calibration.
    QuantizeOptions options;
    std::string labels_digest;
    size_t calibration = 0;
    int64_t num_draws = 1;
    // What the grids come from: rows with the same text differ in their method alone.
    std::string grid_key;
  };
  struct Clock;

  CalibrationSet Open(size_t calibration, int64_t amount) const;  // 0 = all
  std::vector<int64_t> AmountsOf(const RowDefinition& row, size_t calibration) const;
  void PlanRow(const RowDefinition& row, const std::string& scope);
  void FindNearestRows();
  int64_t NumRuns(size_t row) const;
  void RunRow(size_t row, const CalibrationSet& samples, ComparisonBench& bench,
              ComparisonJournal& journal, ProgressDisplay& display, Clock& clock);
  // A failure of the method is a result.
  ComparisonRun RunOnce(const CalibrationSet& samples, const QuantizeOptions& options,
                        bool measure_transforms, ComparisonBench& bench,
                        QuantizeObserver& observer) const;

  const Graph& graph_;
  ComparisonSetup setup_;
  std::vector<int64_t> num_available_;  // samples of each calibration
  std::vector<Plan> plans_;
  ComparisonReport report_;
};

}  // namespace adaround::cli
