#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "adaround/base/error.h"
#include "adaround/report/comparison_report.h"
#include "adaround/report/run_report.h"
#include "report/measure_text.h"
#include "report/table_text.h"

namespace adaround {
namespace {

std::string Cell(const std::optional<Moments>& moments, int digits) {
  if (!moments) return "-";
  // Runs with equal outputs and others have no mean to speak of.
  if (moments->num_exact > 0 && moments->num_exact < moments->count) {
    return fmt::format("{} of {} exact", moments->num_exact, moments->count);
  }
  std::string text = MeasureText(moments->mean, digits);
  if (moments->std) text += " ± " + MeasureText(*moments->std, digits);
  return text;
}

std::string Significant(const std::optional<Moments>& moments) {
  if (!moments) return "-";
  std::string text = fmt::format("{:.4g}", moments->mean);
  if (moments->std) text += fmt::format(" ± {:.2g}", *moments->std);
  return text;
}

// The rows of one table: its name, and where each stands in the report.
struct Section {
  std::string table;
  std::vector<size_t> rows;
};

std::vector<Section> SectionsOf(const ComparisonReport& report) {
  std::vector<Section> sections;
  for (size_t i = 0; i < report.rows.size(); ++i) {
    const std::string& table = report.rows[i].table;
    const auto found = std::find_if(sections.begin(), sections.end(),
                                    [&](const Section& section) { return section.table == table; });
    if (found != sections.end()) {
      found->rows.push_back(i);
    } else {
      sections.push_back({table, {i}});
    }
  }
  return sections;
}

template <typename Field>
bool Varies(const ComparisonReport& report, const std::vector<size_t>& rows, Field field) {
  return std::any_of(rows.begin(), rows.end(), [&](size_t row) {
    return report.rows[row].*field != report.rows[rows.front()].*field;
  });
}

// Builds one section's tables.
class SectionTable {
 public:
  SectionTable(const ComparisonReport& report, const Section& section)
      : report_(report),
        section_(section),
        scope_varies_(Varies(report, section.rows, &ComparisonRow::scope)),
        calibration_varies_(Varies(report, section.rows, &ComparisonRow::calibration)),
        amount_varies_(Varies(report, section.rows, &ComparisonRow::num_calib_samples)) {
    for (const size_t row : section.rows) summaries_.push_back(Summarize(report, row));
    for (size_t m = 0; m < MeasureColumns().size(); ++m) {
      const auto member = MeasureColumns()[m].member;
      const bool measured =
          report.float_network.*member ||
          std::any_of(summaries_.begin(), summaries_.end(),
                      [&](const RowSummary& summary) { return summary.measures[m].has_value(); });
      // Of KL the JSON and CSV tell.
      if (measured && member != &NetworkMeasures::kl_divergence) columns_.push_back(m);
    }
  }

  // What all rows have in common is said once.
  std::string Heading() const {
    std::string text;
    const ComparisonRow& first = report_.rows[section_.rows.front()];
    if (!scope_varies_) text += first.scope;
    if (!calibration_varies_) {
      text += (text.empty() ? "" : ", ") + ("calibrated on " + Printable(first.calibration));
      if (!amount_varies_) text += " (" + Amount(first) + ")";
    } else if (!amount_varies_) {
      text += (text.empty() ? "" : ", ") + Amount(first) + " of each";
    }
    return text;
  }

  TextTable Main() const {
    TextTable table;
    table.header = Head("row");
    for (const size_t column : columns_) table.header.push_back(MeasureColumns()[column].Title());
    for (const char* title :
         {"local loss", "above nearest", "rounding", "forward", "peak memory"}) {
      table.header.push_back(title);
    }
    table.lines.push_back(NetworkLine("float", nullptr, report_.float_network));
    for (size_t i = 0; i < section_.rows.size(); ++i) {
      const ComparisonRow& row = report_.rows[section_.rows[i]];
      AddTransformed(row, table);
      table.lines.push_back(RowLine(row, summaries_[i]));
    }
    return table;
  }

  // Of the rows with several draws; no lines where there are none.
  TextTable Draws() const {
    TextTable table;
    const MeasureColumn* measure = HeadlineMeasure(report_);
    if (measure == nullptr) return table;
    const std::string title = measure->Title();
    const auto at = static_cast<size_t>(measure - MeasureColumns().data());
    table.header = Head("draws of");
    for (const std::string& name : {std::string("draws"), title, "best " + title,
                                    std::string("beat nearest"), std::string("Pearson"),
                                    std::string("Spearman")}) {
      table.header.push_back(name);
    }
    for (size_t i = 0; i < section_.rows.size(); ++i) {
      const RowSummary& summary = summaries_[i];
      if (!summary.best) continue;
      const int64_t num_drawn = summary.num_runs - summary.num_failed;
      std::vector<std::string> line = HeadCells(&report_.rows[section_.rows[i]]);
      line.insert(line.begin(), Printable(report_.rows[section_.rows[i]].label));
      line.push_back(std::to_string(num_drawn));
      line.push_back(Cell(summary.measures[at], measure->digits));
      line.push_back(MeasureText(summary.best, measure->digits));
      line.push_back(summary.num_beating_nearest
                         ? fmt::format("{} of {}", *summary.num_beating_nearest, num_drawn)
                         : "-");
      line.push_back(MeasureText(summary.pearson, 3));
      line.push_back(MeasureText(summary.spearman, 3));
      table.lines.push_back(std::move(line));
    }
    return table;
  }

