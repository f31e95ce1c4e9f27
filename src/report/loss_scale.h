// The local loss of runs with different seeds, made comparable.
#pragma once

#include <optional>

#include "adaround/report/comparison_report.h"

namespace adaround {

// A seed chooses the columns that a loss is measured on: over the loss of nearest rounding with the
// same seed it can be set beside those of other seeds.
class LossScale {
 public:
  // Losses are taken as they are where there is no `nearest_row`, or where one of its runs failed
  // or has no loss to divide by. `report` must outlive the object.
  LossScale(const ComparisonReport& report, std::optional<size_t> nearest_row);

  bool is_relative() const { return nearest_ != nullptr; }
  // REQUIRES: the run did not fail, and its repeat is one of nearest's.
  double Of(const ComparisonRun& run) const;

 private:
  const ComparisonRow* nearest_ = nullptr;
};

}  // namespace adaround
