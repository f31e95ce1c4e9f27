#include "adaround/report/sensitivity_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "adaround/base/error.h"

namespace adaround {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxNameWidth = 40;

// JSON has no infinity: null where there is no noise, and "exact" says so.
Json Number(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

Json RowToJson(const NetworkRow& row) {
  Json json = Json::object();
  if (!row.name.empty()) json["name"] = row.name;
  json["top1"] = Number(row.top1);
  json["top5"] = Number(row.top5);
  json["miou"] = Number(row.miou);
  json["pixel_accuracy"] = Number(row.pixel_accuracy);
  json["sqnr_db"] = Number(row.sqnr_db);
  json["agreement"] = Number(row.agreement);
  json["kl_divergence"] = Number(row.kl_divergence);
  json["exact"] = row.sqnr_db && std::isinf(*row.sqnr_db);
  return json;
}

std::string Cell(const std::optional<double>& value, int digits, const std::string& none) {
  if (!value) return none;
  if (std::isinf(*value)) return "exact";
  return fmt::format("{:.{}f}", *value, digits);
}

std::optional<double> Headline(const NetworkRow& row) { return row.miou ? row.miou : row.top1; }

std::string CsvCell(const std::optional<double>& value) {
  return value ? fmt::format("{:.9g}", *value) : "";
}

std::string CsvName(const std::string& name) {
  if (name.find_first_of(",\"\r\n") == std::string::npos) return name;
  std::string quoted = "\"";
  for (const char c : name) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

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
    return fmt::format("{:>8} {:>8} {:>8} {:>8}", Cell(row.sqnr_db, 2, "-"),
                       Cell(row.agreement, 2, "-"), Cell(row.kl_divergence, 4, "-"),
                       Cell(Headline(row), 2, "-"));
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
        {"rank_by_accuracy", layer.rank_by_accuracy ? Json(*layer.rank_by_accuracy) : Json(nullptr)},
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
  std::string text =
      "rank_by_noise,rank_by_accuracy,name,op,num_weights,bit_width,suggested_bits,"
      "alone_sqnr_db,alone_agreement,alone_kl_divergence,alone_accuracy,"
      "all_but_sqnr_db,all_but_agreement,all_but_kl_divergence,all_but_accuracy\n";
  const auto measures = [](const NetworkRow& row) {
    return CsvCell(row.sqnr_db) + "," + CsvCell(row.agreement) + "," + CsvCell(row.kl_divergence) +
           "," + CsvCell(Headline(row));
  };
  for (const SensitivityRow& layer : report.layers) {
    text += fmt::format("{},{},{},{},{},{},{},{},{}\n", layer.rank_by_noise,
                        layer.rank_by_accuracy ? std::to_string(*layer.rank_by_accuracy) : "",
                        CsvName(layer.name), CsvName(layer.op), layer.num_weights, layer.bits,
                        layer.suggested_bits, measures(layer.alone), measures(layer.all_but));
  }
  return text;
}

}  // namespace adaround