  std::vector<std::string> Remarks() const {
    std::vector<std::string> remarks;
    for (size_t i = 0; i < section_.rows.size(); ++i) {
      const ComparisonRow& row = report_.rows[section_.rows[i]];
      std::string name = Printable(row.label);
      for (const std::string& cell : HeadCells(&row)) name += ", " + cell;
      if (!row.note.empty()) remarks.push_back(name + ": " + row.note);
      std::set<std::string> failures;
      for (const ComparisonRun& run : row.runs) {
        if (!run.failure.empty()) failures.insert(run.failure);
      }
      if (const auto other = summaries_[i].row_with_other_grids) {
        remarks.push_back(name + ": its grids are not those of " +
                          Printable(report_.rows[*other].label));
      }
      for (const std::string& failure : failures) {
        remarks.push_back(name + " failed: " + Printable(failure, 1000));
      }
    }
    return remarks;
  }

 private:
  // "1024 samples, 154 of them held out"
  static std::string Amount(const ComparisonRow& row) {
    std::string text = fmt::format("{} samples", row.num_calib_samples);
    for (const ComparisonRun& run : row.runs) {
      if (run.num_held_out_samples == 0) continue;
      return text + fmt::format(", {} of them held out", run.num_held_out_samples);
    }
    return text;
  }

  std::vector<std::string> Head(const std::string& first) const {
    std::vector<std::string> head = {first};
    if (scope_varies_) head.push_back("layers");
    if (calibration_varies_) head.push_back("calibrated on");
    if (amount_varies_) head.push_back("samples");
    return head;
  }

  // The same columns, but for the first, of a row; of the float network where `row` is null.
  std::vector<std::string> HeadCells(const ComparisonRow* row) const {
    std::vector<std::string> cells;
    if (scope_varies_) cells.push_back(row != nullptr ? row->scope : "");
    if (calibration_varies_) cells.push_back(row != nullptr ? Printable(row->calibration) : "");
    if (amount_varies_) {
      cells.push_back(row != nullptr ? std::to_string(row->num_calib_samples) : "");
    }
    return cells;
  }

  std::vector<std::string> NetworkLine(const std::string& name, const ComparisonRow* row,
                                       const NetworkMeasures& network) const {
    std::vector<std::string> line = HeadCells(row);
    line.insert(line.begin(), name);
    for (const size_t column : columns_) {
      const MeasureColumn& measure = MeasureColumns()[column];
      line.push_back(MeasureText(network.*measure.member, measure.digits));
    }
    line.insert(line.end(), 5, "");
    return line;
  }

  void AddTransformed(const ComparisonRow& row, TextTable& table) const {
    for (const ComparisonRun& run : row.runs) {
      for (const TransformedNetwork& step : run.transformed) {
        table.lines.push_back(NetworkLine(
            "  float, " + Printable(step.step) + " for " + Printable(row.label), &row,
            step.network));
      }
      if (!run.transformed.empty()) return;
    }
  }

  std::vector<std::string> RowLine(const ComparisonRow& row, const RowSummary& summary) const {
    std::vector<std::string> line = HeadCells(&row);
    line.insert(line.begin(), Printable(row.label));
    const bool failed = summary.num_failed > 0 && summary.num_failed == summary.num_runs;
    for (const size_t column : columns_) {
      line.push_back(failed
                         ? "failed"
                         : Cell(summary.measures[column], MeasureColumns()[column].digits));
    }
    if (!summary.local_loss) {
      line.insert(line.end(), 5, "-");
      return line;
    }
    line.push_back(Significant(summary.local_loss));
    std::string above = fmt::format("{:.4g} of {}", summary.mean_above_nearest, summary.num_layers);
    if (summary.mean_rows_above_nearest > 0.0) {
      above += fmt::format(" ({:.4g} channels)", summary.mean_rows_above_nearest);
    }
    line.push_back(above);
    line.push_back(FormatSeconds(summary.mean_solve_seconds));
    line.push_back(FormatSeconds(summary.mean_forward_seconds));
    line.push_back(FormatBytes(summary.peak_bytes));
    return line;
  }

