#include <fmt/format.h>

#include <cmath>

#include "adaround/base/error.h"
#include "adaround/report/comparison_report.h"
#include "report/chart_axis.h"
#include "report/html_text.h"
#include "report/loss_scale.h"

namespace adaround {
namespace {

constexpr double kWidth = 760.0;
constexpr double kLeft = 84.0;
constexpr double kRight = 732.0;
constexpr double kTop = 96.0;
constexpr double kBottom = 452.0;
constexpr double kLegendTop = 512.0;
constexpr double kLegendLine = 22.0;

struct Point {
  double loss = 0.0;
  double value = 0.0;
};

struct Series {
  std::string label;
  std::vector<Point> points;
};

// The runs that have a place in the picture: equal outputs have an infinite SQNR.
Series SeriesOf(const ComparisonRow& row, const MeasureColumn& measure,
                const LossScale& scale) {
  Series series;
  series.label = row.label;
  for (const ComparisonRun& run : row.runs) {
    const std::optional<double> value = run.network.*measure.member;
    if (!run.failure.empty() || !value) continue;
    const double loss = scale.Of(run);
    if (std::isfinite(*value) && std::isfinite(loss)) series.points.push_back({loss, *value});
  }
  return series;
}

// Marks beyond as many kinds would look like others.
constexpr size_t kNumMarks = 4;

// Shapes that differ without colour.
std::string Shape(size_t kind, double x, double y) {
  constexpr double r = 7.0;
  const std::string name = fmt::format("mark mark{}", kind % kNumMarks);
  switch (kind % kNumMarks) {
    case 0:
      return fmt::format(R"(<rect class="{}" x="{:.1f}" y="{:.1f}" width="12" height="12"/>)", name,
                         x - 6.0, y - 6.0);
    case 1:
      return fmt::format(R"(<path class="{}" d="M{:.1f} {:.1f}L{:.1f} {:.1f}L{:.1f} {:.1f}Z"/>)",
                         name, x, y - r, x + r, y + r - 1.0, x - r, y + r - 1.0);
    case 2:
      return fmt::format(
          R"(<path class="{}" d="M{:.1f} {:.1f}L{:.1f} {:.1f}L{:.1f} {:.1f}L{:.1f} {:.1f}Z"/>)",
          name, x, y - r, x + r, y, x, y + r, x - r, y);
    default:
      return fmt::format(R"(<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="6"/>)", name, x, y);
  }
}

std::string Mark(size_t kind, bool numbered, double x, double y) {
  if (!numbered) return Shape(kind, x, y);
  return Shape(kind, x, y) +
         fmt::format(R"(<text class="number" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>)",
                     x, y + 3.5, kind + 1);
}

constexpr const char* kStyle =
    "<style>"
    "text{font-family:system-ui,sans-serif;fill:#1f2328}"
    ".ground{fill:#ffffff}.frame{fill:none;stroke:#59636e}.grid{stroke:#d1d9e0}"
    ".title{font-size:17px;font-weight:600}.small{font-size:12px}.label{font-size:14px}"
    ".draw{fill:#0969da;fill-opacity:.55}"
    ".mark{stroke:#ffffff;stroke-width:1.5}.number{font-size:9px;fill:#ffffff}"
    ".mark0{fill:#cf222e}.mark1{fill:#1a7f37}.mark2{fill:#8250df}.mark3{fill:#9a6700}"
    "@media(prefers-color-scheme:dark){"
    "text{fill:#f0f6fc}.ground{fill:#0d1117}.frame{stroke:#9198a1}.grid{stroke:#3d444d}"
    ".draw{fill:#58a6ff}.mark{stroke:#0d1117}.number{fill:#0d1117}"
    ".mark0{fill:#ff7b72}.mark1{fill:#3fb950}.mark2{fill:#d2a8ff}.mark3{fill:#e3b341}}"
    "</style>\n";

}  // namespace

std::string ScatterToSvg(const ComparisonReport& report, const Scatter& scatter) {
  const MeasureColumn* measure = HeadlineMeasure(report);
  ADAROUND_CHECK(measure != nullptr);
  const ComparisonRow& row = report.rows.at(scatter.row);
  const LossScale scale(report, row.nearest_row);
  const Series draws = SeriesOf(row, *measure, scale);
  std::vector<Series> marked;
  for (const size_t other : scatter.marked) {
    marked.push_back(SeriesOf(report.rows.at(other), *measure, scale));
  }
  std::vector<double> losses;
  std::vector<double> values;
  for (const Point& point : draws.points) {
    losses.push_back(point.loss);
    values.push_back(point.value);
  }
  for (const Series& series : marked) {
    for (const Point& point : series.points) {
      losses.push_back(point.loss);
      values.push_back(point.value);
    }
  }
  const ChartAxis x(ChartAxis::Scale::kLinear, losses, kLeft, kRight);
  const ChartAxis y(ChartAxis::Scale::kLinear, values, kBottom, kTop);
  const RowSummary summary = Summarize(report, scatter.row);

  const double height = kLegendTop + kLegendLine * static_cast<double>(marked.size() + 1);
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" "
      "height=\"{1:.0f}\" role=\"img\">\n",
      kWidth, height);
  const std::string title =
      fmt::format("{} against local loss, {} draws", measure->Title(), draws.points.size());
  svg += "<title>" + HtmlText(title, 200) + "</title>\n" + kStyle;
  svg +=
      fmt::format("<rect class=\"ground\" width=\"{:.0f}\" height=\"{:.0f}\"/>\n", kWidth, height);
  svg += fmt::format("<text class=\"title\" x=\"{:.0f}\" y=\"32\">{}</text>\n", kLeft,
                     HtmlText(title, 200));
  std::string subtitle = row.scope;
  if (row.scope == "first layer" && !report.first_layer.empty()) {
    subtitle += " (" + Printable(report.first_layer, 60) + ")";
  }
  subtitle += fmt::format(", {} calibration samples, {} {}", row.num_calib_samples,
                          report.num_evaluated, report.evaluated_on);
  svg += fmt::format("<text class=\"small\" x=\"{:.0f}\" y=\"54\">{}</text>\n", kLeft,
                     HtmlText(subtitle, 200));
  std::string statistics;
  if (summary.pearson && summary.spearman) {
    statistics = fmt::format("correlation: Pearson {:.3f}, Spearman {:.3f}", *summary.pearson,
                             *summary.spearman);
  }
  if (summary.num_beating_nearest) {
    statistics +=
        fmt::format("{}{} of {} draws better than nearest", statistics.empty() ? "" : "; ",
                    *summary.num_beating_nearest, summary.num_runs - summary.num_failed);
  }
  svg += fmt::format("<text class=\"small\" x=\"{:.0f}\" y=\"74\">{}</text>\n", kLeft,
                     HtmlText(statistics, 200));

