// The loss of one row over all sampled columns.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tensor/activation.h"

namespace adaround {

// Sum over samples of (f(z + change * x) - target)^2. Lane sums are folded into a double every
// kFold samples: fast as float32, accurate enough to compare losses that differ by a flip.
class ColumnLoss {
 public:
  explicit ColumnLoss(int64_t num_samples)
      : count_(num_samples), values_(static_cast<size_t>(num_samples)) {}

  double operator()(const Activation& activation, const float* z, const float* x, float change,
                    const float* target) {
    if (activation.kind == Activation::Kind::kPiecewiseLinear) {
      return PiecewiseLinear(activation, z, x, change, target);
    }
    for (int64_t i = 0; i < count_; ++i) values_[static_cast<size_t>(i)] = z[i] + change * x[i];
    activation.Apply(values_.data(), values_.data(), count_);
    return Sum([&](int64_t i) { return values_[static_cast<size_t>(i)] - target[i]; });
  }

 private:
  static constexpr int64_t kFold = 1024;
  static constexpr int kLanes = 16;

  template <typename Difference>
  double Sum(Difference difference) const {
    double total = 0.0;
    for (int64_t begin = 0; begin < count_; begin += kFold) {
      const int64_t end = std::min(count_, begin + kFold);
      float lanes[kLanes] = {};
      int64_t i = begin;
      for (; i + kLanes <= end; i += kLanes) {
        for (int lane = 0; lane < kLanes; ++lane) {
          const float d = difference(i + lane);
          lanes[lane] += d * d;
        }
      }
      for (; i < end; ++i) {
        const float d = difference(i);
        lanes[0] += d * d;
      }
      float sum = 0.0F;
      for (const float lane : lanes) sum += lane;
      total += static_cast<double>(sum);
    }
    return total;
  }

  double PiecewiseLinear(const Activation& activation, const float* z, const float* x, float change,
                         const float* target) const {
    const float slope = activation.negative_slope;
    const float lower = activation.lower;
    const float upper = activation.upper;
    return Sum([=](int64_t i) {
      float value = z[i] + change * x[i];
      value = value > 0.0F ? value : value * slope;
      value = value < lower ? lower : value;
      value = value > upper ? upper : value;
      return value - target[i];
    });
  }

  int64_t count_;
  std::vector<float> values_;
};

}  // namespace adaround
