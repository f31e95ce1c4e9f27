#include "rounding/discrete_search.h"

#include <algorithm>
#include <bit>
#include <numeric>
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

// Rows of a block with their pre-activations, loss and decisions, while they descend.
class ColumnDescent {
 public:
  ColumnDescent(const RoundingProblem& problem, const Matrix& features, RowBlock& block)
      : features_(features),
        block_(block),
        loss_(features.cols()),
        z_(PreActivations(problem, block)) {
    for (int64_t r = 0; r < block.num_rows(); ++r) {
      activations_.push_back(problem.activation.Of(block.first_row + r));
      current_.push_back(LossWith(r, features.data(), 0.0F));
    }
  }

  // Flips what lowers the loss, the most promising first.  Returns the rows where something did;
  // only rows in `active` are looked at.
  std::vector<int64_t> Sweep(const std::vector<int64_t>& active, int64_t& num_flips) {
    Differentiate(active);
    std::vector<int64_t> flipped;
    for (size_t a = 0; a < active.size(); ++a) {
      const int64_t flips = SweepRow(active[a], static_cast<int64_t>(a));
      if (flips > 0) flipped.push_back(active[a]);
      num_flips += flips;
    }
    return flipped;
  }

 private:
  // A flip is tried where gradient and this part of the curvature promise a gain: the loss is
  // quadratic only as long as no sample crosses a bend of the activation.
  static constexpr float kCurvatureTrusted = 0.8F;
  // Features that are squared at a time.
  static constexpr int64_t kFeaturesSquared = 32;

  struct Flip {
    float predicted;  // change of the loss
    int64_t k;
  };

  double LossWith(int64_t r, const float* x, float change) {
    return loss_(activations_[static_cast<size_t>(r)], z_.row(r).data(), x, change,
                 block_.target.row(r).data());
  }
  float ChangeOf(int64_t r, int64_t k) const {
    const bool up = block_.up[static_cast<size_t>(r * block_.row_length() + k)] != 0;
    return up ? -block_.step(r, k) : block_.step(r, k);
  }
  // What the ridge adds to the loss when the weight flips.
  double RidgeChange(int64_t r, int64_t k) const {
    const bool up = block_.up[static_cast<size_t>(r * block_.row_length() + k)] != 0;
    // |fraction - up| steps off before the flip, 1 - that after it.
    const float off = up ? 1.0F - block_.fraction(r, k) : block_.fraction(r, k);
    const float step = block_.step(r, k);
    return static_cast<double>(block_.ridge[static_cast<size_t>(k)]) *
           static_cast<double>(step * step * (1.0F - 2.0F * off)) *
           static_cast<double>(features_.cols());
  }

  // First derivatives of the active rows' losses by each weight, and second ones without those of f.
  void Differentiate(const std::vector<int64_t>& active) {
    const int64_t num_samples = features_.cols();
    const auto rows = static_cast<int64_t>(active.size());
    Matrix slope(rows, num_samples);
    Matrix bend(rows, num_samples);
    for (int64_t a = 0; a < rows; ++a) {
      const int64_t r = active[static_cast<size_t>(a)];
      const Activation& activation = activations_[static_cast<size_t>(r)];
      float* derivative = bend.row(a).data();
      float* value = slope.row(a).data();
      const float* target = block_.target.row(r).data();
      activation.Derivative(z_.row(r).data(), derivative, num_samples);
      activation.Apply(z_.row(r).data(), value, num_samples);
      for (int64_t i = 0; i < num_samples; ++i) {
        value[i] = 2.0F * (value[i] - target[i]) * derivative[i];
        derivative[i] = 2.0F * derivative[i] * derivative[i];
      }
    }
    gradient_.resize(rows, features_.rows());
    gradient_.noalias() = slope * features_.transpose();
    curvature_.resize(rows, features_.rows());
    Matrix squares;
    for (int64_t k = 0; k < features_.rows(); k += kFeaturesSquared) {
      const int64_t count = std::min(kFeaturesSquared, features_.rows() - k);
      squares = features_.middleRows(k, count).cwiseAbs2();
      curvature_.middleCols(k, count).noalias() = bend * squares.transpose();
    }
  }

  int64_t SweepRow(int64_t r, int64_t a) {
    promising_.clear();
    for (int64_t k = 0; k < block_.row_length(); ++k) {
      const float change = ChangeOf(r, k);
      if (change == 0.0F) continue;
      const float first = change * gradient_(a, k) + static_cast<float>(RidgeChange(r, k));
      const float second = 0.5F * change * change * curvature_(a, k);
      if (first + kCurvatureTrusted * second < 0.0F) promising_.push_back({first + second, k});
    }
    std::sort(promising_.begin(), promising_.end(), [](const Flip& left, const Flip& right) {
      return left.predicted < right.predicted ||
             (left.predicted == right.predicted && left.k < right.k);
    });
    int64_t num_flips = 0;
    double& current = current_[static_cast<size_t>(r)];
    for (const Flip& flip : promising_) {
      const float* x = features_.row(flip.k).data();
      const float change = ChangeOf(r, flip.k);
      const double ridge = RidgeChange(r, flip.k);
      const double changed = LossWith(r, x, change) + ridge;
      if (changed >= current * (1.0 - kMinRelativeGain)) continue;
      AddScaled(z_.row(r).data(), x, change, features_.cols());
      uint8_t& up = block_.UpAt(r, flip.k);
      up = up != 0 ? 0 : 1;
      current = changed - ridge;
      ++num_flips;
    }
    return num_flips;
  }

  const Matrix& features_;
  RowBlock& block_;
  ColumnLoss loss_;
  Matrix z_;  // [R, N]
  std::vector<Activation> activations_;
  std::vector<double> current_;  // per row, without ridge
  Matrix gradient_;              // [active rows, K]
  Matrix curvature_;
  std::vector<Flip> promising_;
};

}  // namespace

int64_t DescendOnColumns(const RoundingProblem& problem, const Matrix& features,
                         int64_t max_sweeps, RowBlock& block) {
  ColumnDescent descent(problem, features, block);
  std::vector<int64_t> active(static_cast<size_t>(block.num_rows()));
  std::iota(active.begin(), active.end(), int64_t{0});
  int64_t num_flips = 0;
  // A row rests once a whole sweep has left it alone.
  for (int64_t sweep = 0; sweep < max_sweeps && !active.empty(); ++sweep) {
    active = descent.Sweep(active, num_flips);
  }
  return num_flips;
}

std::vector<double> RowObjectives(const RoundingProblem& problem, const RowBlock& block) {
  const Matrix z = PreActivations(problem, block);
  const Matrix weights = block.HardWeights();
  ColumnLoss loss(z.cols());
  std::vector<double> objectives;
  for (int64_t r = 0; r < block.num_rows(); ++r) {
    double ridge = 0.0;
    for (int64_t k = 0; k < block.row_length(); ++k) {
      const double off = static_cast<double>(weights(r, k) - block.base(r, k) -
                                             block.step(r, k) * block.fraction(r, k));
      ridge += static_cast<double>(block.ridge[static_cast<size_t>(k)]) * off * off;
    }
    objectives.push_back(loss(problem.activation.Of(block.first_row + r), z.row(r).data(),
                              z.row(r).data(), 0.0F, block.target.row(r).data()) +
                         ridge * static_cast<double>(z.cols()));
  }
  return objectives;
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