  for (const double tick : x.ticks()) {
    svg += fmt::format(
        "<line class=\"grid\" x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\"/>"
        "<text class=\"small\" x=\"{0:.1f}\" y=\"{3:.1f}\" text-anchor=\"middle\">{4:.4g}</text>\n",
        x.At(tick), kTop, kBottom, kBottom + 18.0, tick);
  }
  for (const double tick : y.ticks()) {
    svg += fmt::format(
        "<line class=\"grid\" x1=\"{1:.1f}\" y1=\"{0:.1f}\" x2=\"{2:.1f}\" y2=\"{0:.1f}\"/>"
        "<text class=\"small\" x=\"{3:.1f}\" y=\"{4:.1f}\" text-anchor=\"end\">{5:.4g}</text>\n",
        y.At(tick), kLeft, kRight, kLeft - 8.0, y.At(tick) + 4.0, tick);
  }
  svg += fmt::format(
      "<rect class=\"frame\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>\n",
      kLeft, kTop, kRight - kLeft, kBottom - kTop);
  svg += fmt::format(
      "<text class=\"label\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">local loss{}: mean "
      "squared error of the {} on held-out samples</text>\n",
      0.5 * (kLeft + kRight), kBottom + 42.0, scale.is_relative() ? " / that of nearest" : "",
      row.scope == "first layer" ? "layer's output" : "layers' outputs, summed,");
  svg += fmt::format(
      "<text class=\"label\" transform=\"translate(22 {:.1f}) rotate(-90)\" "
      "text-anchor=\"middle\">{}</text>\n",
      0.5 * (kTop + kBottom), HtmlText(measure->Title(), 60));

  const auto legend = [](size_t line, const std::string& mark, const std::string& label) {
    const double at = kLegendTop + kLegendLine * static_cast<double>(line);
    return fmt::format("{}<text class=\"small\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n", mark,
                       kLeft + 20.0, at + 4.0, label);
  };
  for (const Point& point : draws.points) {
    svg += fmt::format("<circle class=\"draw\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\"/>\n",
                       x.At(point.loss), y.At(point.value));
  }
  svg += legend(0, fmt::format("<circle class=\"draw\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\"/>",
                               kLeft + 6.0, kLegendTop),
                HtmlText(draws.label, 80) + ", one point per draw");
  const bool numbered = marked.size() > kNumMarks;
  for (size_t i = 0; i < marked.size(); ++i) {
    for (const Point& point : marked[i].points) {
      svg += Mark(i, numbered, x.At(point.loss), y.At(point.value)) + "\n";
    }
    svg += legend(
        i + 1,
        Mark(i, numbered, kLeft + 6.0, kLegendTop + kLegendLine * static_cast<double>(i + 1)),
        HtmlText(marked[i].label, 80));
  }
  return svg + "</svg>\n";
}

}  // namespace adaround
