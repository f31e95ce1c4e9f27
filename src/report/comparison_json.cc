#include <nlohmann/json.hpp>

#include "adaround/report/comparison_report.h"
#include "report/measure_text.h"

namespace adaround {
namespace {

using Json = nlohmann::ordered_json;

Json ToJson(const NetworkMeasures& network) {
  Json json = Json::object();
  for (const MeasureColumn& column : MeasureColumns()) {
    json[column.key] = MeasureToJson(network.*column.member);
  }
  json["exact"] = IsExact(network.sqnr_db);
  return json;
}

Json ToJson(const std::optional<Moments>& moments) {
  if (!moments) return nullptr;
  return {{"count", moments->count},
          {"num_exact", moments->num_exact},
          {"mean", MeasureToJson(moments->mean)},
          {"std", MeasureToJson(moments->std)}};
}

Json ToJson(const ComparisonRun& run) {
  Json json = {{"repeat", run.repeat}, {"draw", run.draw}, {"seed", run.seed}};
  json["rounding_seed"] = run.rounding_seed ? Json(*run.rounding_seed) : Json(nullptr);
  json["failure"] = run.failure.empty() ? Json(nullptr) : Json(run.failure);
  json["network"] = ToJson(run.network);
  json["transformed"] = Json::array();
  for (const TransformedNetwork& step : run.transformed) {
    json["transformed"].push_back(
        {{"step", step.step}, {"detail", step.detail}, {"network", ToJson(step.network)}});
  }
  json["local_loss"] = run.failure.empty() ? Json(run.local_loss) : Json(nullptr);
  json["num_layers"] = run.num_layers;
  json["num_above_nearest"] = run.num_above_nearest;
  json["num_rows_above_nearest"] = run.num_rows_above_nearest;
  json["num_held_out_samples"] = run.num_held_out_samples;
  json["grids"] = run.grids;
  json["solve_seconds"] = run.solve_seconds;
  json["forward_seconds"] = run.forward_seconds;
  json["peak_bytes"] = run.peak_bytes;
  json["peak_is_own"] = run.peak_is_own;
  return json;
}

Json ToJson(const RowSummary& summary) {
  Json json = {{"num_runs", summary.num_runs}, {"num_failed", summary.num_failed}};
  for (size_t i = 0; i < summary.measures.size(); ++i) {
    json[MeasureColumns()[i].key] = ToJson(summary.measures[i]);
  }
  json["local_loss"] = ToJson(summary.local_loss);
  json["mean_above_nearest"] = summary.mean_above_nearest;
  json["mean_rows_above_nearest"] = summary.mean_rows_above_nearest;
  json["num_layers"] = summary.num_layers;
  json["mean_solve_seconds"] = summary.mean_solve_seconds;
  json["mean_forward_seconds"] = summary.mean_forward_seconds;
  json["peak_bytes"] = summary.peak_bytes;
  json["peak_is_own"] = summary.peak_is_own;
  json["row_with_other_grids"] =
      summary.row_with_other_grids ? Json(*summary.row_with_other_grids) : Json(nullptr);
  json["best"] = MeasureToJson(summary.best);
  json["num_beating_nearest"] =
      summary.num_beating_nearest ? Json(*summary.num_beating_nearest) : Json(nullptr);
  json["pearson"] = MeasureToJson(summary.pearson);
  json["spearman"] = MeasureToJson(summary.spearman);
  return json;
}

Json ToJson(const ComparisonReport& report, size_t index) {
  const ComparisonRow& row = report.rows[index];
  Json json = {{"table", row.table},
               {"label", row.label},
               {"method", row.method},
               {"options", row.options},
               {"scope", row.scope},
               {"calibration", row.calibration},
               {"num_calib_samples", row.num_calib_samples}};
  json["nearest_row"] = row.nearest_row ? Json(*row.nearest_row) : Json(nullptr);
  json["note"] = row.note.empty() ? Json(nullptr) : Json(row.note);
  json["provenance"] = row.provenance;
  json["summary"] = ToJson(Summarize(report, index));
  json["runs"] = Json::array();
  for (const ComparisonRun& run : row.runs) json["runs"].push_back(ToJson(run));
  return json;
}

}  // namespace

std::string ToJson(const ComparisonReport& report) {
  const MeasureColumn* headline = HeadlineMeasure(report);
  Json json = {
      {"format", "adaround-comparison"},
      {"version", 1},
      {"model", report.model},
      {"fingerprint", report.fingerprint},
      {"inputs", report.inputs},
      {"evaluated_on", report.evaluated_on},
      {"num_evaluated", report.num_evaluated},
      {"first_layer", report.first_layer},
      {"headline", headline != nullptr ? Json(headline->key) : Json(nullptr)},
      {"num_threads", report.num_threads},
      {"total_seconds", report.total_seconds},
      {"num_resumed", report.num_resumed},
      {"num_failed", NumFailedRuns(report)},
      {"notes", report.notes},
      {"float_network", ToJson(report.float_network)},
      {"rows", Json::array()},
  };
  for (size_t i = 0; i < report.rows.size(); ++i) json["rows"].push_back(ToJson(report, i));
  return json.dump(2, ' ', true, Json::error_handler_t::replace) + "\n";
}

}  // namespace adaround
