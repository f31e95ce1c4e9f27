#include "rounding/discrete_search.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "adaround/base/error.h"

namespace adaround {
namespace {

constexpr int kLanes = 16;

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

void AddScaled(float* z, const float* x, float change, int64_t count) {
  for (int64_t i = 0; i < count; ++i) z[i] += change * x[i];
}

}  // namespace

int64_t DescendOnColumns(const RoundingProblem& problem, const Matrix& features,
                         int64_t max_sweeps, RowBlock& block) {
  const int64_t num_samples = features.cols();
  const int64_t rows = block.num_rows();
  ColumnLoss loss(num_samples);
  std::vector<Activation> activations;
  for (int64_t r = 0; r < rows; ++r) {
    activations.push_back(problem.activation.Of(block.first_row + r));
  }
  Matrix z = PreActivations(problem, block);
  std::vector<double> current(static_cast<size_t>(rows));
  const float* no_change = features.data();
  for (int64_t r = 0; r < rows; ++r) {
    current[static_cast<size_t>(r)] =
        loss(activations[static_cast<size_t>(r)], z.row(r).data(), no_change, 0.0F,
             block.target.row(r).data());
  }
  int64_t num_flips = 0;
  // A row rests once a whole sweep has left it alone.
  std::vector<uint8_t> active(static_cast<size_t>(rows), 1);
  for (int64_t sweep = 0; sweep < max_sweeps; ++sweep) {
    std::vector<uint8_t> flipped(static_cast<size_t>(rows), 0);
    // Weights outside, rows inside: each feature is read once for all rows of the block.
    for (int64_t k = 0; k < block.row_length(); ++k) {
      const float* x = features.row(k).data();
      for (int64_t r = 0; r < rows; ++r) {
        const float step = block.step(r, k);
        const auto at = static_cast<size_t>(r);
        if (active[at] == 0 || step == 0.0F) continue;
        uint8_t& up = block.UpAt(r, k);
        const float change = up != 0 ? -step : step;
        // |fraction - up| steps off before the flip, 1 - that after it.
        const float off = up != 0 ? 1.0F - block.fraction(r, k) : block.fraction(r, k);
        const double ridge = static_cast<double>(block.ridge[static_cast<size_t>(k)]) *
                             static_cast<double>(step * step * (1.0F - 2.0F * off)) *
                             static_cast<double>(num_samples);
        const double changed =
            loss(activations[at], z.row(r).data(), x, change, block.target.row(r).data()) + ridge;
        if (changed < current[at] * (1.0 - kMinRelativeGain)) {
          AddScaled(z.row(r).data(), x, change, num_samples);
          up = up != 0 ? 0 : 1;
          current[at] = changed - ridge;
          flipped[at] = 1;
          ++num_flips;
        }
      }
    }
    active = flipped;
    if (std::none_of(active.begin(), active.end(), [](uint8_t a) { return a != 0; })) break;
  }
  return num_flips;
}

int64_t DescendOnGram(const Matrix& gram, const Matrix& gram_target, int64_t max_sweeps,
                      RowBlock& block) {
  const int64_t length = block.row_length();
  // The row's loss changes by change * gradient_k + change^2 / 2 * gram_kk.
  Matrix gradient = block.HardWeights() * gram;
  gradient -= gram_target;
  int64_t num_flips = 0;
  for (int64_t r = 0; r < block.num_rows(); ++r) {
    float* g = gradient.row(r).data();
    for (int64_t sweep = 0; sweep < max_sweeps; ++sweep) {
      bool flipped = false;
      for (int64_t k = 0; k < length; ++k) {
        const float step = block.step(r, k);
        if (step == 0.0F) continue;
        uint8_t& up = block.UpAt(r, k);
        const float change = up != 0 ? -step : step;
        const float curvature = 0.5F * change * change * gram(k, k);
        // Against cycling on rounding noise: the gain must be visible beside its two terms.
        if (change * g[k] + curvature < -1e-5F * curvature) {
          AddScaled(g, gram.row(k).data(), change, length);
          up = up != 0 ? 0 : 1;
          flipped = true;
          ++num_flips;
        }
      }
      if (!flipped) break;
    }
  }
  return num_flips;
}

void EnumerateRow(const RoundingProblem& problem, const Matrix& features, int64_t row,
                  RowBlock& block) {
  const int64_t length = block.row_length();
  ADAROUND_CHECK(length <= 16);
  std::vector<int64_t> free;
  for (int64_t k = 0; k < length; ++k) {
    if (block.step(row, k) != 0.0F) free.push_back(k);
  }
  const int64_t num_samples = features.cols();
  ColumnLoss loss(num_samples);
  const Activation activation = problem.activation.Of(block.first_row + row);
  std::vector<float> z(static_cast<size_t>(num_samples),
                       problem.bias[static_cast<size_t>(block.first_row + row)]);
  // Starting at nearest, so that it wins ties.
  for (int64_t k = 0; k < length; ++k) {
    const float weight = block.base(row, k) + (block.UpAt(row, k) != 0 ? block.step(row, k) : 0.0F);
    AddScaled(z.data(), features.row(k).data(), weight, num_samples);
  }
  const float* target = block.target.row(row).data();
  std::vector<uint8_t> up(static_cast<size_t>(length));
  for (int64_t k = 0; k < length; ++k) up[static_cast<size_t>(k)] = block.UpAt(row, k);
  std::vector<uint8_t> best = up;
  double best_loss = loss(activation, z.data(), features.data(), 0.0F, target);
  for (uint32_t code = 1; code < (1U << free.size()); ++code) {
    const int64_t k = free[static_cast<size_t>(std::countr_zero(code))];
    uint8_t& decision = up[static_cast<size_t>(k)];
    const float change = decision != 0 ? -block.step(row, k) : block.step(row, k);
    decision = decision != 0 ? 0 : 1;
    AddScaled(z.data(), features.row(k).data(), change, num_samples);
    const double candidate = loss(activation, z.data(), features.data(), 0.0F, target);
    if (candidate < best_loss * (1.0 - kMinRelativeGain)) {
      best_loss = candidate;
      best = up;
    }
  }
  for (int64_t k = 0; k < length; ++k) block.UpAt(row, k) = best[static_cast<size_t>(k)];
}

}  // namespace adaround
