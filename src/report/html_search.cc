#include "report/html_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "adaround/base/error.h"
#include "report/html_charts.h"
#include "report/html_page.h"
#include "report/measure_text.h"

namespace adaround {
namespace {

// Where a look stands along a chart: "descent", "step 400".
std::string PlaceOf(const SearchPoint& point) {
  return point.stage == "relaxation" ? fmt::format("step {}", point.iteration) : point.stage;
}

std::vector<std::string> PlacesOf(const SearchTrace& trace) {
  std::vector<std::string> places;
  for (const SearchPoint& point : trace) places.push_back(PlaceOf(point));
  return places;
}

// Over the loss of the first look; none where that is nothing to divide by.
std::vector<std::optional<double>> RelativeLosses(const SearchTrace& trace) {
  const double first = trace.front().loss;
  std::vector<std::optional<double>> losses;
  for (const SearchPoint& point : trace) {
    const double relative = point.loss / first;
    losses.push_back(first > 0.0 && std::isfinite(relative) ? std::optional(relative)
                                                            : std::nullopt);
  }
  return losses;
}

std::optional<double> Median(std::vector<double> values) {
  if (values.empty()) return std::nullopt;
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

// Layers that went through the same stages: one chart each.
struct Kind {
  std::string strategy;
  std::vector<std::string> places;
  std::vector<const LayerReport*> layers;
};

std::vector<Kind> KindsOf(const std::vector<const LayerReport*>& layers) {
  std::vector<Kind> kinds;
  for (const LayerReport* layer : layers) {
    if (layer->trace.empty()) continue;
    const std::vector<std::string> places = PlacesOf(layer->trace);
    auto kind = std::find_if(kinds.begin(), kinds.end(), [&](const Kind& other) {
      return other.strategy == layer->strategy && other.places == places;
    });
    if (kind == kinds.end()) kind = kinds.insert(kinds.end(), {layer->strategy, places, {}});
    kind->layers.push_back(layer);
  }
  return kinds;
}

CurveChart ChartOf(const Kind& kind, const std::vector<const LayerReport*>& shown) {
  CurveChart chart;
  chart.places = kind.places;
  std::vector<std::vector<double>> at_place(kind.places.size());
  for (const LayerReport* layer : kind.layers) {
    CurveChart::Curve curve;
    curve.values = RelativeLosses(layer->trace);
    for (size_t i = 0; i < curve.values.size(); ++i) {
      if (curve.values[i]) at_place[i].push_back(*curve.values[i]);
    }
    const bool is_shown = std::find(shown.begin(), shown.end(), layer) != shown.end();
    if (is_shown && kind.layers.size() > 1) chart.curves.push_back(std::move(curve));
  }
  CurveChart::Curve median;
  median.strong = true;
  for (const std::vector<double>& values : at_place) median.values.push_back(Median(values));
  const std::optional<double> end = median.values.back();
  chart.title = fmt::format("{}: {} layer{}", kind.strategy, kind.layers.size(),
                            kind.layers.size() == 1 ? "" : "s");
  chart.description =
      fmt::format("Loss over nearest's after each stage, thick: the median. It ends at {}.",
                  end ? fmt::format("{:.3g}", *end) : "-");
  chart.curves.push_back(std::move(median));
  return chart;
}

std::string PercentOf(int64_t part, int64_t whole) {
  if (whole <= 0) return "-";
  return fmt::format("{:.1f} %", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

// Of one or more layers at the same iteration.
struct SoftCounts {
  std::vector<int64_t> counts;
  int64_t num_undecided = 0;
};

void Add(const SearchTrace& trace, std::map<int64_t, SoftCounts>& at_iteration) {
  for (const SearchPoint& point : trace) {
    if (point.soft_roundings.empty()) continue;
    SoftCounts& soft = at_iteration[point.iteration];
    soft.counts.resize(std::max(soft.counts.size(), point.soft_roundings.size()));
    for (size_t i = 0; i < point.soft_roundings.size(); ++i) {
      soft.counts[i] += point.soft_roundings[i];
    }
    soft.num_undecided += point.num_undecided;
  }
}

std::string Histograms(const std::map<int64_t, SoftCounts>& at_iteration) {
  if (at_iteration.empty()) return "";
  std::string html = "<div class=\"histograms\">\n";
  for (const auto& [iteration, soft] : at_iteration) {
    int64_t total = 0;
    for (const int64_t count : soft.counts) total += count;
    html += HistogramToHtml(fmt::format("step {}: {} undecided", iteration,
                                        PercentOf(soft.num_undecided, total)),
                            soft.counts);
  }
  return html + "</div>\n";
}

}  // namespace

std::string AllSearchesToHtml(const std::vector<const LayerReport*>& layers,
                              const std::vector<const LayerReport*>& shown) {
  const std::vector<Kind> kinds = KindsOf(layers);
  if (kinds.empty()) return "";
  std::string html = HtmlParagraph(
      "Reconstruction loss after each stage, over that of nearest rounding, on a few of the "
      "columns that were searched on. A thin line is a layer, the thick one their median; steps "
      "are those of the relaxation, whose weights are soft.");
  // Beyond, kinds differ in little but in steps.
  constexpr size_t kMaxKinds = 12;
  html += "<div class=\"charts\">\n";
  for (size_t i = 0; i < std::min(kinds.size(), kMaxKinds); ++i) {
    html += ChartOf(kinds[i], shown).ToHtml();
  }
  html += "</div>\n";
  std::map<int64_t, SoftCounts> at_iteration;
  int64_t num_relaxed = 0;
  for (const LayerReport* layer : layers) {
    Add(layer->trace, at_iteration);
    num_relaxed += std::any_of(layer->trace.begin(), layer->trace.end(), [](const auto& point) {
      return !point.soft_roundings.empty();
    });
  }
  if (at_iteration.empty()) return html;
  html += "<h3>Soft roundings h(V) over the steps</h3>\n";
  html += HtmlParagraph(fmt::format(
      "All weights of the {} layer{} that were relaxed, from 0 (down) at the left to 1 (up) at the "
      "right. Heights are square roots of shares, lines at 1, 10 and 50 %. A weight between 0.01 "
      "and 0.99 is undecided.",
      num_relaxed, num_relaxed == 1 ? "" : "s"));
  return html + Histograms(at_iteration);
}

std::string SearchToHtml(const LayerReport& layer) {
  ADAROUND_CHECK(!layer.trace.empty());
  CurveChart chart;
  chart.title = "Loss over nearest's after each stage";
  chart.places = PlacesOf(layer.trace);
  CurveChart::Curve curve;
  curve.values = RelativeLosses(layer.trace);
  curve.strong = true;
  const std::optional<double> end = curve.values.back();
  chart.description = end ? fmt::format("It ends at {:.3g}.", *end) : "Nearest's is 0.";
  chart.curves.push_back(std::move(curve));
  std::map<int64_t, SoftCounts> at_iteration;
  Add(layer.trace, at_iteration);

  HtmlTable table;
  table.label = "Stages of " + layer.name;
  table.header = {"stage", "loss", "undecided"};
  for (const SearchPoint& point : layer.trace) {
    table.lines.push_back({PlaceOf(point), ErrorText(point.loss),
                           point.soft_roundings.empty() ? "-"
                                                        : std::to_string(point.num_undecided)});
  }
  std::string facts = layer.strategy;
  if (layer.ridge) facts += fmt::format("; ridge {:.3g}", *layer.ridge);
  if (layer.num_descent_flips > 0) {
    facts += fmt::format("; flips of descent: {}", layer.num_descent_flips);
  }
  if (layer.num_nearest_rows > 0) {
    facts += fmt::format("; rows that kept nearest: {} of {}", layer.num_nearest_rows,
                         layer.num_rows);
  }
  const std::string summary =
      fmt::format("{}  {} -> {} ({})", Printable(layer.name), ErrorText(layer.nearest_error),
                  ErrorText(layer.search_error),
                  RatioText(layer.nearest_error, layer.search_error));
  constexpr size_t kMaxStages = 40;
  return HtmlDetails(summary, HtmlParagraph(facts) + "<div class=\"charts\">\n" + chart.ToHtml() +
                                  table.ToHtml(kMaxStages) + "</div>\n" +
                                  Histograms(at_iteration));
}

}  // namespace adaround
