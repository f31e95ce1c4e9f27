#include "adaround/base/error.h"
#include "adaround/report/comparison_report.h"
#include "report/loss_scale.h"
#include "report/measure_text.h"
#include "report/table_text.h"

namespace adaround {
namespace {

const std::vector<std::string> kRowKeys = {"table",       "label",        "method", "scope",
                                           "calibration", "calib_samples"};

std::vector<std::string> RowCells(const ComparisonRow& row) {
  return {Printable(row.table), Printable(row.label),       row.method,
          row.scope,            Printable(row.calibration), std::to_string(row.num_calib_samples)};
}

}  // namespace

std::string RunsToCsv(const ComparisonReport& report) {
  TextTable table;
  table.header = kRowKeys;
  for (const char* key : {"repeat", "draw", "seed", "rounding_seed"}) table.header.push_back(key);
  for (const MeasureColumn& column : MeasureColumns()) table.header.push_back(column.key);
  for (const char* key : {"local_loss", "num_layers", "num_above_nearest",
                          "num_rows_above_nearest", "num_held_out_samples", "grids", "failure",
                          "solve_seconds", "forward_seconds", "peak_bytes", "peak_is_own"}) {
    table.header.push_back(key);
  }
  for (const ComparisonRow& row : report.rows) {
    for (const ComparisonRun& run : row.runs) {
      std::vector<std::string> line = RowCells(row);
      line.push_back(std::to_string(run.repeat));
      line.push_back(std::to_string(run.draw));
      line.push_back(std::to_string(run.seed));
      line.push_back(run.rounding_seed ? std::to_string(*run.rounding_seed) : "");
      for (const MeasureColumn& column : MeasureColumns()) {
        line.push_back(MeasureToCsv(run.network.*column.member));
      }
      if (run.failure.empty()) {
        line.push_back(MeasureToCsv(run.local_loss));
        line.push_back(std::to_string(run.num_layers));
        line.push_back(std::to_string(run.num_above_nearest));
        line.push_back(std::to_string(run.num_rows_above_nearest));
        line.push_back(std::to_string(run.num_held_out_samples));
        line.push_back(run.grids);
      } else {
        line.insert(line.end(), 6, "");
      }
      line.push_back(Printable(run.failure, 1000));
      line.push_back(MeasureToCsv(run.solve_seconds));
      line.push_back(MeasureToCsv(run.forward_seconds));
      line.push_back(std::to_string(run.peak_bytes));
      line.push_back(run.peak_is_own ? "true" : "false");
      table.lines.push_back(std::move(line));
    }
  }
  return ToCsv(table);
}

std::string SummariesToCsv(const ComparisonReport& report) {
  TextTable table;
  table.header = kRowKeys;
  for (const char* key : {"num_runs", "num_failed"}) table.header.push_back(key);
  for (const MeasureColumn& column : MeasureColumns()) {
    table.header.push_back(std::string(column.key) + "_mean");
    table.header.push_back(std::string(column.key) + "_std");
  }
  for (const char* key :
       {"local_loss_mean", "local_loss_std", "num_layers", "mean_above_nearest",
        "mean_rows_above_nearest", "best",
        "num_beating_nearest", "pearson", "spearman", "note", "mean_solve_seconds",
        "mean_forward_seconds", "peak_bytes", "peak_is_own"}) {
    table.header.push_back(key);
  }
  const auto add = [](const std::optional<Moments>& moments, std::vector<std::string>& line) {
    line.push_back(moments ? MeasureToCsv(moments->mean) : "");
    line.push_back(moments ? MeasureToCsv(moments->std) : "");
  };
  for (size_t i = 0; i < report.rows.size(); ++i) {
    const ComparisonRow& row = report.rows[i];
    const RowSummary summary = Summarize(report, i);
    std::vector<std::string> line = RowCells(row);
    line.push_back(std::to_string(summary.num_runs));
    line.push_back(std::to_string(summary.num_failed));
    for (const auto& moments : summary.measures) add(moments, line);
    add(summary.local_loss, line);
    line.push_back(std::to_string(summary.num_layers));
    line.push_back(MeasureToCsv(summary.mean_above_nearest));
    line.push_back(MeasureToCsv(summary.mean_rows_above_nearest));
    line.push_back(MeasureToCsv(summary.best));
    line.push_back(summary.num_beating_nearest ? std::to_string(*summary.num_beating_nearest) : "");
    line.push_back(MeasureToCsv(summary.pearson));
    line.push_back(MeasureToCsv(summary.spearman));
    line.push_back(Printable(row.note, 1000));
    line.push_back(MeasureToCsv(summary.mean_solve_seconds));
    line.push_back(MeasureToCsv(summary.mean_forward_seconds));
    line.push_back(std::to_string(summary.peak_bytes));
    line.push_back(summary.peak_is_own ? "true" : "false");
    table.lines.push_back(std::move(line));
  }
  return ToCsv(table);
}

std::string ScatterToCsv(const ComparisonReport& report, const std::vector<Scatter>& scatters) {
  const MeasureColumn* measure = HeadlineMeasure(report);
  ADAROUND_CHECK(measure != nullptr);
  TextTable table;
  table.header = {"scatter"};
  table.header.insert(table.header.end(), kRowKeys.begin(), kRowKeys.end());
  for (const char* key : {"repeat", "draw", "local_loss", "loss_over_nearest"}) {
    table.header.push_back(key);
  }
  table.header.push_back(measure->key);
  for (size_t s = 0; s < scatters.size(); ++s) {
    const LossScale scale(report, report.rows[scatters[s].row].nearest_row);
    std::vector<size_t> rows = {scatters[s].row};
    rows.insert(rows.end(), scatters[s].marked.begin(), scatters[s].marked.end());
    for (const size_t row : rows) {
      for (const ComparisonRun& run : report.rows[row].runs) {
        if (!run.failure.empty()) continue;
        std::vector<std::string> line = RowCells(report.rows[row]);
        line.insert(line.begin(), std::to_string(s + 1));
        line.push_back(std::to_string(run.repeat));
        line.push_back(std::to_string(run.draw));
        line.push_back(MeasureToCsv(run.local_loss));
        line.push_back(scale.is_relative() ? MeasureToCsv(scale.Of(run)) : "");
        line.push_back(MeasureToCsv(run.network.*measure->member));
        table.lines.push_back(std::move(line));
      }
    }
  }
  return ToCsv(table);
}

}  // namespace adaround
