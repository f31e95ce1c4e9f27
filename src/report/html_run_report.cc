#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "adaround/base/error.h"
#include "adaround/report/html_report.h"
#include "report/html_charts.h"
#include "report/html_page.h"
#include "report/html_search.h"
#include "report/html_text.h"
#include "report/measure_text.h"

namespace adaround {
namespace {

using Layers = std::vector<const LayerReport*>;

// Of lists other than that of layers.
constexpr size_t kMaxLines = 500;
constexpr size_t kMaxWarnings = 100;

int64_t NumWeights(const LayerReport& layer) { return layer.num_rows * layer.row_length; }

// Nearest's error over the layer's; what is no number gains nothing.
double Gain(const LayerReport& layer) {
  if (layer.error == 0.0 && layer.nearest_error == 0.0) return 1.0;
  const double gain = layer.nearest_error / layer.error;
  return std::isnan(gain) ? 0.0 : gain;
}

// At most so many, those that gain least, in their order.
Layers LeastGains(const Layers& layers, size_t max_layers) {
  if (layers.size() <= max_layers) return layers;
  std::vector<size_t> order(layers.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return Gain(*layers[a]) < Gain(*layers[b]); });
  order.resize(max_layers);
  std::sort(order.begin(), order.end());
  Layers least;
  for (const size_t i : order) least.push_back(layers[i]);
  return least;
}

const NetworkRow* FindNetwork(const RunReport& report, const std::string& name) {
  for (const NetworkRow& network : report.networks) {
    if (network.name == name) return &network;
  }
  return nullptr;
}

// The result's value of a measure, with the float network's and nearest's beside it.
void AddMeasureTile(const RunReport& report, const char* label,
                    std::optional<double> NetworkRow::*member, const char* unit,
                    std::vector<HtmlTile>& tiles) {
  const NetworkRow* result = FindNetwork(report, report.method);
  if (result == nullptr || !(result->*member)) return;
  const auto text = [&](const std::optional<double>& value) {
    return MeasureText(value, 2) + (std::isfinite(*value) ? unit : "");
  };
  HtmlTile tile{label, text(result->*member), ""};
  for (const char* other : {"float", "nearest"}) {
    const NetworkRow* network = FindNetwork(report, other);
    if (network == nullptr || network == result || !(network->*member)) continue;
    tile.detail += fmt::format("{}{} {}", tile.detail.empty() ? "" : ", ", other,
                               text(network->*member));
  }
  tiles.push_back(tile);
}

std::string BytesBeforeAndAfter(int64_t before, int64_t after) {
  return FormatBytes(before) + " \u2192 " + FormatBytes(after);
}

std::string Smaller(int64_t before, int64_t after) {
  return fmt::format("{:.1f}x smaller", static_cast<double>(before) /
                                            static_cast<double>(std::max<int64_t>(1, after)));
}

std::string Summary(const RunReport& report, const Layers& searched) {
  std::vector<HtmlTile> tiles;
  AddMeasureTile(report, "top-1 accuracy", &NetworkRow::top1, " %", tiles);
  AddMeasureTile(report, "mIoU", &NetworkRow::miou, " %", tiles);
  AddMeasureTile(report, "SQNR of the outputs", &NetworkRow::sqnr_db, " dB", tiles);
  AddMeasureTile(report, "agreement with float", &NetworkRow::agreement, " %", tiles);
  std::vector<double> gains;
  for (const LayerReport* layer : searched) gains.push_back(Gain(*layer));
  if (!gains.empty() && report.method != "nearest") {
    std::nth_element(gains.begin(), gains.begin() + static_cast<int64_t>(gains.size() / 2),
                     gains.end());
    const double median = gains[gains.size() / 2];
    tiles.push_back({"error of nearest over " + report.method,
                     std::isfinite(median) ? fmt::format("{:.2f}x", median) : "exact",
                     "median of the layers"});
  }
  tiles.push_back({"weights", BytesBeforeAndAfter(report.float_bytes, report.quantized_bytes),
                   Smaller(report.float_bytes, report.quantized_bytes)});
  tiles.push_back({"layers", fmt::format("{} quantized", report.layers.size()),
                   fmt::format("{} left in float", report.left.size())});
  tiles.push_back({"time", FormatSeconds(report.total_seconds),
                   "rounding " + FormatSeconds(report.solve_seconds) + ", forward passes " +
                       FormatSeconds(report.forward_seconds)});
  tiles.push_back({"peak memory", FormatBytes(report.peak_resident_bytes),
                   fmt::format("{} thread{}", report.num_threads,
                               report.num_threads == 1 ? "" : "s")});
  return HtmlTiles(tiles);
}

std::string Warnings(const RunReport& report, size_t num_left_out) {
  std::vector<std::string> warnings = report.warnings;
  for (const LayerReport& layer : report.layers) {
    if (layer.fell_back) {
      warnings.push_back(
          Printable(layer.name) +
          (layer.search_task_loss
               ? " kept nearest: its task loss is lower on samples not searched on"
               : fmt::format(" kept nearest: the search reached {} on samples it had not seen, "
                             "nearest {}",
                             ErrorText(layer.search_error), ErrorText(layer.nearest_error))));
    } else if (layer.error > layer.nearest_error) {
      warnings.push_back(fmt::format("{} is above nearest: {}, nearest {}", Printable(layer.name),
                                     ErrorText(layer.error), ErrorText(layer.nearest_error)));
    }
    if (layer.short_last_group) {
      warnings.push_back(Printable(layer.name) +
                         ": its last group is shorter than the others");
    }
  }
  if (num_left_out > 0) {
    warnings.push_back(fmt::format(
        "this page leaves {} layers out, which gain most over nearest; report.json has them all",
        num_left_out));
  }
  if (warnings.empty()) return "";
  std::string html =
      "<aside class=\"warnings\" aria-labelledby=\"warnings-heading\">\n"
      "<h2 id=\"warnings-heading\">\u26a0 To know</h2>\n<ul>\n";
  for (size_t i = 0; i < std::min(warnings.size(), kMaxWarnings); ++i) {
    html += "<li>" + HtmlText(warnings[i], 600) + "</li>\n";
  }
  if (warnings.size() > kMaxWarnings) {
    html += fmt::format("<li>and {} more</li>\n", warnings.size() - kMaxWarnings);
  }
  return html + "</ul>\n</aside>\n";
}

std::string Networks(const RunReport& report) {
  std::string html;
  if (!report.networks.empty()) {
    html += HtmlParagraph(fmt::format("On {} {}.", report.num_evaluated, report.evaluated_on));
    html += NetworksTable(report.networks).ToHtml(kMaxLines);
  }
  for (const TransformRow& row : report.transforms) html += HtmlParagraph(TransformLine(row));
  return html;
}

std::string Errors(const RunReport& report, const Layers& layers) {
  if (layers.empty()) return "";
  PairChart chart;
  chart.title = "Mean squared error of each layer's output, on samples not searched on, "
                "logarithmic";
  chart.first_label = report.method == "nearest" ? "" : "nearest";
  chart.second_label = report.method;
  chart.scale = ChartAxis::Scale::kLog;
  for (const LayerReport* layer : layers) {
    const std::string found = ErrorText(layer->error);
    PairChart::Row row{layer->name, layer->nearest_error, layer->error, found};
    if (chart.first_label.empty()) {
      row.first.reset();
    } else {
      row.value = fmt::format("{} \u2192 {} ({})", ErrorText(layer->nearest_error), found,
                              layer->fell_back ? "kept"
                                               : RatioText(layer->nearest_error, layer->error));
    }
    chart.rows.push_back(std::move(row));
  }
  return chart.ToHtml();
}

// Of the page's layers, the most sensitive first.
std::string Sensitivity(const RunReport& report, const Layers& layers) {
  std::set<std::string> names;
  for (const LayerReport* layer : layers) names.insert(layer->name);
  std::vector<const NetworkRow*> rows;
  bool has_sqnr = true;
  for (const NetworkRow& row : report.sensitivity) {
    if (names.contains(row.name)) rows.push_back(&row);
    has_sqnr = has_sqnr && row.sqnr_db;
  }
  if (rows.empty()) return "";
  const auto measure = [&](const NetworkRow& row) {
    return has_sqnr ? row.sqnr_db : row.agreement;
  };
  std::stable_sort(rows.begin(), rows.end(), [&](const NetworkRow* a, const NetworkRow* b) {
    return measure(*a) < measure(*b);
  });
  PairChart chart;
  chart.title = has_sqnr ? "SQNR of the network's output; the lower, the more sensitive"
                         : "Agreement with the float network; the lower, the more sensitive";
  chart.unit = has_sqnr ? "dB" : "%";
  chart.second_label = "this layer's weights alone quantized";
  for (const NetworkRow* row : rows) {
    chart.rows.push_back({row->name, std::nullopt, measure(*row),
                          MeasureText(measure(*row), 2) + " " + chart.unit});
  }
  return HtmlParagraph(fmt::format("On {} {}.", report.num_sensitivity_samples,
                                   report.evaluated_on)) +
         chart.ToHtml();
}

std::string Changes(const Layers& layers) {
  PairChart chart;
  chart.title = "Weights that are not rounded to nearest";
  chart.unit = "%";
  chart.second_label = "share of the layer's weights";
  chart.marks = PairChart::Marks::kBars;
  for (const LayerReport* layer : layers) {
    const int64_t num_weights = NumWeights(*layer);
    if (num_weights <= 0) continue;
    const double part = 100.0 * static_cast<double>(layer->num_changed) /
                        static_cast<double>(num_weights);
    chart.rows.push_back({layer->name, std::nullopt, part, fmt::format("{:.1f} %", part)});
  }
  return chart.rows.empty() ? "" : chart.ToHtml();
}

std::string Sizes(const Layers& layers) {
  PairChart chart;
  chart.title = "Size of the weights";
  chart.first_label = "float32";
  chart.second_label = "integers, packed, with scales";
  chart.marks = PairChart::Marks::kBars;
  int64_t largest = 0;
  for (const LayerReport* layer : layers) largest = std::max(largest, 4 * NumWeights(*layer));
  const bool in_mebibytes = largest >= int64_t{2} << 20;
  chart.unit = in_mebibytes ? "MiB" : "KiB";
  const double bytes_of_unit = in_mebibytes ? 1024.0 * 1024.0 : 1024.0;
  for (const LayerReport* layer : layers) {
    const int64_t before = 4 * NumWeights(*layer);
    chart.rows.push_back({layer->name, static_cast<double>(before) / bytes_of_unit,
                          static_cast<double>(layer->quantized_bytes) / bytes_of_unit,
                          BytesBeforeAndAfter(before, layer->quantized_bytes)});
  }
  return chart.rows.empty() ? "" : chart.ToHtml();
}

// Of all layers, those that share a weight too.
std::string LayerTable(const RunReport& report, const Layers& layers) {
  const auto any = [&](const auto& has) {
    return std::any_of(layers.begin(), layers.end(),
                       [&](const LayerReport* layer) { return has(*layer); });
  };
  const bool has_task_loss =
      any([](const LayerReport& layer) { return layer.search_task_loss.has_value(); });
  HtmlTable table;
  table.label = "Layers";
  table.header = {"layer", "operator", "weights", "bits", "nearest", report.method, "ratio"};
  if (has_task_loss) {
    table.header.insert(table.header.end(), {"task loss, nearest", "task loss, search"});
  }
  table.header.insert(table.header.end(), {"not nearest", "undecided", "steps", "seconds", "float",
                                           "packed", "search"});
  for (const LayerReport* layer : layers) {
    const int64_t num_weights = NumWeights(*layer);
    std::vector<std::string> line = {
        layer->name, layer->op,
        layer->num_groups > 1
            ? fmt::format("{}x{} in {} groups", layer->num_rows, layer->row_length,
                          layer->num_groups)
            : fmt::format("{}x{}", layer->num_rows, layer->row_length),
        std::to_string(layer->bits)};
    if (layer->shares_weight) {
      line.resize(table.header.size() - 1, "-");
      line.emplace_back("shares its weight with an earlier layer");
      table.lines.push_back(std::move(line));
      continue;
    }
    line.push_back(ErrorText(layer->nearest_error));
    line.push_back(ErrorText(layer->error));
    line.push_back(RatioText(layer->nearest_error, layer->error));
    if (has_task_loss) {
      line.push_back(layer->nearest_task_loss ? fmt::format("{:.3g}", *layer->nearest_task_loss)
                                              : "-");
      line.push_back(layer->search_task_loss ? fmt::format("{:.3g}", *layer->search_task_loss)
                                             : "-");
    }
    line.push_back(num_weights > 0 ? fmt::format("{:.1f} %", 100.0 *
                                                                 static_cast<double>(
                                                                     layer->num_changed) /
                                                                 static_cast<double>(num_weights))
                                   : "-");
    line.push_back(std::to_string(layer->num_undecided));
    line.push_back(std::to_string(layer->iterations));
    line.push_back(fmt::format("{:.2f}", layer->seconds));
    line.push_back(FormatBytes(4 * num_weights));
    line.push_back(FormatBytes(layer->quantized_bytes));
    line.push_back(layer->strategy + (layer->fell_back ? "; kept nearest" : ""));
    table.lines.push_back(std::move(line));
  }
  return layers.empty() ? "" : table.ToHtml(kMaxHtmlLayers);
}

std::string Searches(const Layers& layers) {
  Layers searched;
  for (const LayerReport* layer : layers) {
    if (!layer->trace.empty()) searched.push_back(layer);
  }
  const Layers shown = LeastGains(searched, kMaxHtmlSearches);
  std::string html = AllSearchesToHtml(searched, shown);
  if (html.empty()) return "";
  html += "<h3>Layer by layer</h3>\n";
  if (shown.size() < searched.size()) {
    html += HtmlParagraph(fmt::format(
        "The {} of {} layers that gain least over nearest, and their thin lines above; report.json "
        "has all.",
        shown.size(), searched.size()));
  }
  for (const LayerReport* layer : shown) html += SearchToHtml(*layer);
  return html;
}

std::string LeftTable(const std::string& label, const std::vector<LeftLayer>& left) {
  if (left.empty()) return "";
  HtmlTable table;
  table.label = label;
  table.header = {"layer", "operator", "reason"};
  table.is_prose = true;
  for (const LeftLayer& layer : left) table.lines.push_back({layer.name, layer.op, layer.reason});
  return "<h3>" + HtmlText(label) + "</h3>\n" + table.ToHtml(kMaxLines);
}

std::string Remainder(const RunReport& report) {
  std::string html = LeftTable("Layers left in float", report.left) +
                     LeftTable("Biases left in float", report.float_biases);
  std::vector<LeftLayer> uncorrected;
  for (const LayerReport& layer : report.layers) {
    if (layer.bias_uncorrected_because.empty()) continue;
    uncorrected.push_back({layer.name, layer.op, layer.bias_uncorrected_because});
  }
  html += LeftTable("Biases not corrected", uncorrected);
  if (!report.activations.empty()) {
    HtmlTable table;
    table.label = "Quantized activations";
    table.header = {"tensor", "bits", "low", "high"};
    for (const ActivationRow& row : report.activations) {
      table.lines.push_back({row.tensor, std::to_string(row.bits), fmt::format("{:.4g}", row.low),
                             fmt::format("{:.4g}", row.high)});
    }
    html += "<h3>Quantized activations</h3>\n" + table.ToHtml(kMaxLines);
  }
  return html;
}

std::string Files(const RunReport& report) {
  HtmlTable table;
  table.label = "Files";
  table.header = {"file", "bytes", "of the float model"};
  table.lines.push_back({"float model", FormatBytes(report.model_file_bytes), "100.0 %"});
  for (const auto& [name, bytes] : report.file_bytes) {
    table.lines.push_back(
        {name, FormatBytes(bytes),
         report.model_file_bytes > 0
             ? fmt::format("{:.1f} %", 100.0 * static_cast<double>(bytes) /
                                           static_cast<double>(report.model_file_bytes))
             : "-"});
  }
  return report.file_bytes.empty() ? "" : table.ToHtml(kMaxLines);
}

std::string ProvenanceTable(const RunReport& report) {
  HtmlTable table;
  table.label = "Where the result comes from";
  table.header = {"what", "value"};
  table.is_prose = true;
  table.lines.push_back({"model", report.model});
  table.lines.push_back({"output", report.output});
  table.lines.push_back({"samples", fmt::format("{}, {} of them not searched on",
                                                report.num_samples, report.num_held_out_samples)});
  for (const auto& [name, value] : report.provenance) {
    if (!value.empty()) table.lines.push_back({name, value});
  }
  return table.ToHtml(kMaxLines);
}

}  // namespace

