#include <algorithm>
#include <cmath>
#include <limits>

#include "adaround/base/error.h"
#include "adaround/report/comparison_report.h"
#include "report/loss_scale.h"
#include "report/statistics.h"

namespace adaround {
namespace {

constexpr double kExact = std::numeric_limits<double>::infinity();

std::optional<Moments> MomentsOf(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  const auto num_exact = std::count(values.begin(), values.end(), kExact);
  return Moments{static_cast<int64_t>(values.size()), Mean(values), StandardDeviation(values),
                 static_cast<int64_t>(num_exact)};
}

std::vector<const ComparisonRun*> FinishedRuns(const ComparisonRow& row) {
  std::vector<const ComparisonRun*> runs;
  for (const ComparisonRun& run : row.runs) {
    if (run.failure.empty()) runs.push_back(&run);
  }
  return runs;
}

bool HasDraws(const ComparisonRow& row) {
  return std::any_of(row.runs.begin(), row.runs.end(),
                     [](const ComparisonRun& run) { return run.draw > 0; });
}

// Of nearest rounding with the seed of `repeat`.
std::optional<double> NearestValue(const ComparisonReport& report, const ComparisonRow& row,
                                   int64_t repeat, const MeasureColumn& measure) {
  if (!row.nearest_row) return std::nullopt;
  for (const ComparisonRun& run : report.rows[*row.nearest_row].runs) {
    if (run.repeat == repeat && run.failure.empty()) return run.network.*measure.member;
  }
  return std::nullopt;
}

// Whether the two stand side by side: what they differ in is how the network is quantized.
bool InOnePlace(const ComparisonRow& a, const ComparisonRow& b) {
  return a.table == b.table && a.scope == b.scope && a.calibration == b.calibration &&
         a.num_calib_samples == b.num_calib_samples;
}

std::optional<size_t> RowWithOtherGrids(const ComparisonReport& report, size_t index) {
  const ComparisonRow& row = report.rows[index];
  const std::vector<const ComparisonRun*> runs = FinishedRuns(row);
  for (size_t i = 0; i < index && !runs.empty(); ++i) {
    if (!InOnePlace(report.rows[i], row)) continue;
    for (const ComparisonRun* first : FinishedRuns(report.rows[i])) {
      if (first->repeat != runs.front()->repeat) continue;
      if (first->grids == runs.front()->grids) return std::nullopt;
      return i;
    }
  }
  return std::nullopt;
}

void SummarizeDraws(const ComparisonReport& report, const ComparisonRow& row, RowSummary& summary) {
  const MeasureColumn* measure = HeadlineMeasure(report);
  if (measure == nullptr || !HasDraws(row)) return;
  const LossScale scale(report, row.nearest_row);
  std::vector<double> losses;
  std::vector<double> values;
  std::optional<int64_t> num_beating = 0;
  for (const ComparisonRun* run : FinishedRuns(row)) {
    const std::optional<double> value = run->network.*measure->member;
    if (!value) continue;
    losses.push_back(scale.Of(*run));
    values.push_back(*value);
    const std::optional<double> nearest = NearestValue(report, row, run->repeat, *measure);
    if (!nearest) {
      num_beating.reset();
    } else if (num_beating && *value != *nearest &&
               (*value > *nearest) == measure->larger_is_better) {
      ++*num_beating;
    }
  }
  if (values.empty()) return;
  summary.best = measure->larger_is_better ? *std::max_element(values.begin(), values.end())
                                           : *std::min_element(values.begin(), values.end());
  summary.num_beating_nearest = num_beating;
  summary.pearson = PearsonCorrelation(losses, values);
  summary.spearman = SpearmanCorrelation(losses, values);
}

}  // namespace

const std::vector<MeasureColumn>& MeasureColumns() {
  static const std::vector<MeasureColumn> columns = {
      {"top1", "top-1", "%", 2, true, &NetworkMeasures::top1},
      {"top5", "top-5", "%", 2, true, &NetworkMeasures::top5},
      {"miou", "mIoU", "%", 2, true, &NetworkMeasures::miou},
      {"pixel_accuracy", "pixels", "%", 2, true, &NetworkMeasures::pixel_accuracy},
      {"sqnr_db", "SQNR", "dB", 2, true, &NetworkMeasures::sqnr_db},
      {"agreement", "agree", "%", 2, true, &NetworkMeasures::agreement},
      {"agreement_miou", "agree mIoU", "%", 2, true, &NetworkMeasures::agreement_miou},
      {"kl_divergence", "KL", "", 4, false, &NetworkMeasures::kl_divergence},
  };
  return columns;
}

std::string MeasureColumn::Title() const {
  return *unit == '\0' ? name : std::string(name) + " " + unit;
}

const MeasureColumn* HeadlineMeasure(const ComparisonReport& report) {
  const auto measured = [&](const MeasureColumn& column) {
    if (report.float_network.*column.member) return true;
    for (const ComparisonRow& row : report.rows) {
      for (const ComparisonRun& run : row.runs) {
        if (run.network.*column.member) return true;
      }
    }
    return false;
  };
  for (const auto member : {&NetworkMeasures::top1, &NetworkMeasures::miou,
                            &NetworkMeasures::sqnr_db, &NetworkMeasures::agreement}) {
    for (const MeasureColumn& column : MeasureColumns()) {
      if (column.member == member && measured(column)) return &column;
    }
  }
  return nullptr;
}

RowSummary Summarize(const ComparisonReport& report, size_t index) {
  const ComparisonRow& row = report.rows.at(index);
  const std::vector<const ComparisonRun*> runs = FinishedRuns(row);
  RowSummary summary;
  summary.num_runs = static_cast<int64_t>(row.runs.size());
  summary.num_failed = summary.num_runs - static_cast<int64_t>(runs.size());
  for (const MeasureColumn& column : MeasureColumns()) {
    std::vector<double> values;
    for (const ComparisonRun* run : runs) {
      if (const auto value = run->network.*column.member) values.push_back(*value);
    }
    summary.measures.push_back(MomentsOf(values));
  }
  std::vector<double> losses;
  std::vector<double> above;
  std::vector<double> rows_above;
  std::vector<double> solve;
  std::vector<double> forward;
  for (const ComparisonRun* run : runs) {
    losses.push_back(run->local_loss);
    above.push_back(static_cast<double>(run->num_above_nearest));
    rows_above.push_back(static_cast<double>(run->num_rows_above_nearest));
    solve.push_back(run->solve_seconds);
    forward.push_back(run->forward_seconds);
    summary.num_layers = run->num_layers;
    summary.peak_bytes = std::max(summary.peak_bytes, run->peak_bytes);
    summary.peak_is_own = summary.peak_is_own && run->peak_is_own;
  }
  summary.local_loss = MomentsOf(losses);
  if (!runs.empty()) {
    summary.mean_above_nearest = Mean(above);
    summary.mean_rows_above_nearest = Mean(rows_above);
    summary.mean_solve_seconds = Mean(solve);
    summary.mean_forward_seconds = Mean(forward);
  }
  summary.row_with_other_grids = RowWithOtherGrids(report, index);
  SummarizeDraws(report, row, summary);
  return summary;
}

std::vector<Scatter> FindScatters(const ComparisonReport& report) {
  std::vector<Scatter> scatters;
  if (HeadlineMeasure(report) == nullptr) return scatters;
  for (size_t i = 0; i < report.rows.size(); ++i) {
    const ComparisonRow& row = report.rows[i];
    if (!HasDraws(row) || FinishedRuns(row).size() < 2) continue;
    Scatter scatter;
    scatter.row = i;
    for (size_t j = 0; j < report.rows.size(); ++j) {
      const ComparisonRow& other = report.rows[j];
      if (InOnePlace(row, other) && !other.is_stochastic && !FinishedRuns(other).empty()) {
        scatter.marked.push_back(j);
      }
    }
    scatters.push_back(std::move(scatter));
  }
  return scatters;
}

int64_t NumFailedRuns(const ComparisonReport& report) {
  int64_t count = 0;
  for (const ComparisonRow& row : report.rows) {
    count += std::count_if(row.runs.begin(), row.runs.end(),
                           [](const ComparisonRun& run) { return !run.failure.empty(); });
  }
  return count;
}

}  // namespace adaround
