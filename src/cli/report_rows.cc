#include "cli/report_rows.h"

namespace adaround::cli {

LayerRow MakeLayerRow(const LayerReport& layer) {
  LayerRow row;
  row.name = layer.name;
  row.op = layer.op;
  row.activation = layer.activation;
  row.num_rows = layer.num_rows;
  row.row_length = layer.row_length;
  row.num_groups = layer.num_groups;
  row.bits = layer.bits;
  row.nearest_error = layer.nearest_error;
  row.error = layer.error;
  row.search_error = layer.search_error;
  row.fell_back = layer.fell_back;
  row.shares_weight = layer.shares_weight;
  row.short_last_group = layer.short_last_group;
  row.strategy = layer.strategy;
  row.iterations = layer.iterations;
  row.num_search_columns = layer.num_search_columns;
  row.num_held_out_columns = layer.num_held_out_columns;
  row.num_undecided = layer.num_undecided;
  row.num_descent_flips = layer.num_descent_flips;
  row.num_nearest_rows = layer.num_nearest_rows;
  row.num_changed = layer.num_changed;
  row.seconds = layer.seconds;
  return row;
}

NetworkRow MakeNetworkRow(const std::string& name, const Evaluation& evaluation) {
  NetworkRow row;
  row.name = name;
  if (evaluation.accuracy) {
    row.top1 = evaluation.accuracy->top1;
    row.top5 = evaluation.accuracy->top5;
  }
  if (evaluation.distance) {
    row.sqnr_db = evaluation.distance->sqnr_db;
    row.agreement = evaluation.distance->agreement;
    row.kl_divergence = evaluation.distance->kl_divergence;
  }
  return row;
}

NetworkRow MakeReferenceRow(const Evaluation& evaluation) {
  NetworkRow row;
  row.name = "float";
  if (evaluation.reference_accuracy) {
    row.top1 = evaluation.reference_accuracy->top1;
    row.top5 = evaluation.reference_accuracy->top5;
  }
  return row;
}

}  // namespace adaround::cli
