// What the report.json of a result folder says to later runs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "adaround/model/result_summary.h"

namespace adaround {

inline constexpr int64_t kMaxReportBytes = int64_t{256} << 20;

// The name under which `file_bytes` has the model's own files together.
inline constexpr const char* kModelFiles = "model.json + weights.safetensors";

struct FinishedResult {
  ResultSummary summary;
  std::vector<std::string> missed_gates;  // "--max-drop: ..."
};

// Of the folder that a run wrote.  Throws Error(kMalformed | kIo).
FinishedResult ReadFinishedResult(const std::filesystem::path& folder);

// The result where the folder holds the finished result of the run with this fingerprint: its
// report.json says so, its model is the one that was written then, and its exports, and the
// page and the plan that it keeps, are there unchanged. Nothing for all else that may be there.
std::optional<FinishedResult> FindFinishedResult(const std::filesystem::path& folder,
                                                 const std::string& fingerprint);

// What the folder's report.json says that its result came from; nothing where it does not.
std::map<std::string, std::string> FindInputs(const std::filesystem::path& folder);

// The float model that the folder's report.json names; "" where none can be read.
std::string FindFloatModel(const std::filesystem::path& folder);

// Of the report of the comparison with this fingerprint, how many of its runs failed. Nothing for
// anything else that may be there.
std::optional<int64_t> FindFailedRuns(const std::filesystem::path& report,
                                      const std::string& fingerprint);

}  // namespace adaround
