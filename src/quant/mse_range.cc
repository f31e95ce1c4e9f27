#include "quant/mse_range.h"

#include <algorithm>
#include <cmath>
#include <limits>

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

}  // namespace

ScaleAndZero MseRange(const ScaledWeights& weights, const QuantGrid& grid,
                      bool power_of_two_scale) {
  return MseSearch(weights.weights, weights.count, grid, power_of_two_scale)
      .Run(RangeOf(weights.weights, weights.count));
}

void FindOutputMseRanges(const WeightMatrix& weights, const RowErrorFunction& output_error,
                         bool power_of_two_scales, QuantGrid& grid) {
  const std::vector<ScaledWeights> units = SplitByScale(weights, grid);
  grid.scale.resize(units.size());
  grid.zero_point.resize(units.size());
  const bool per_tensor = grid.granularity == Granularity::kPerTensor;
  const auto num_choices = static_cast<size_t>(per_tensor ? 1 : weights.rows);
  std::vector<double> best_factor(num_choices, 1.0);
  std::vector<double> best_error(num_choices, std::numeric_limits<double>::infinity());
  std::vector<double> factor(num_choices, 1.0);
  std::vector<double> row_errors(static_cast<size_t>(weights.rows));
  std::vector<Interval> ranges;
  ranges.reserve(units.size());
  for (const ScaledWeights& unit : units) ranges.push_back(RangeOf(unit.weights, unit.count));

  const auto apply = [&] {
    for (size_t u = 0; u < units.size(); ++u) {
      const double f = factor[per_tensor ? 0 : static_cast<size_t>(units[u].first_row)];
      const ScaleAndZero found =
          Cover({ranges[u].low * f, ranges[u].high * f}, grid, power_of_two_scales);
      grid.scale[u] = found.scale;
      grid.zero_point[u] = found.zero_point;
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

}  // namespace adaround
