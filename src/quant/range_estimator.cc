#include "quant/range_estimator.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "adaround/base/error.h"
#include "base/checked_math.h"
#include "base/parallel_for.h"
#include "quant/power_of_two.h"

namespace adaround {
namespace {

// The error as a function of the scale has many local minima, so the search is a scan: shrink
// factors 1.06, 1.06 * 0.97, ... down to about 0.02 of the range that clips nothing, then a finer
// scan between the best one's neighbours. Asymmetric grids scan both ends of the range in turn.
constexpr double kLargestFactor = 1.06;
constexpr double kFactorRatio = 0.97;
constexpr int kCoarseSteps = 130;
constexpr int kFineSteps = 16;
constexpr int kEndpointRounds = 2;
constexpr int kEndpointSteps = 40;

struct Interval {
  double low = 0.0;   // <= 0
  double high = 0.0;  // >= 0
};

struct ScaleAndZero {
  float scale = 1.0F;
  int32_t zero_point = 0;
};

Interval RangeOf(const float* weights, int64_t count) {
  Interval range;
  for (int64_t i = 0; i < count; ++i) {
    range.low = std::min(range.low, static_cast<double>(weights[i]));
    range.high = std::max(range.high, static_cast<double>(weights[i]));
  }
  return range;
}

// The grid that covers `range`; symmetric grids (zero point fixed at 0) cover its larger side.
ScaleAndZero Cover(const Interval& range, const QuantGrid& grid, bool power_of_two_scale) {
  if (range.low == 0.0 && range.high == 0.0) return {1.0F, std::clamp(0, grid.q_min, grid.q_max)};
  double scale = 0.0;
  int32_t zero_point = 0;
  if (grid.q_min < 0) {
    scale = std::max(range.high / grid.q_max, range.low / grid.q_min);
    if (power_of_two_scale) scale = NextPowerOfTwo(scale);
  } else {
    scale = (range.high - range.low) / (grid.q_max - grid.q_min);
    if (power_of_two_scale) scale = NextPowerOfTwo(scale);
    const double zero = grid.q_min - range.low / scale;
    zero_point = std::clamp(static_cast<int32_t>(std::lround(zero)), grid.q_min, grid.q_max);
  }
  const double largest = power_of_two_scale
                             ? kLargestPowerOfTwo
                             : static_cast<double>(std::numeric_limits<float>::max());
  scale = std::clamp(scale, static_cast<double>(std::numeric_limits<float>::min()), largest);
  return {static_cast<float>(scale), zero_point};
}

double SquaredError(const float* weights, int64_t count, const ScaleAndZero& at,
                    const QuantGrid& grid) {
  const float inverse = 1.0F / at.scale;
  const auto low = static_cast<float>(grid.q_min - at.zero_point);
  const auto high = static_cast<float>(grid.q_max - at.zero_point);
  // Partial sums over fixed stretches keep float fast and the total accurate.
  constexpr int64_t kStretch = 4096;
  double total = 0.0;
  for (int64_t begin = 0; begin < count; begin += kStretch) {
    const int64_t end = std::min(count, begin + kStretch);
    float lanes[16] = {};
    int64_t i = begin;
    for (; i + 16 <= end; i += 16) {
      for (int lane = 0; lane < 16; ++lane) {
        float q = std::nearbyint(weights[i + lane] * inverse);
        q = q < low ? low : q;
        q = q > high ? high : q;
        const float error = weights[i + lane] - at.scale * q;
        lanes[lane] += error * error;
      }
    }
    for (; i < end; ++i) {
      const float q = std::clamp(std::nearbyint(weights[i] * inverse), low, high);
      const float error = weights[i] - at.scale * q;
      lanes[0] += error * error;
    }
    for (const float lane : lanes) total += static_cast<double>(lane);
  }
  return total;
}

class MseSearch {
 public:
  MseSearch(const float* weights, int64_t count, const QuantGrid& grid, bool power_of_two_scale)
      : weights_(weights), count_(count), grid_(grid), power_of_two_scale_(power_of_two_scale) {}

