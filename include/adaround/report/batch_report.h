// What became of each model of a batch, as plain data, and its forms as text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "adaround/model/result_summary.h"

namespace adaround {

enum class BatchStatus {
  kDone,        // in this run
  kComplete,    // by an earlier one, and left alone
  kGateMissed,  // written, but not as good as wanted
  kFailed,
  kNotRun,      // the batch ended before, or another shard's
};

std::string BatchStatusName(BatchStatus status);  // "done", "complete", "gate missed", ...

struct BatchRow {
  std::string name;
  std::string model;   // paths, as the manifest has them
  std::string output;
  BatchStatus status = BatchStatus::kNotRun;
  int exit_code = 0;    // what `quantize` would have returned
  std::string message;  // why it failed; "" = nothing to say
  std::optional<ResultSummary> result;  // where there is one
  double seconds = 0.0;  // of this run
};

struct BatchReport {
  std::string manifest;
  std::vector<BatchRow> rows;
  double total_seconds = 0.0;

  // Rows that count against the batch: failed or not as good as wanted.
  int64_t NumFailed() const;
};

// A table with a line per model, then what failed and why.
std::string ToText(const BatchReport& report);
// {"format": "adaround-batch-report", "version": 1, ...}: keys are the members' names, those of a
// row's result among the row's; null and 0 where there is none.
std::string ToJson(const BatchReport& report);
// JUnit's XML: a test case per model; a missed gate is a failure, all else that failed an error.
std::string ToJUnit(const BatchReport& report);

}  // namespace adaround
