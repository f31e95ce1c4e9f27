#include "report/html_charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/html_text.h"

namespace adaround {
namespace {

// Inside a picture that is stretched to its place: units across and upwards.
constexpr double kUnits = 1000.0;

bool IsPlaced(const std::optional<double>& value, ChartAxis::Scale scale) {
  return value && std::isfinite(*value) && (scale == ChartAxis::Scale::kLinear || *value > 0.0);
}

std::string TickText(double tick, const std::string& unit) {
  return fmt::format("{:.6g}{}", tick, unit == "%" ? "%" : "");
}

// A picture of paths with lines across at the ticks, whose places are in percent of its height, and
// their texts in front.
std::string LevelledPlot(const ChartAxis& axis, const std::string& unit, const std::string& paths) {
  std::string lines;
  std::string texts;
  for (const double tick : axis.ticks()) {
    const double at = axis.At(tick);
    lines +=
        fmt::format(R"(<line class="grid" x1="0" x2="100%" y1="{0:.2f}%" y2="{0:.2f}%"/>)", at);
    texts += fmt::format(R"(<text class="tick" x="2" y="{:.2f}%" dy="{}">{}</text>)", at,
                         at < 10.0 ? "11" : "-3", TickText(tick, unit));
  }
  return lines +
         "<svg width=\"100%\" height=\"100%\" viewBox=\"0 0 1000 1000\" "
         "preserveAspectRatio=\"none\">" +
         paths + "</svg>" + texts + "</svg>\n";
}

}  // namespace

ChartAxis PairChart::Axis(double begin, double end) const {
  std::vector<double> values;
  if (marks == Marks::kBars && scale == ChartAxis::Scale::kLinear) values.push_back(0.0);
  for (const Row& row : rows) {
    if (row.first) values.push_back(*row.first);
    if (row.second) values.push_back(*row.second);
  }
  return ChartAxis(scale, values, begin, end);
}

std::string PairChart::Legend() const {
  const bool dots = marks == Marks::kDots || rows.size() > kMaxNamedRows;
  std::string html = "<p class=\"legend\">";
  if (!first_label.empty()) {
    html += fmt::format(
        R"(<span><svg class="key" aria-hidden="true">{}</svg>{}</span> )",
        rows.size() > kMaxNamedRows ? R"(<circle class="disc" cx="8" cy="8" r="4"/>)"
        : dots ? R"(<circle class="ring" cx="8" cy="8" r="4.5"/>)"
               : R"(<rect class="outline" x="1" y="4" width="14" height="8"/>)",
        HtmlText(first_label));
  }
  html += fmt::format(
      R"(<span><svg class="key" aria-hidden="true"><rect class="full" x="{}" y="4" width="{}" )"
      R"(height="8"/></svg>{}</span></p>)",
      dots ? 4 : 1, dots ? 8 : 14, HtmlText(second_label));
  return html + "\n";
}

std::string PairChart::NamedRows() const {
  // In percent of the width, with room for half a mark and half a number at both ends.
  const ChartAxis axis = Axis(2.0, 97.0);
  std::string grid;
  std::string ticks;
  for (const double tick : axis.ticks()) {
    const double at = axis.At(tick);
    grid += fmt::format(R"(<line class="grid" x1="{0:.2f}%" x2="{0:.2f}%" y1="0" y2="100%"/>)", at);
    ticks += fmt::format(R"(<text class="tick" x="{:.2f}%" y="12" text-anchor="middle">{}</text>)",
                         at, TickText(tick, unit));
  }
  std::string html = "<ul class=\"rows\">\n";
  html += "<li class=\"axis\" aria-hidden=\"true\"><svg class=\"track\" aria-hidden=\"true\">" +
          ticks + "</svg></li>\n";
  for (const Row& row : rows) {
    const bool has_first = IsPlaced(row.first, scale);
    const bool has_second = IsPlaced(row.second, scale);
    std::string svg = grid;
    if (marks == Marks::kBars) {
      const double begin = axis.At(axis.ticks().front());
      const auto bar = [&](const char* kind, double value, int y, int height) {
        return fmt::format(
            R"(<rect class="{}" x="{:.2f}%" y="{}" width="{:.2f}%" height="{}"/>)", kind, begin, y,
            std::max(0.0, axis.At(value) - begin), height);
      };
      if (has_first) svg += bar("outline", *row.first, 4, 12);
      if (has_second) svg += bar("full", *row.second, 6, 8);
    } else {
      if (has_first && has_second) {
        svg += fmt::format(R"(<line class="between" x1="{:.2f}%" x2="{:.2f}%" y1="10" y2="10"/>)",
                           axis.At(*row.first), axis.At(*row.second));
      }
      if (has_first) {
        svg += fmt::format(R"(<circle class="ring" cx="{:.2f}%" cy="10" r="4.5"/>)",
                           axis.At(*row.first));
      }
      if (has_second) {
        svg += fmt::format(R"(<rect class="full dot" x="{:.2f}%" y="6" width="8" height="8"/>)",
                           axis.At(*row.second));
      }
    }
    const std::string name = HtmlText(row.name);
    html += fmt::format(
        "<li><span class=\"name\" title=\"{0}\"><bdi dir=\"ltr\">{0}</bdi></span>"
        "<svg class=\"track\" role=\"img\"><title>{0}: {1}</title>{2}</svg>"
        "<span class=\"value\">{1}</span></li>\n",
        name, HtmlText(row.value), svg);
  }
  return html + "</ul>\n";
}

std::string PairChart::Cloud() const {
  const ChartAxis axis = Axis(96.0, 2.0);
  // A dot is a line of no length, of which the ends are left where the picture is stretched.
  const auto dots = [&](std::optional<double> Row::*member) {
    std::string path;
    const double across = kUnits / static_cast<double>(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      if (!IsPlaced(rows[i].*member, scale)) continue;
      path += fmt::format("M{:.1f} {:.1f}h0", (static_cast<double>(i) + 0.5) * across,
                          axis.At(*(rows[i].*member)) * kUnits / 100.0);
    }
    return path;
  };
  std::string html = fmt::format(
      "<svg class=\"plot\" role=\"img\"><title>{}</title><desc>{} from left to right; {}{}{}. The "
      "numbers are in the table of layers.</desc>",
      HtmlText(title), rows.size(), HtmlText(first_label), first_label.empty() ? "" : " and ",
      HtmlText(second_label));
  std::string paths;
  if (!first_label.empty()) {
    paths = "<path class=\"dots first\" d=\"" + dots(&Row::first) + "\"/>";
  }
  paths += "<path class=\"dots second\" d=\"" + dots(&Row::second) + "\"/>";
  return html + LevelledPlot(axis, unit, paths) +
         fmt::format("<p class=\"ends\"><span>layer 1</span><span>layer {}</span></p>\n",
                     rows.size());
}

std::string PairChart::ToHtml() const {
  return "<figure>\n<figcaption>" + HtmlText(title) +
         (unit.empty() || unit == "%" ? "" : ", " + HtmlText(unit)) + "</figcaption>\n" + Legend() +
         (rows.size() > kMaxNamedRows ? Cloud() : NamedRows()) + "</figure>\n";
}

std::string CurveChart::ToHtml() const {
  std::vector<double> values;
  for (const Curve& curve : curves) {
    for (const std::optional<double>& value : curve.values) {
      if (value) values.push_back(*value);
    }
  }
  const ChartAxis axis(ChartAxis::Scale::kLog, values, 94.0, 6.0);
  // In percent; texts below slant to the left.
  const auto across = [&](size_t place) {
    if (places.size() == 1) return 50.0;
    return 9.0 + 89.0 * static_cast<double>(place) / static_cast<double>(places.size() - 1);
  };
  const auto path = [&](const Curve& curve) {
    std::string d;
    for (size_t i = 0; i < curve.values.size(); ++i) {
      if (!IsPlaced(curve.values[i], ChartAxis::Scale::kLog)) continue;
      d += fmt::format("{}{:.1f} {:.1f}", d.empty() ? 'M' : 'L', across(i) * kUnits / 100.0,
                       axis.At(*curve.values[i]) * kUnits / 100.0);
    }
    // A lone point shows as a dot.
    return d.find('L') == std::string::npos && !d.empty() ? d + "h0" : d;
  };
  std::string html = fmt::format(
      "<figure>\n<figcaption>{}</figcaption>\n<svg class=\"plot curves\" role=\"img\">"
      "<title>{}</title><desc>{}</desc>",
      HtmlText(title), HtmlText(title), HtmlText(description, 1000));
  std::string paths;
  for (const bool strong : {false, true}) {
    for (const Curve& curve : curves) {
      if (curve.strong != strong) continue;
      const std::string d = path(curve);
      if (d.empty()) continue;
      paths += fmt::format("<path class=\"curve{}\" d=\"{}\"/>", strong ? " strong" : "", d);
    }
  }
  html += LevelledPlot(axis, "", paths) + "<svg class=\"places\" aria-hidden=\"true\">";
  for (size_t i = 0; i < places.size(); ++i) {
    html += fmt::format(
        "<svg x=\"{:.2f}%\" y=\"2\"><text class=\"tick\" transform=\"rotate(-50)\" x=\"-4\" "
        "y=\"9\" text-anchor=\"end\">{}</text></svg>",
        across(i), HtmlText(places[i], 40));
  }
  return html + "</svg>\n</figure>\n";
}

std::string HistogramToHtml(const std::string& title, const std::vector<int64_t>& counts) {
  int64_t total = 0;
  for (const int64_t count : counts) total += count;
  const auto height = [&](double part) { return std::sqrt(part) * kUnits; };
  std::string path;
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] <= 0) continue;
    const double part = static_cast<double>(counts[i]) / static_cast<double>(total);
    path += fmt::format("M{} 1000v-{:.0f}h.9V1000z", i, std::max(1.0, height(part)));
  }
  std::string grid;
  for (const double part : {0.01, 0.1, 0.5}) {
    grid += fmt::format(R"(<path class="grid" d="M0 {:.0f}H{}"/>)", kUnits - height(part),
                        counts.size());
  }
  return fmt::format(
      "<figure class=\"histogram\"><svg role=\"img\" viewBox=\"0 0 {} 1000\" "
      "preserveAspectRatio=\"none\"><title>{}</title>{}<path class=\"full\" d=\"{}\"/></svg>"
      "<figcaption>{}</figcaption></figure>\n",
      counts.size(), HtmlText(title), grid, path, HtmlText(title));
}

}  // namespace adaround