  const ComparisonReport& report_;
  const Section& section_;
  bool scope_varies_;
  bool calibration_varies_;
  bool amount_varies_;
  std::vector<RowSummary> summaries_;
  std::vector<size_t> columns_;  // of MeasureColumns
};

std::string MeasuredOn(const ComparisonReport& report) {
  if (report.evaluated_on.empty()) return "layers alone: the samples do not reach an output";
  return fmt::format("measured on {} {}", report.num_evaluated, report.evaluated_on);
}

std::vector<std::string> CommonRemarks(const ComparisonReport& report) {
  std::vector<std::string> remarks;
  int64_t num_runs = 0;
  bool peak_is_own = true;
  bool has_deviation = false;
  for (size_t i = 0; i < report.rows.size(); ++i) {
    const RowSummary summary = Summarize(report, i);
    num_runs = std::max(num_runs, summary.num_runs);
    peak_is_own = peak_is_own && summary.peak_is_own;
    has_deviation = has_deviation || summary.num_runs - summary.num_failed > 1;
  }
  if (!report.first_layer.empty()) {
    remarks.push_back("first layer: " + Printable(report.first_layer));
  }
  if (has_deviation) {
    remarks.push_back(
        "mean ± standard deviation (n - 1) over the runs, which differ in their seeds");
  }
  remarks.push_back(
      "local loss: held-out reconstruction error, summed over the quantized layers; above nearest: "
      "layers where `quantize` would have taken nearest (and output channels that are above it on "
      "the samples searched on)");
  if (!peak_is_own) {
    remarks.push_back("peak memory is the process's so far: the system does not let it start anew");
  }
  for (const std::string& note : report.notes) remarks.push_back(Printable(note, 1000));
  return remarks;
}

}  // namespace

std::string ToText(const ComparisonReport& report) {
  std::string text = MeasuredOn(report) + "\n";
  for (const Section& section : SectionsOf(report)) {
    const SectionTable tables(report, section);
    text += "\n";
    if (!section.table.empty()) text += section.table + "\n";
    if (!tables.Heading().empty()) text += tables.Heading() + "\n";
    text += ToAligned(tables.Main());
    const TextTable draws = tables.Draws();
    if (!draws.lines.empty()) text += "\n" + ToAligned(draws);
    for (const std::string& remark : tables.Remarks()) text += "  " + remark + "\n";
  }
  text += "\n";
  for (const std::string& remark : CommonRemarks(report)) text += remark + "\n";
  return text;
}

std::string ToMarkdown(const ComparisonReport& report) {
  std::string text = EscapeMarkdown(MeasuredOn(report)) + "\n";
  for (const Section& section : SectionsOf(report)) {
    const SectionTable tables(report, section);
    text += "\n";
    if (!section.table.empty()) text += "## " + EscapeMarkdown(section.table) + "\n\n";
    if (!tables.Heading().empty()) text += EscapeMarkdown(tables.Heading()) + "\n\n";
    text += ToMarkdownTable(tables.Main());
    const TextTable draws = tables.Draws();
    if (!draws.lines.empty()) text += "\n" + ToMarkdownTable(draws);
    const std::vector<std::string> remarks = tables.Remarks();
    if (!remarks.empty()) text += "\n";
    for (const std::string& remark : remarks) text += "- " + EscapeMarkdown(remark) + "\n";
  }
  text += "\n";
  for (const std::string& remark : CommonRemarks(report)) {
    text += "- " + EscapeMarkdown(remark) + "\n";
  }
  return text;
}

std::string RunLine(const ComparisonRow& row, const ComparisonRun& run, int64_t done,
                    int64_t total) {
  const auto width = static_cast<int>(std::to_string(total).size());
  std::string line = fmt::format("[{:>{}}/{}] ", done, width, total);
  if (!row.table.empty()) line += row.table.substr(0, row.table.find(':')) + ": ";
  line += fmt::format("{}, {}, {} samples of {}, seed {}", Printable(row.label), row.scope,
                      row.num_calib_samples, Printable(row.calibration), run.seed);
  if (run.draw > 0) line += fmt::format(", draw {}", run.draw + 1);
  if (!run.failure.empty()) return line + ": failed: " + Printable(run.failure, 1000);
  const char* separator = ": ";
  for (const MeasureColumn& column : MeasureColumns()) {
    const std::optional<double> value = run.network.*column.member;
    if (!value) continue;
    line += fmt::format("{}{} {}", separator, column.name, MeasureText(value, column.digits));
    if (std::isfinite(*value) && *column.unit != '\0') line += std::string(" ") + column.unit;
    separator = ", ";
  }
  return line + fmt::format("{}local loss {:.4g}, {}", separator, run.local_loss,
                            FormatSeconds(run.solve_seconds + run.forward_seconds));
}

}  // namespace adaround
