#include "cli/report_rows.h"

namespace adaround::cli {

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
