#include <nlohmann/json.hpp>

#include "adaround/report/run_report.h"
#include "report/measure_text.h"

namespace adaround {
namespace {

using Json = nlohmann::ordered_json;

Json ToJson(const SearchTrace& trace) {
  Json points = Json::array();
  for (const SearchPoint& point : trace) {
    Json json = {{"stage", point.stage}, {"loss", point.loss}};
    if (point.stage == "relaxation") json["iteration"] = point.iteration;
    if (!point.soft_roundings.empty()) {
      json["num_undecided"] = point.num_undecided;
      json["soft_roundings"] = point.soft_roundings;
    }
    points.push_back(json);
  }
  return points;
}

Json ToJson(const LayerReport& layer) {
  return {
      {"name", layer.name},
      {"op", layer.op},
      {"activation", layer.activation},
      {"num_rows", layer.num_rows},
      {"row_length", layer.row_length},
      {"num_groups", layer.num_groups},
      {"bit_width", layer.bits},
      {"nearest_error", layer.nearest_error},
      {"error", layer.error},
      {"search_error", layer.search_error},
      {"nearest_task_loss", MeasureToJson(layer.nearest_task_loss)},
      {"search_task_loss", MeasureToJson(layer.search_task_loss)},
      {"fell_back", layer.fell_back},
      {"shares_weight", layer.shares_weight},
      {"short_last_group", layer.short_last_group},
      {"bias_correction", layer.bias_correction},
      {"bias_uncorrected_because", layer.bias_uncorrected_because},
      {"strategy", layer.strategy},
      {"iterations", layer.iterations},
      {"num_search_columns", layer.num_search_columns},
      {"num_held_out_columns", layer.num_held_out_columns},
      {"num_undecided", layer.num_undecided},
      {"num_descent_flips", layer.num_descent_flips},
      {"ridge", layer.ridge ? nlohmann::ordered_json(*layer.ridge) : nlohmann::ordered_json()},
      {"num_nearest_rows", layer.num_nearest_rows},
      {"num_changed", layer.num_changed},
      {"quantized_bytes", layer.quantized_bytes},
      {"seconds", layer.seconds},
      {"trace", ToJson(layer.trace)},
  };
}

Json ToJson(const LeftLayer& left) {
  return {{"name", left.name}, {"op", left.op}, {"reason", left.reason}};
}

Json ToJson(const NetworkRow& network) {
  return {
      {"name", network.name},
      {"top1", MeasureToJson(network.top1)},
      {"top5", MeasureToJson(network.top5)},
      {"miou", MeasureToJson(network.miou)},
      {"pixel_accuracy", MeasureToJson(network.pixel_accuracy)},
      {"sqnr_db", MeasureToJson(network.sqnr_db)},
      {"agreement", MeasureToJson(network.agreement)},
      {"kl_divergence", MeasureToJson(network.kl_divergence)},
      {"exact", IsExact(network.sqnr_db)},
  };
}

}  // namespace

std::string ToJson(const RunReport& report) {
  Json json = {
      {"format", "adaround-report"},
      {"version", 1},
      {"model", report.model},
      {"output", report.output},
      {"method", report.method},
      {"provenance", report.provenance},
      {"fingerprint", report.fingerprint},
      {"result_sha256", report.result_sha256},
      {"inputs", report.inputs},
      {"evaluated_on", report.evaluated_on},
      {"num_evaluated", report.num_evaluated},
      {"networks", Json::array()},
      {"transforms", Json::array()},
      {"gates", Json::array()},
      {"sensitivity", Json::array()},
      {"num_sensitivity_samples", report.num_sensitivity_samples},
      {"layers", Json::array()},
      {"left", Json::array()},
      {"activations", Json::array()},
      {"float_biases", Json::array()},
      {"num_samples", report.num_samples},
      {"num_held_out_samples", report.num_held_out_samples},
      {"num_folded_batch_norms", report.num_folded_batch_norms},
      {"float_bytes", report.float_bytes},
      {"quantized_bytes", report.quantized_bytes},
      {"model_file_bytes", report.model_file_bytes},
      {"file_bytes", report.file_bytes},
      {"file_sha256", report.file_sha256},
      {"macs_per_sample", report.macs_per_sample},
      {"forward_macs", report.forward_macs},
      {"forward_passes", report.macs_per_sample > 0 && report.num_samples > 0
                             ? static_cast<double>(report.forward_macs) /
                                   static_cast<double>(report.macs_per_sample) /
                                   static_cast<double>(report.num_samples)
                             : 0.0},
      {"num_segments", report.num_segments},
      {"stored_bytes", report.stored_bytes},
      {"spilled_bytes", report.spilled_bytes},
      {"peak_resident_bytes", report.peak_resident_bytes},
      {"num_threads", report.num_threads},
      {"forward_seconds", report.forward_seconds},
      {"solve_seconds", report.solve_seconds},
      {"total_seconds", report.total_seconds},
      {"warnings", report.warnings},
  };
  for (const NetworkRow& network : report.networks) json["networks"].push_back(ToJson(network));
  for (const NetworkRow& row : report.sensitivity) json["sensitivity"].push_back(ToJson(row));
  for (const LayerReport& layer : report.layers) json["layers"].push_back(ToJson(layer));
  for (const TransformRow& row : report.transforms) {
    Json step = {{"name", row.name}, {"detail", row.detail}};
    step["network"] = row.network ? ToJson(*row.network) : Json(nullptr);
    json["transforms"].push_back(step);
  }
  for (const GateRow& gate : report.gates) {
    json["gates"].push_back({{"name", gate.name},
                             {"limit", gate.limit},
                             {"value", MeasureToJson(gate.value)},
                             {"passed", gate.passed},
                             {"text", gate.text}});
  }
  for (const LeftLayer& left : report.left) json["left"].push_back(ToJson(left));
  for (const ActivationRow& row : report.activations) {
    json["activations"].push_back(
        {{"tensor", row.tensor}, {"bit_width", row.bits}, {"low", row.low}, {"high", row.high}});
  }
  for (const LeftLayer& left : report.float_biases) json["float_biases"].push_back(ToJson(left));
  return json.dump(2, ' ', true, Json::error_handler_t::replace) + "\n";
}

}  // namespace adaround
