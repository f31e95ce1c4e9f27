// One run of `quantize`: from options and files that have been read to a result in its place.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "adaround/graph/graph.h"
#include "adaround/io/atomic_output.h"
#include "adaround/io/input_stamps.h"
#include "adaround/io/labels.h"
#include "adaround/pipeline/calibration_set.h"
#include "adaround/pipeline/checkpoint.h"
#include "adaround/pipeline/evaluate.h"
#include "adaround/pipeline/quantize.h"
#include "cli/commands.h"
#include "cli/first_failure.h"
#include "cli/image_options.h"
#include "cli/provenance.h"
#include "cli/quality_gates.h"

namespace adaround::cli {

// What the command line says, beside QuantizeOptions.
struct QuantizeArguments {
  std::string model;
  std::string calib;
  std::string output;
  std::string baseline;
  std::string data;
  std::string labels;
  std::string report;
  std::string html;
  std::string plan;
  std::string save_plan;
  std::vector<std::string> formats;
  std::optional<double> expect_float;
  GateOptions gates;
  int64_t verify = 0;
  ImageOptions image;
  std::optional<int64_t> calib_samples;
  std::string shard;  // I/N, where one is given
  std::optional<int64_t> merge_shards;
  bool force = false;
  bool resume = false;
  bool dry_run = false;
  CommonOptions common;
  QuantizeCall* call = nullptr;  // null for users
};

struct MeasuredSamples {
  CalibrationSet samples;
  const char* name;
};

// A run whose options and files have been read and checked.
struct QuantizeRun {
  const QuantizeArguments& arguments;
  const QuantizeOptions& options;
  const Graph& graph;
  const CalibrationSet& samples;
  const MeasuredSamples& measured;
  const Labels* labels;             // null where there are none
  ReferenceOutputs* float_outputs;  // null where nothing can be measured
  const SourceDigests& digests;
  const std::map<std::string, std::string>& inputs;  // all that the result comes from
  const std::filesystem::path& output;
  std::chrono::steady_clock::time_point start;
  const InputStamps& stamps;  // of the files that are read meanwhile
};

inline constexpr const char* kReport = "report.json";
// Under which a result keeps what --html and --save-plan made: a run that was killed before it
// wrote them beside the result leaves them to the next.
inline constexpr const char* kKeptPage = "report.html";
inline constexpr const char* kKeptPlan = "plan.json";

// Writes --report, --html and --save-plan from what the result keeps of them: all that can be, the
// first failure noted.
void WriteFilesBeside(const QuantizeArguments& arguments, const std::filesystem::path& output,
                      FirstFailure& failure);

// Searches the layers that `checkpoint` does not have, writes, measures what was written, puts it
// in place, and then writes what lies beside it and stdout.
// Throws Error as QuantizeModel and the writers do; kGate, with the result in place, where a gate
// is missed.
void BuildResult(const QuantizeRun& run, Checkpoint& checkpoint, OutputDirectory& directory);

}  // namespace adaround::cli
