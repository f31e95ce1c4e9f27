#include "cli/quality_gates.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "adaround/base/error.h"

namespace adaround::cli {
namespace {

constexpr const char* kGroup = "Gates";
constexpr const char* kMaxDrop = "--max-drop";
constexpr const char* kMinSqnr = "--min-sqnr";
constexpr const char* kNotWorse = "--fail-if-worse-than-baseline";

[[noreturn]] void ThrowNeeds(const char* gate, const char* needed) {
  throw Error(ErrorCode::kInvalidArgument,
              std::string(gate) + " cannot be computed: it needs " + needed);
}

std::optional<double> HeadlineOf(const NetworkRow& row) { return row.miou ? row.miou : row.top1; }

const NetworkRow* FindRow(const std::vector<NetworkRow>& rows, const std::string& name) {
  const auto found = std::find_if(rows.begin(), rows.end(),
                                  [&](const NetworkRow& row) { return row.name == name; });
  return found == rows.end() ? nullptr : &*found;
}

GateRow DropGate(double limit, const std::vector<NetworkRow>& rows) {
  const NetworkRow* reference = FindRow(rows, "float");
  const std::optional<double> before = reference ? HeadlineOf(*reference) : std::nullopt;
  const std::optional<double> after = rows.empty() ? std::nullopt : HeadlineOf(rows.back());
  if (!before || !after) ThrowNeeds(kMaxDrop, "--labels that give an accuracy");
  const double drop = *before - *after;
  // 91.05 - 84.6 is a little more than 6.45 in binary.
  constexpr double kRounding = 1e-9;
  return {kMaxDrop, limit, drop, drop <= limit + kRounding,
          fmt::format("{:.2f} of {:.2f} %: {:.2f} points below, {:g} are allowed", *after, *before,
                      drop, limit)};
}

GateRow SqnrGate(double limit, const std::vector<NetworkRow>& rows) {
  const std::optional<double> sqnr = rows.empty() ? std::nullopt : rows.back().sqnr_db;
  if (!sqnr) ThrowNeeds(kMinSqnr, "samples that reach the network's output");
  // Not a number is not enough.
  return {kMinSqnr, limit, *sqnr, *sqnr >= limit,
          fmt::format("{:.2f} dB, at least {:g} are wanted", *sqnr, limit)};
}

GateRow BaselineGate(const std::vector<NetworkRow>& rows) {
  const NetworkRow* nearest = FindRow(rows, "nearest");
  const bool by_accuracy = nearest != nullptr && HeadlineOf(*nearest).has_value();
  const std::optional<double> theirs =
      nearest == nullptr ? std::nullopt : by_accuracy ? HeadlineOf(*nearest) : nearest->sqnr_db;
  const std::optional<double> ours = rows.empty()  ? std::nullopt
                                     : by_accuracy ? HeadlineOf(rows.back())
                                                   : rows.back().sqnr_db;
  if (!ours || !theirs) ThrowNeeds(kNotWorse, "samples that reach the network's output");
  return {kNotWorse, *theirs, *ours, *ours >= *theirs,
          fmt::format("{:.2f} {}, rounding to nearest has {:.2f}", *ours,
                      by_accuracy ? "%" : "dB", *theirs)};
}

}  // namespace

void AddGateOptions(CLI::App& app, GateOptions& options) {
  app.add_option(kMaxDrop, options.max_drop,
                 "exit 4 where top-1 (or mIoU) falls further below the float network's on --data; "
                 "needs --labels")
      ->check(CLI::Range(-100.0, 100.0))
      ->type_name("POINTS")
      ->group(kGroup);
  app.add_option(kMinSqnr, options.min_sqnr,
                 "exit 4 where the output's signal-to-quantization-noise ratio is below this")
      ->check(CLI::Range(-1000.0, 1000.0))
      ->type_name("DB")
      ->group(kGroup);
  app.add_flag(kNotWorse, options.fail_if_worse_than_baseline,
               "exit 4 where rounding to nearest has more: accuracy with --labels, else SQNR")
      ->group(kGroup);
}

void CheckGates(const GateOptions& options, bool has_labels, bool has_output) {
  for (const auto& [name, limit] :
       {std::pair(kMaxDrop, options.max_drop), std::pair(kMinSqnr, options.min_sqnr)}) {
    if (limit && !std::isfinite(*limit)) {
      throw Error(ErrorCode::kInvalidArgument, std::string(name) + " must be a finite number");
    }
  }
  if (options.max_drop && !has_labels) ThrowNeeds(kMaxDrop, "--data with --labels");
  if (options.min_sqnr && !has_output) {
    ThrowNeeds(kMinSqnr, "samples that reach the network's output");
  }
  if (options.fail_if_worse_than_baseline && !has_output) {
    ThrowNeeds(kNotWorse, "samples that reach the network's output");
  }
}

std::vector<GateRow> MeasureGates(const GateOptions& options, const std::vector<NetworkRow>& rows) {
  std::vector<GateRow> gates;
  if (options.max_drop) gates.push_back(DropGate(*options.max_drop, rows));
  if (options.min_sqnr) gates.push_back(SqnrGate(*options.min_sqnr, rows));
  if (options.fail_if_worse_than_baseline) gates.push_back(BaselineGate(rows));
  return gates;
}

std::vector<std::string> MissedGates(const std::vector<GateRow>& gates) {
  std::vector<std::string> missed;
  for (const GateRow& gate : gates) {
    if (!gate.passed) missed.push_back(gate.name + ": " + gate.text);
  }
  return missed;
}

void ThrowIfMissed(const std::vector<std::string>& missed, const std::string& output) {
  if (missed.empty()) return;
  throw Error(ErrorCode::kGate, "quality gate missed: " +
                                    Printable(fmt::format("{}", fmt::join(missed, "; ")), 1000) +
                                    "; the result is in " + Printable(output, 4096));
}

}  // namespace adaround::cli
