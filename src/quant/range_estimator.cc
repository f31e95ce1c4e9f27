#include "quant/range_estimator.h"

#include <algorithm>
#include <cmath>

#include "adaround/base/error.h"
#include "base/checked_math.h"
#include "base/enum_names.h"
#include "base/parallel_for.h"
#include "quant/analytical_clipping.h"
#include "quant/mse_range.h"
#include "quant/percentile_range.h"
#include "quant/weight_range.h"

namespace adaround {
namespace {

ScaleAndZero RangeOfUnit(const RangeOptions& options, const ScaledWeights& weights,
                         const QuantGrid& grid) {
  const bool power_of_two = options.power_of_two_scales;
  const Interval range = RangeOf(weights.weights, weights.count);
  const bool flat = range.low == 0.0 && range.high == 0.0;
  if (flat) return Cover(range, grid, power_of_two);
  switch (options.estimator) {
    case RangeEstimator::kMinMax: return Cover(range, grid, power_of_two);
    case RangeEstimator::kMse: return MseRange(weights, grid, power_of_two);
    case RangeEstimator::kPercentile:
      return Cover(PercentileInterval(weights, grid, options.percentile), grid, power_of_two);
    case RangeEstimator::kAciq:
      return Cover(AnalyticalInterval(weights, grid), grid, power_of_two);
    case RangeEstimator::kOutputMse: break;  // judges rows, not what shares a scale
  }
  ADAROUND_CHECK(false);
}

constexpr EnumName<RangeEstimator> kEstimatorNames[] = {
    {RangeEstimator::kMinMax, "min-max"},       {RangeEstimator::kMse, "mse"},
    {RangeEstimator::kOutputMse, "output-mse"}, {RangeEstimator::kPercentile, "percentile"},
    {RangeEstimator::kAciq, "aciq"},
};

}  // namespace

void EstimateRange(const RangeOptions& options, const WeightMatrix& weights,
                   const RowErrorFunction& output_error, int num_threads, QuantGrid& grid) {
  if (options.estimator == RangeEstimator::kOutputMse) {
    FindOutputMseRanges(weights, output_error, options.power_of_two_scales, grid);
    return;
  }
  const std::vector<ScaledWeights> units = SplitByScale(weights, grid);
  grid.scale.assign(units.size(), 1.0F);
  grid.zero_point.assign(units.size(), 0);
  constexpr int64_t kUnitsPerTask = 16;
  const auto num_units = static_cast<int64_t>(units.size());
  ParallelFor(CeilDivide(num_units, kUnitsPerTask), num_threads, [&](int64_t task) {
    const int64_t end = std::min(num_units, (task + 1) * kUnitsPerTask);
    for (int64_t u = task * kUnitsPerTask; u < end; ++u) {
      const auto at = static_cast<size_t>(u);
      const ScaleAndZero found = RangeOfUnit(options, units[at], grid);
      grid.scale[at] = found.scale;
      grid.zero_point[at] = found.zero_point;
    }
  });
}

std::vector<int16_t> RoundToNearest(const WeightMatrix& weights, const QuantGrid& grid) {
  std::vector<int16_t> integers(static_cast<size_t>(weights.rows * weights.row_length));
  for (int64_t row = 0; row < weights.rows; ++row) {
    for (int64_t k = 0; k < weights.row_length; ++k) {
      const auto s = static_cast<size_t>(grid.ScaleIndex(row, k, weights.row_length));
      const auto at = static_cast<size_t>(row * weights.row_length + k);
      const double q =
          std::round(static_cast<double>(weights.values[at]) / grid.scale[s]) + grid.zero_point[s];
      integers[at] = static_cast<int16_t>(
          std::clamp(q, static_cast<double>(grid.q_min), static_cast<double>(grid.q_max)));
    }
  }
  return integers;
}

std::vector<float> DequantizeRows(const std::vector<int16_t>& integers, int64_t first_row,
                                  int64_t rows, int64_t row_length, const QuantGrid& grid) {
  std::vector<float> values;
  values.reserve(static_cast<size_t>(rows * row_length));
  for (int64_t row = first_row; row < first_row + rows; ++row) {
    for (int64_t k = 0; k < row_length; ++k) {
      const auto s = static_cast<size_t>(grid.ScaleIndex(row, k, row_length));
      const int integer = integers[static_cast<size_t>(row * row_length + k)];
      values.push_back(grid.scale[s] * static_cast<float>(integer - grid.zero_point[s]));
    }
  }
  return values;
}

std::vector<float> DequantizeMatrix(const std::vector<int16_t>& integers, int64_t rows,
                                    int64_t row_length, const QuantGrid& grid) {
  return DequantizeRows(integers, 0, rows, row_length, grid);
}

std::string_view RangeEstimatorName(RangeEstimator estimator) {
  return NameIn(kEstimatorNames, estimator);
}

std::vector<std::string> RangeEstimatorNames() { return NamesIn(kEstimatorNames); }

RangeEstimator ParseRangeEstimator(const std::string& name) {
  return ParseIn(kEstimatorNames, "range estimator", name);
}

}  // namespace adaround