  ScaleAndZero Run(const Interval& range) {
    Interval best = range;
    best_error_ = ErrorOf(range);
    double best_factor = 1.0;
    Scan(kLargestFactor, kFactorRatio, kCoarseSteps, [&](double factor) {
      if (Try({range.low * factor, range.high * factor}, best)) best_factor = factor;
    });
    Scan(best_factor / kFactorRatio, std::pow(kFactorRatio, 2.0 / kFineSteps), kFineSteps,
         [&](double factor) {
           Try({range.low * factor, range.high * factor}, best);
         });
    if (grid_.q_min == 0) {
      for (int round = 0; round < kEndpointRounds; ++round) {
        Scan(1.2, kFactorRatio, kEndpointSteps, [&, start = best](double factor) {
          Try({start.low * factor, best.high}, best);
        });
        Scan(1.2, kFactorRatio, kEndpointSteps, [&, start = best](double factor) {
          Try({best.low, start.high * factor}, best);
        });
      }
    }
    return Cover(best, grid_, power_of_two_scale_);
  }

 private:
  template <typename Visit>
  static void Scan(double first, double ratio, int steps, Visit visit) {
    double factor = first;
    for (int step = 0; step <= steps; ++step, factor *= ratio) visit(factor);
  }

  double ErrorOf(const Interval& range) const {
    return SquaredError(weights_, count_, Cover(range, grid_, power_of_two_scale_), grid_);
  }

  bool Try(const Interval& range, Interval& best) {
    const double error = ErrorOf(range);
    if (!(error < best_error_)) return false;
    best_error_ = error;
    best = range;
    return true;
  }

