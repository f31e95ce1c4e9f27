#include "report/loss_scale.h"

#include <algorithm>
#include <cmath>

#include "adaround/base/error.h"

namespace adaround {

LossScale::LossScale(const ComparisonReport& report, std::optional<size_t> nearest_row) {
  if (!nearest_row) return;
  const ComparisonRow& row = report.rows.at(*nearest_row);
  const bool usable =
      !row.runs.empty() && std::all_of(row.runs.begin(), row.runs.end(), [](const auto& run) {
        return run.failure.empty() && run.local_loss > 0.0 && std::isfinite(run.local_loss);
      });
  if (usable) nearest_ = &row;
}

double LossScale::Of(const ComparisonRun& run) const {
  if (nearest_ == nullptr) return run.local_loss;
  const auto same_seed =
      std::find_if(nearest_->runs.begin(), nearest_->runs.end(),
                   [&](const ComparisonRun& nearest) { return nearest.repeat == run.repeat; });
  ADAROUND_CHECK(same_seed != nearest_->runs.end());
  return run.local_loss / same_seed->local_loss;
}

}  // namespace adaround