std::string ToHtml(const RunReport& report) {
  Layers all;
  for (const LayerReport& layer : report.layers) all.push_back(&layer);
  const Layers layers = LeastGains(all, kMaxHtmlLayers);
  Layers own;  // that do not share a weight
  for (const LayerReport* layer : layers) {
    if (!layer->shares_weight) own.push_back(layer);
  }
  std::string subtitle = "Quantized by " + report.method;
  const auto bits = report.provenance.find("bits");
  if (bits != report.provenance.end()) subtitle += " to " + bits->second + " bits";
  if (report.num_samples > 0) subtitle += fmt::format(", from {} samples", report.num_samples);

  std::vector<HtmlSection> sections;
  sections.push_back({"networks", "Networks", Networks(report)});
  sections.push_back({"errors", "Errors", Errors(report, own)});
  std::string changes_and_sizes = Changes(own) + Sizes(own);
  if (!changes_and_sizes.empty()) {
    changes_and_sizes = "<div class=\"pair\">\n" + changes_and_sizes + "</div>\n";
  }
  sections.push_back({"changes", "Roundings and sizes", changes_and_sizes});
  sections.push_back({"sensitivity", "Sensitivity", Sensitivity(report, own)});
  sections.push_back({"search", "How the search went", Searches(own)});
  sections.push_back({"layers", "Layers", LayerTable(report, layers)});
  sections.push_back({"rest", "Beside the weights", Remainder(report)});
  sections.push_back({"files", "Files", Files(report)});
  sections.push_back({"provenance", "Provenance", ProvenanceTable(report)});
  return HtmlDocument("Quantization of " + ShortPath(report.model), subtitle,
                      Summary(report, own) + Warnings(report, all.size() - layers.size()),
                      sections);
}

}  // namespace adaround