  const float* weights_;
  int64_t count_;
  const QuantGrid& grid_;
  bool power_of_two_scale_;
  double best_error_ = 0.0;
};

// One stretch of weights that share a scale: the tensor, a row, or a group of a row.
struct Unit {
  const float* weights;
  int64_t count;
  int64_t first_row;
  int64_t num_rows;
};

std::vector<Unit> UnitsOf(const WeightMatrix& weights, const QuantGrid& grid) {
  if (grid.granularity == Granularity::kPerTensor) {
    return {{weights.values, weights.rows * weights.row_length, 0, weights.rows}};
  }
  const int64_t length =
      grid.granularity == Granularity::kPerGroup ? grid.group_size : weights.row_length;
  std::vector<Unit> units;
  for (int64_t row = 0; row < weights.rows; ++row) {
    for (int64_t k = 0; k < weights.row_length; k += length) {
      units.push_back({weights.values + row * weights.row_length + k,
                       std::min(length, weights.row_length - k), row, 1});
    }
  }
  return units;
}

void Store(size_t unit, const ScaleAndZero& value, QuantGrid& grid) {
  grid.scale[unit] = value.scale;
  grid.zero_point[unit] = value.zero_point;
}

// Every unit of a row (every row, per tensor) shrinks by the same factor; the factor is scanned for
// all rows at once, each keeping its own best.
void SearchByOutput(const WeightMatrix& weights, const std::vector<Unit>& units,
                    const RowErrorFunction& output_error, bool power_of_two_scales,
                    QuantGrid& grid) {
  const bool per_tensor = grid.granularity == Granularity::kPerTensor;
  const auto num_choices = static_cast<size_t>(per_tensor ? 1 : weights.rows);
  std::vector<double> best_factor(num_choices, 1.0);
  std::vector<double> best_error(num_choices, std::numeric_limits<double>::infinity());
  std::vector<double> factor(num_choices, 1.0);
  std::vector<double> row_errors(static_cast<size_t>(weights.rows));
  std::vector<Interval> ranges;
  ranges.reserve(units.size());
  for (const Unit& unit : units) ranges.push_back(RangeOf(unit.weights, unit.count));

  const auto apply = [&] {
    for (size_t u = 0; u < units.size(); ++u) {
      const double f = factor[per_tensor ? 0 : static_cast<size_t>(units[u].first_row)];
      Store(u, Cover({ranges[u].low * f, ranges[u].high * f}, grid, power_of_two_scales), grid);
    }
  };
  const auto evaluate = [&] {
    apply();
    output_error(
        DequantizeMatrix(RoundToNearest(weights, grid), weights.rows, weights.row_length, grid),
        row_errors);
    std::vector<double> errors(num_choices, 0.0);
    for (size_t row = 0; row < row_errors.size(); ++row)
      errors[per_tensor ? 0 : row] += row_errors[row];
    for (size_t i = 0; i < num_choices; ++i) {
      if (errors[i] < best_error[i]) {
        best_error[i] = errors[i];
        best_factor[i] = factor[i];
      }
    }
  };
  evaluate();  // the range that clips nothing
  constexpr double kRatio = 0.92;
  constexpr int kSteps = 32;
  constexpr int kRefineSteps = 8;
  for (int step = 0; step < kSteps; ++step) {
    std::fill(factor.begin(), factor.end(), kLargestFactor * std::pow(kRatio, step));
    evaluate();
  }
  const std::vector<double> centre = best_factor;
  for (int step = 0; step <= kRefineSteps; ++step) {
    const double shift = std::pow(kRatio, -1.0 + 2.0 * step / kRefineSteps);
    for (size_t i = 0; i < num_choices; ++i) factor[i] = centre[i] * shift;
    evaluate();
  }
  factor = best_factor;
  apply();
}

struct EstimatorName {
  RangeEstimator estimator;
  std::string_view name;
};

constexpr EstimatorName kEstimatorNames[] = {
    {RangeEstimator::kMinMax, "min-max"},
    {RangeEstimator::kMse, "mse"},
    {RangeEstimator::kOutputMse, "output-mse"},
};

}  // namespace

void EstimateRange(const RangeOptions& options, const WeightMatrix& weights,
                   const RowErrorFunction& output_error, int num_threads, QuantGrid& grid) {
  const std::vector<Unit> units = UnitsOf(weights, grid);
  grid.scale.assign(units.size(), 1.0F);
  grid.zero_point.assign(units.size(), 0);
  const bool power_of_two = options.power_of_two_scales;
  if (options.estimator == RangeEstimator::kOutputMse) {
    SearchByOutput(weights, units, output_error, power_of_two, grid);
    return;
  }
  constexpr int64_t kUnitsPerTask = 16;
  const auto num_units = static_cast<int64_t>(units.size());
  ParallelFor(CeilDivide(num_units, kUnitsPerTask), num_threads, [&](int64_t task) {
    const int64_t end = std::min(num_units, (task + 1) * kUnitsPerTask);
    for (int64_t u = task * kUnitsPerTask; u < end; ++u) {
      const Unit& unit = units[static_cast<size_t>(u)];
      const Interval range = RangeOf(unit.weights, unit.count);
      const bool flat = range.low == 0.0 && range.high == 0.0;
      Store(static_cast<size_t>(u),
            options.estimator == RangeEstimator::kMinMax || flat
                ? Cover(range, grid, power_of_two)
                : MseSearch(unit.weights, unit.count, grid, power_of_two).Run(range),
            grid);
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

std::vector<float> DequantizeMatrix(const std::vector<int16_t>& integers, int64_t rows,
                                    int64_t row_length, const QuantGrid& grid) {
  std::vector<float> values(integers.size());
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t k = 0; k < row_length; ++k) {
      const auto s = static_cast<size_t>(grid.ScaleIndex(row, k, row_length));
      const auto at = static_cast<size_t>(row * row_length + k);
      values[at] = grid.scale[s] * static_cast<float>(integers[at] - grid.zero_point[s]);
    }
  }
  return values;
}

std::string_view RangeEstimatorName(RangeEstimator estimator) {
  for (const EstimatorName& row : kEstimatorNames) {
    if (row.estimator == estimator) return row.name;
  }
  ADAROUND_CHECK(false);
}

std::vector<std::string> RangeEstimatorNames() {
  std::vector<std::string> names;
  for (const EstimatorName& row : kEstimatorNames) names.emplace_back(row.name);
  return names;
}

RangeEstimator ParseRangeEstimator(const std::string& name) {
  std::string known;
  for (const EstimatorName& row : kEstimatorNames) {
    if (row.name == name) return row.estimator;
    known += (known.empty() ? "" : ", ") + std::string(row.name);
  }
  throw Error(ErrorCode::kInvalidArgument,
              "there is no range estimator '" + Printable(name) + "'; known are " + known);
}

}  // namespace adaround
