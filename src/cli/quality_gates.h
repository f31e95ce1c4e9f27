// Conditions that a result must meet, for CI.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "adaround/report/run_report.h"

namespace adaround::cli {

struct GateOptions {
  std::optional<double> max_drop;  // points of top-1 or mIoU below the float network's
  std::optional<double> min_sqnr;  // dB of the network's output
  bool fail_if_worse_than_baseline = false;
};

void AddGateOptions(CLI::App& app, GateOptions& options);

// Before any work: whether the gates can be computed. `has_labels`: of the samples that are
// measured; `has_output`: these reach the network's output.
// Throws Error(kInvalidArgument), naming the flag and what it needs.
void CheckGates(const GateOptions& options, bool has_labels, bool has_output);

// The gates that were asked for, on the rows "float", "nearest" and that of the result, which is
// the last. With labels the baseline is compared by top-1 or mIoU, else by SQNR.
// Throws Error(kInvalidArgument) for a gate that has no number to look at.
std::vector<GateRow> MeasureGates(const GateOptions& options, const std::vector<NetworkRow>& rows);

// "--max-drop: 70.10 of 71.20 %: ..." for each gate that is missed.
std::vector<std::string> MissedGates(const std::vector<GateRow>& gates);

// Throws Error(kGate), saying all of `missed`, where there is any.
void ThrowIfMissed(const std::vector<std::string>& missed, const std::string& output);

}  // namespace adaround::cli
