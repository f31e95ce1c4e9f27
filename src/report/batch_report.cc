#include "adaround/report/batch_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "adaround/base/error.h"
#include "adaround/report/run_report.h"
#include "report/html_text.h"
#include "report/measure_text.h"
#include "report/table_text.h"

namespace adaround {
namespace {

using Json = nlohmann::ordered_json;

bool Failed(const BatchRow& row) {
  return row.status == BatchStatus::kFailed || row.status == BatchStatus::kGateMissed;
}

int64_t Count(const BatchReport& report, BatchStatus status) {
  return std::count_if(report.rows.begin(), report.rows.end(),
                       [&](const BatchRow& row) { return row.status == status; });
}

std::string SizeText(const ResultSummary& result) {
  if (result.quantized_bytes == 0) return "-";
  return fmt::format("{:.1f}x", static_cast<double>(result.float_bytes) /
                                    static_cast<double>(result.quantized_bytes));
}

constexpr size_t kMaxMessage = 4096;

}  // namespace

std::string BatchStatusName(BatchStatus status) {
  switch (status) {
    case BatchStatus::kDone: return "done";
    case BatchStatus::kComplete: return "complete";
    case BatchStatus::kGateMissed: return "gate missed";
    case BatchStatus::kFailed: return "failed";
    case BatchStatus::kNotRun: return "not run";
  }
  return "";
}

int64_t BatchReport::NumFailed() const {
  return std::count_if(rows.begin(), rows.end(), Failed);
}

std::string ToText(const BatchReport& report) {
  TextTable table;
  table.header = {"model", "status", "float %", "result %", "SQNR dB", "agree %",
                  "layers", "smaller", "time"};
  for (const BatchRow& row : report.rows) {
    const ResultSummary result = row.result.value_or(ResultSummary{});
    table.lines.push_back({Printable(row.name), BatchStatusName(row.status),
                           MeasureText(result.float_accuracy, 2), MeasureText(result.accuracy, 2),
                           MeasureText(result.sqnr_db, 2), MeasureText(result.agreement, 2),
                           result.num_layers == 0 ? "-" : std::to_string(result.num_layers),
                           SizeText(result), FormatSeconds(row.seconds)});
  }
  std::string text = ToAligned(table) + "\n";
  for (const BatchRow& row : report.rows) {
    if (!Failed(row)) continue;
    text += Printable(row.name) + ": " + Printable(row.message, kMaxMessage) + "\n";
  }
  return text + fmt::format("models: {} done, {} complete already, {} failed, {} missed a gate, {} "
                            "not run; {}\n",
                            Count(report, BatchStatus::kDone),
                            Count(report, BatchStatus::kComplete),
                            Count(report, BatchStatus::kFailed),
                            Count(report, BatchStatus::kGateMissed),
                            Count(report, BatchStatus::kNotRun),
                            FormatSeconds(report.total_seconds));
}

std::string ToJson(const BatchReport& report) {
  Json json = {{"format", "adaround-batch-report"},
               {"version", 1},
               {"manifest", report.manifest},
               {"num_failed", report.NumFailed()},
               {"total_seconds", report.total_seconds},
               {"rows", Json::array()}};
  for (const BatchRow& row : report.rows) {
    const ResultSummary result = row.result.value_or(ResultSummary{});
    json["rows"].push_back({{"name", row.name},
                            {"model", row.model},
                            {"output", row.output},
                            {"status", BatchStatusName(row.status)},
                            {"exit_code", row.exit_code},
                            {"message", row.message},
                            {"float_accuracy", MeasureToJson(result.float_accuracy)},
                            {"accuracy", MeasureToJson(result.accuracy)},
                            {"sqnr_db", MeasureToJson(result.sqnr_db)},
                            {"exact", IsExact(result.sqnr_db)},
                            {"agreement", MeasureToJson(result.agreement)},
                            {"num_layers", result.num_layers},
                            {"num_fallen_back", result.num_fallen_back},
                            {"float_bytes", result.float_bytes},
                            {"quantized_bytes", result.quantized_bytes},
                            {"seconds", row.seconds}});
  }
  return json.dump(2, ' ', true, Json::error_handler_t::replace) + "\n";
}

std::string ToJUnit(const BatchReport& report) {
  const auto counts = fmt::format(
      R"(tests="{}" failures="{}" errors="{}" skipped="{}" time="{:.3f}")", report.rows.size(),
      Count(report, BatchStatus::kGateMissed), Count(report, BatchStatus::kFailed),
      Count(report, BatchStatus::kNotRun), report.total_seconds);
  std::string text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites " + counts +
                     ">\n  <testsuite name=\"adaround batch\" " + counts + ">\n";
  for (const BatchRow& row : report.rows) {
    text += fmt::format(R"(    <testcase classname="adaround" name="{}" time="{:.3f}")",
                        HtmlText(row.name), row.seconds);
    const std::string message = HtmlText(row.message, kMaxMessage);
    switch (row.status) {
      case BatchStatus::kDone:
      case BatchStatus::kComplete: text += "/>\n"; continue;
      case BatchStatus::kNotRun: text += ">\n      <skipped/>\n"; break;
      case BatchStatus::kGateMissed:
        text += ">\n      <failure type=\"quality gate\" message=\"" + message + "\"/>\n";
        break;
      case BatchStatus::kFailed:
        text += fmt::format(">\n      <error type=\"exit {}\" message=\"{}\"/>\n", row.exit_code,
                            message);
        break;
    }
    text += "    </testcase>\n";
  }
  return text + "  </testsuite>\n</testsuites>\n";
}

}  // namespace adaround
