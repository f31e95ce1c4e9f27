#include "cli/report_rows.h"

namespace adaround::cli {
namespace {

void SetAccuracy(const std::optional<Accuracy>& accuracy,
                 const std::optional<Segmentation>& segmentation, NetworkRow& row) {
  if (accuracy) {
    row.top1 = accuracy->top1;
    row.top5 = accuracy->top5;
  }
  if (segmentation) {
    row.miou = segmentation->miou;
    row.pixel_accuracy = segmentation->pixel_accuracy;
  }
}

}  // namespace

NetworkRow MakeNetworkRow(const std::string& name, const Evaluation& evaluation) {
  NetworkRow row;
  row.name = name;
  SetAccuracy(evaluation.accuracy, evaluation.segmentation, row);
  if (evaluation.distance) {
    row.sqnr_db = evaluation.distance->sqnr_db;
    row.agreement = evaluation.distance->agreement;
    row.kl_divergence = evaluation.distance->kl_divergence;
  }
  return row;
}

std::optional<NetworkRow> MakeReferenceRow(const Evaluation& evaluation) {
  if (!evaluation.reference_accuracy && !evaluation.reference_segmentation) return std::nullopt;
  NetworkRow row;
  row.name = "float";
  SetAccuracy(evaluation.reference_accuracy, evaluation.reference_segmentation, row);
  return row;
}

}  // namespace adaround::cli
