#include "adaround/report/sensitivity_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "adaround/base/error.h"
#include "report/measure_text.h"
#include "report/table_text.h"

namespace adaround {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxNameWidth = 40;

Json RowToJson(const NetworkRow& row) {
  Json json = Json::object();
  if (!row.name.empty()) json["name"] = row.name;
  json["top1"] = MeasureToJson(row.top1);
  json["top5"] = MeasureToJson(row.top5);
  json["miou"] = MeasureToJson(row.miou);
  json["pixel_accuracy"] = MeasureToJson(row.pixel_accuracy);
  json["sqnr_db"] = MeasureToJson(row.sqnr_db);
  json["agreement"] = MeasureToJson(row.agreement);
  json["kl_divergence"] = MeasureToJson(row.kl_divergence);
  json["exact"] = IsExact(row.sqnr_db);
  return json;
}

std::optional<double> Headline(const NetworkRow& row) { return row.miou ? row.miou : row.top1; }

std::string LayerTable(const SensitivityReport& report) {
  size_t width = 5;
  for (const SensitivityRow& layer : report.layers) {
    width = std::max(width, std::min(kMaxNameWidth, Printable(layer.name).size()));
  }
  const bool has_accuracy = std::any_of(
      report.layers.begin(), report.layers.end(),
      [](const SensitivityRow& layer) { return Headline(layer.alone).has_value(); });
  const bool has_maps = std::any_of(report.layers.begin(), report.layers.end(),
                                    [](const SensitivityRow& layer) { return !!layer.alone.miou; });
  const char* accuracy = has_maps ? "mIoU %" : "top-1 %";
  std::string text = fmt::format("{:>4}  {:<{}}  {:>9}  {:>4} | {:^35} | {:^35}\n", "", "", width,
                                 "", "", "only this layer quantized", "all layers but this one");
  text += fmt::format("{:>4}  {:<{}}  {:>9}  {:>4} | {:>8} {:>8} {:>8} {:>8} | {:>8} {:>8} {:>8} "
                      "{:>8} | {}\n",
                      "rank", "layer", width, "weights", "bits", "SQNR dB", "agree %", "KL",
                      has_accuracy ? accuracy : "-", "SQNR dB", "agree %", "KL",
                      has_accuracy ? accuracy : "-", "suggested");
  const auto measures = [](const NetworkRow& row) {
    return fmt::format("{:>8} {:>8} {:>8} {:>8}", MeasureText(row.sqnr_db, 2),
                       MeasureText(row.agreement, 2), MeasureText(row.kl_divergence, 4),
                       MeasureText(Headline(row), 2));
  };
  for (const SensitivityRow& layer : report.layers) {
    text += fmt::format(
        "{:>4}  {:<{}}  {:>9}  {:>4} | {} | {} |{}{}\n", layer.rank_by_noise,
        Printable(layer.name, kMaxNameWidth), width, layer.num_weights, layer.bits,
        measures(layer.alone), measures(layer.all_but),
        layer.suggested_bits != layer.bits ? fmt::format(" {} bits", layer.suggested_bits) : "",
        layer.sharing.empty() ? ""
                              : fmt::format(" ({} more layers share its weight)",
                                            layer.sharing.size()));
  }
  return text;
}

}  // namespace

std::string ToJson(const SensitivityReport& report) {
  Json layers = Json::array();
  for (const SensitivityRow& layer : report.layers) {
    layers.push_back({
        {"name", layer.name},
        {"op", layer.op},
        {"sharing", layer.sharing},
        {"num_weights", layer.num_weights},
        {"bit_width", layer.bits},
        {"suggested_bits", layer.suggested_bits},
        {"rank_by_noise", layer.rank_by_noise},
        {"rank_by_accuracy",
         layer.rank_by_accuracy ? Json(*layer.rank_by_accuracy) : Json(nullptr)},
        {"alone", RowToJson(layer.alone)},
        {"all_but", RowToJson(layer.all_but)},
    });
  }
  Json networks = Json::array();
  for (const NetworkRow& network : report.networks) networks.push_back(RowToJson(network));
  const Json json = {
      {"format", "adaround-sensitivity"},
      {"version", 1},
      {"model", report.model},
      {"method", report.method},
      {"num_samples", report.num_samples},
      {"evaluated_on", report.evaluated_on},
      {"num_evaluated", report.num_evaluated},
      {"layers", layers},
      {"networks", networks},
      {"num_suggested", report.num_suggested},
      {"average_bits", report.average_bits},
      {"suggested_average_bits", report.suggested_average_bits},
      {"total_seconds", report.total_seconds},
  };
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string ToText(const SensitivityReport& report) {
  std::string text = LayerTable(report);
  text += "\n" + NetworkTable(report.networks, report.num_evaluated, report.evaluated_on);
  if (report.num_suggested == 0) {
    text += "\nsuggestion: none\n";
  } else {
    text += fmt::format("\nsuggestion: more bits for {} of {} layers, {:.2f} bits per weight on "
                        "average instead of {:.2f}\n",
                        report.num_suggested, report.layers.size(), report.suggested_average_bits,
                        report.average_bits);
  }
  text += fmt::format("time: {}\n", FormatSeconds(report.total_seconds));
  return text;
}

std::string ToCsv(const SensitivityReport& report) {
  TextTable table;
  table.header = {"rank_by_noise", "rank_by_accuracy", "name",          "op",
                  "num_weights",   "bit_width",        "suggested_bits"};
  for (const std::string of : {"alone", "all_but"}) {
    for (const char* measure : {"_sqnr_db", "_agreement", "_kl_divergence", "_accuracy"}) {
      table.header.push_back(of + measure);
    }
  }
  for (const SensitivityRow& layer : report.layers) {
    std::vector<std::string> line = {
        std::to_string(layer.rank_by_noise),
        layer.rank_by_accuracy ? std::to_string(*layer.rank_by_accuracy) : "",
        Printable(layer.name),
        Printable(layer.op),
        std::to_string(layer.num_weights),
        std::to_string(layer.bits),
        std::to_string(layer.suggested_bits)};
    for (const NetworkRow* row : {&layer.alone, &layer.all_but}) {
      line.push_back(MeasureToCsv(row->sqnr_db));
      line.push_back(MeasureToCsv(row->agreement));
      line.push_back(MeasureToCsv(row->kl_divergence));
      line.push_back(MeasureToCsv(Headline(*row)));
    }
    table.lines.push_back(std::move(line));
  }
  return ToCsv(table);
}

}  // namespace adaround
