#include "pipeline/layer_record.h"

#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace adaround {
namespace {

using Json = nlohmann::ordered_json;

// JSON has no number for these.
constexpr std::pair<const char*, double> kNamedNumbers[] = {
    {"infinite", std::numeric_limits<double>::infinity()},
    {"-infinite", -std::numeric_limits<double>::infinity()},
    {"nan", std::numeric_limits<double>::quiet_NaN()},
};

// Calls visit(key, member) for every member.
template <typename Report, typename Visitor>
void VisitMembers(Report& report, const Visitor& visit) {
  visit("name", report.name);
  visit("op", report.op);
  visit("weight", report.weight);
  visit("activation", report.activation);
  visit("num_rows", report.num_rows);
  visit("row_length", report.row_length);
  visit("num_groups", report.num_groups);
  visit("bits", report.bits);
  visit("num_search_columns", report.num_search_columns);
  visit("num_held_out_columns", report.num_held_out_columns);
  visit("nearest_error", report.nearest_error);
  visit("error", report.error);
  visit("search_error", report.search_error);
  visit("nearest_task_loss", report.nearest_task_loss);
  visit("search_task_loss", report.search_task_loss);
  visit("above_nearest", report.above_nearest);
  visit("fell_back", report.fell_back);
  visit("shares_weight", report.shares_weight);
  visit("strategy", report.strategy);
  visit("iterations", report.iterations);
  visit("num_undecided", report.num_undecided);
  visit("ridge", report.ridge);
  visit("num_descent_flips", report.num_descent_flips);
  visit("num_nearest_rows", report.num_nearest_rows);
  visit("num_rows_above_nearest", report.num_rows_above_nearest);
  visit("num_changed", report.num_changed);
  visit("short_last_group", report.short_last_group);
  visit("bias_correction", report.bias_correction);
  visit("bias_uncorrected_because", report.bias_uncorrected_because);
  visit("quantized_bytes", report.quantized_bytes);
  visit("trace", report.trace);
  visit("seconds", report.seconds);
}

template <typename Rows, typename Visitor>
void VisitRows(Rows& rows, const Visitor& visit) {
  visit("layer", rows.layer);
  visit("first_row", rows.first_row);
  visit("num_rows", rows.num_rows);
  visit("strategy", rows.strategy);
  visit("iterations", rows.iterations);
  visit("num_undecided", rows.num_undecided);
  visit("num_descent_flips", rows.num_descent_flips);
  visit("ridge", rows.ridge);
  visit("block_traces", rows.block_traces);
}

template <typename Point, typename Visitor>
void VisitPoint(Point& point, const Visitor& visit) {
  visit("stage", point.stage);
  visit("iteration", point.iteration);
  visit("loss", point.loss);
  visit("soft_roundings", point.soft_roundings);
  visit("num_undecided", point.num_undecided);
}

Json ToJson(double value) {
  for (const auto& [name, named] : kNamedNumbers) {
    if (value == named || (std::isnan(value) && std::isnan(named))) return name;
  }
  return value;
}

template <typename T>
Json ToJson(const T& value) {
  return value;
}

Json ToJson(const SearchTrace& trace);

Json ToJson(const std::vector<SearchTrace>& traces) {
  Json json = Json::array();
  for (const SearchTrace& trace : traces) json.push_back(ToJson(trace));
  return json;
}

template <typename T>
Json ToJson(const std::optional<T>& value) {
  return value ? ToJson(*value) : Json(nullptr);
}

Json ToJson(const SearchTrace& trace) {
  Json json = Json::array();
  for (const SearchPoint& point : trace) {
    Json& entry = json.emplace_back(Json::object());
    VisitPoint(point, [&](const char* key, const auto& member) { entry[key] = ToJson(member); });
  }
  return json;
}

void Parse(const JsonView& view, std::string& value) {
  value = view.AsString();
}

void Parse(const JsonView& view, bool& value) {
  if (!view.value().is_boolean()) view.FailMalformed("expected true or false");
  value = view.value().get<bool>();
}

template <typename T>
  requires std::is_integral_v<T>
void Parse(const JsonView& view, T& value) {
  value = static_cast<T>(view.AsInt(0, std::numeric_limits<T>::max()));
}

void Parse(const JsonView& view, double& value) {
  for (const auto& [name, named] : kNamedNumbers) {
    if (view.value() != name) continue;
    value = named;
    return;
  }
  value = view.AsNumber();
}

template <typename T>
void Parse(const JsonView& view, std::optional<T>& value) {
  if (!view.value().is_null()) Parse(view, value.emplace());
}

void Parse(const JsonView& view, std::vector<int64_t>& counts) {
  counts.resize(view.ArraySize());
  for (size_t i = 0; i < counts.size(); ++i) Parse(view.At(i), counts[i]);
}

void Parse(const JsonView& view, SearchTrace& trace) {
  for (size_t i = 0; i < view.ArraySize(); ++i) {
    const JsonView entry = view.At(i);
    entry.CheckKeys({"stage", "iteration", "loss", "soft_roundings", "num_undecided"}, {});
    SearchPoint& point = trace.emplace_back();
    VisitPoint(point, [&](const char* key, auto& member) { Parse(entry.At(key), member); });
    if (!point.soft_roundings.empty() && point.soft_roundings.size() != kSoftRoundingBins) {
      entry.FailMalformed("has a histogram of " + std::to_string(point.soft_roundings.size()) +
                          " parts, wanted " + std::to_string(kSoftRoundingBins));
    }
  }
}

void Parse(const JsonView& view, std::vector<SearchTrace>& traces) {
  for (size_t i = 0; i < view.ArraySize(); ++i) Parse(view.At(i), traces.emplace_back());
}

template <typename Members>
Json ToRecord(const Members& visit_members) {
  Json json = Json::object();
  visit_members([&](const char* key, const auto& member) { json[key] = ToJson(member); });
  return json;
}

template <typename Members>
void ParseRecord(const JsonView& view, const Members& visit_members) {
  std::vector<std::string> keys;
  visit_members([&](const char* key, const auto&) { keys.emplace_back(key); });
  view.CheckKeys(keys, {});
  visit_members([&](const char* key, auto& member) { Parse(view.At(key), member); });
}

}  // namespace

Json LayerRecord(const LayerReport& report) {
  return ToRecord([&](const auto& visit) { VisitMembers(report, visit); });
}

LayerReport ParseLayerRecord(const JsonView& view) {
  LayerReport report;
  ParseRecord(view, [&](const auto& visit) { VisitMembers(report, visit); });
  return report;
}

Json RowsRecord(const FinishedRows& rows) {
  return ToRecord([&](const auto& visit) { VisitRows(rows, visit); });
}

FinishedRows ParseRowsRecord(const JsonView& view) {
  FinishedRows rows;
  ParseRecord(view, [&](const auto& visit) { VisitRows(rows, visit); });
  return rows;
}

}  // namespace adaround
