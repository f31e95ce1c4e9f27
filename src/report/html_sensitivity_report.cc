#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "adaround/report/html_report.h"
#include "report/html_charts.h"
#include "report/html_page.h"
#include "report/measure_text.h"

namespace adaround {
namespace {

using Rows = std::vector<SensitivityRow>;

std::string Summary(const SensitivityReport& report) {
  std::vector<HtmlTile> tiles;
  for (const NetworkRow& network : report.networks) {
    const std::optional<double> accuracy = network.miou ? network.miou : network.top1;
    HtmlTile tile{network.name, "", ""};
    if (accuracy) {
      tile.value = fmt::format("{} %", MeasureText(accuracy, 2));
      tile.detail = network.miou ? "mIoU" : "top-1";
    } else {
      tile.value = fmt::format("{} %", MeasureText(network.agreement, 2));
      tile.detail = "agreement with float";
    }
    if (network.sqnr_db) tile.detail += ", SQNR " + MeasureText(network.sqnr_db, 2) + " dB";
    tiles.push_back(tile);
  }
  tiles.push_back({"more bits for",
                   report.num_suggested == 0
                       ? std::string("none")
                       : fmt::format("{} of {} layers", report.num_suggested, report.layers.size()),
                   fmt::format("{:.2f} bits a weight instead of {:.2f}",
                               report.suggested_average_bits, report.average_bits)});
  tiles.push_back({"time", FormatSeconds(report.total_seconds),
                   fmt::format("on {} {}", report.num_evaluated, report.evaluated_on)});
  return HtmlTiles(tiles);
}

// One measure of each layer quantized alone, and of the network without the layer's rounding.
std::string Chart(const Rows& layers, const char* title, const char* unit, int digits,
                  std::optional<double> NetworkRow::*member) {
  PairChart chart;
  chart.title = title;
  chart.unit = unit;
  chart.first_label = "all layers quantized but this one";
  chart.second_label = "this layer alone quantized";
  bool any = false;
  for (const SensitivityRow& layer : layers) {
    const std::optional<double> alone = layer.alone.*member;
    const std::optional<double> all_but = layer.all_but.*member;
    any = any || alone || all_but;
    chart.rows.push_back({layer.name, all_but, alone,
                          MeasureText(all_but, digits) + " | " + MeasureText(alone, digits)});
  }
  return any ? chart.ToHtml() : "";
}

std::string LayerTable(const Rows& layers) {
  const bool has_accuracy =
      std::any_of(layers.begin(), layers.end(), [](const SensitivityRow& layer) {
        return layer.alone.miou || layer.alone.top1;
      });
  HtmlTable table;
  table.label = "Layers, most sensitive first";
  table.header = {"layer", "rank", "operator", "weights", "bits", "suggested"};
  if (has_accuracy) table.header.emplace_back("rank by accuracy");
  for (const char* of : {"alone", "all but"}) {
    for (const char* measure : {"SQNR dB", "agreement %", "KL nats"}) {
      table.header.push_back(fmt::format("{}: {}", of, measure));
    }
    if (has_accuracy) table.header.push_back(fmt::format("{}: accuracy %", of));
  }
  table.header.emplace_back("also its weight");
  for (const SensitivityRow& layer : layers) {
    std::vector<std::string> line = {
        layer.name,
        std::to_string(layer.rank_by_noise),
        layer.op,
        std::to_string(layer.num_weights),
        std::to_string(layer.bits),
        std::to_string(layer.suggested_bits)};
    if (has_accuracy) {
      line.push_back(layer.rank_by_accuracy ? std::to_string(*layer.rank_by_accuracy) : "-");
    }
    for (const NetworkRow* row : {&layer.alone, &layer.all_but}) {
      line.push_back(MeasureText(row->sqnr_db, 2));
      line.push_back(MeasureText(row->agreement, 2));
      line.push_back(MeasureText(row->kl_divergence, 4));
      if (has_accuracy) line.push_back(MeasureText(row->miou ? row->miou : row->top1, 2));
    }
    line.push_back(layer.sharing.empty() ? "-"
                                         : fmt::format("{} more layers", layer.sharing.size()));
    table.lines.push_back(std::move(line));
  }
  return layers.empty() ? "" : table.ToHtml(kMaxHtmlLayers);
}

}  // namespace

std::string ToHtml(const SensitivityReport& report) {
  // The most sensitive come first.
  const Rows layers(report.layers.begin(),
                    report.layers.begin() +
                        static_cast<int64_t>(std::min(report.layers.size(), kMaxHtmlLayers)));
  std::vector<HtmlSection> sections;
  sections.push_back({"networks", "Networks", NetworksTable(report.networks).ToHtml(100)});
  std::string charts = Chart(layers, "SQNR of the network's output; the lower, the more sensitive",
                             "dB", 2, &NetworkRow::sqnr_db);
  const bool has_maps = std::any_of(layers.begin(), layers.end(), [](const SensitivityRow& layer) {
    return layer.alone.miou.has_value();
  });
  charts += has_maps ? Chart(layers, "mIoU", "%", 2, &NetworkRow::miou)
                     : Chart(layers, "Top-1 accuracy", "%", 2, &NetworkRow::top1);
  if (charts.empty()) {
    charts = Chart(layers, "Agreement with the float network", "%", 2, &NetworkRow::agreement);
  }
  sections.push_back({"sensitivity", "Sensitivity, most sensitive layer first", charts});
  std::string table = LayerTable(layers);
  if (layers.size() < report.layers.size()) {
    table += HtmlParagraph(fmt::format("The {} most sensitive of {} layers; the JSON report has "
                                       "them all.",
                                       layers.size(), report.layers.size()));
  }
  sections.push_back({"layers", "Layers", table});
  return HtmlDocument("Sensitivity of " + ShortPath(report.model),
                      "What rounding each layer by " + report.method + " costs the network",
                      Summary(report), sections);
}

}  // namespace adaround
