// What the report.json of a result folder says to later runs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace adaround {

inline constexpr int64_t kMaxReportBytes = int64_t{256} << 20;

// The name under which `file_bytes` has the model's own files together.
inline constexpr const char* kModelFiles = "model.json + weights.safetensors";

struct ResultSummary {
  std::optional<double> float_accuracy;  // percent, top-1 or mIoU
  std::optional<double> accuracy;        // of the result
  std::optional<double> sqnr_db;         // infinite where outputs are the float network's
  std::optional<double> agreement;       // percent
  int64_t num_layers = 0;
  int64_t num_fallen_back = 0;  // layers that took nearest
  int64_t float_bytes = 0;
  int64_t quantized_bytes = 0;
  double total_seconds = 0.0;
  std::vector<std::string> missed_gates;  // "--max-drop: ..."
};

// Of the folder that a run wrote.  Throws Error(kMalformed | kIo).
ResultSummary ReadResultSummary(const std::filesystem::path& folder);

// The summary where the folder holds the finished result of the run with this fingerprint: its
// report.json says so, its model is the one that was written then, and its exports are there.
// Nothing for anything else that may be there.
std::optional<ResultSummary> FindFinishedResult(const std::filesystem::path& folder,
                                                const std::string& fingerprint);

}  // namespace adaround
