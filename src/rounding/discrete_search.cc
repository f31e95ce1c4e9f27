#include "rounding/discrete_search.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <vector>

#include "adaround/base/error.h"
#include "rounding/column_loss.h"

namespace adaround {
namespace {

void AddScaled(float* z, const float* x, float change, int64_t count) {
  for (int64_t i = 0; i < count; ++i) z[i] += change * x[i];
}

// Rows of a block with their pre-activations, loss and decisions, while they descend.
class ColumnDescent {
 public:
  ColumnDescent(const RoundingProblem& problem, const Matrix& features, const Matrix& gram,
                RowBlock& block)
      : features_(features),
        gram_(gram),
        block_(block),
        loss_(features.cols()),
        z_(PreActivations(problem, block)) {
    for (int64_t r = 0; r < block.num_rows(); ++r) {
      activations_.push_back(problem.activation.Of(block.first_row + r));
      current_.push_back(LossWith(r, features.data(), 0.0F));
    }
    Curve();
    rejected_.resize(block.up.size());
  }

  // Flips what lowers the loss.  Returns the rows where something did; only rows in `active` are
  // looked at.
  std::vector<int64_t> Sweep(const std::vector<int64_t>& active, int64_t& num_flips) {
    Differentiate(active);
    std::vector<int64_t> flipped;
    std::vector<int64_t> resting;
    for (size_t a = 0; a < active.size(); ++a) {
      const int64_t flips = SweepRow(active[a], gradient_.row(static_cast<int64_t>(a)).data());
      (flips > 0 ? flipped : resting).push_back(active[a]);
      num_flips += flips;
    }
    for (const int64_t r : TryEverything(resting, num_flips)) flipped.push_back(r);
    return flipped;
  }

 private:
  // A flip is tried where gradient and this part of the curvature promise a gain: the loss is
  // quadratic only as long as no sample crosses a bend of the activation.
  static constexpr float kCurvatureTrusted = 0.8F;
  // Features that are squared at a time.
  static constexpr int64_t kFeaturesSquared = 32;
  // Passes over a row before its gradient is taken from the samples anew.
  static constexpr int kPassesPerSweep = 4;

  struct Flip {
    float predicted;  // change of the loss
    int64_t k;
  };

  double LossWith(int64_t r, const float* x, float change) {
    return loss_(activations_[static_cast<size_t>(r)], z_.row(r).data(), x, change,
                 block_.target.row(r).data());
  }
  bool IsUp(int64_t r, int64_t k) const {
    return block_.up[static_cast<size_t>(r * block_.row_length() + k)] != 0;
  }
  float ChangeOf(int64_t r, int64_t k) const {
    return IsUp(r, k) ? -block_.step(r, k) : block_.step(r, k);
  }
  // What the ridge adds to the loss when the weight flips.
  double RidgeChange(int64_t r, int64_t k) const {
    // |fraction - up| steps off before the flip, 1 - that after it.
    const float off = IsUp(r, k) ? 1.0F - block_.fraction(r, k) : block_.fraction(r, k);
    const float step = block_.step(r, k);
    return static_cast<double>(block_.ridge[static_cast<size_t>(k)]) *
           static_cast<double>(step * step * (1.0F - 2.0F * off)) *
           static_cast<double>(features_.cols());
  }

  // Second derivatives of the rows' losses by each weight, without those of f. They change little
  // while a row descends.
  void Curve() {
    Matrix bend(z_.rows(), z_.cols());
    for (int64_t r = 0; r < z_.rows(); ++r) {
      float* value = bend.row(r).data();
      activations_[static_cast<size_t>(r)].Derivative(z_.row(r).data(), value, z_.cols());
      for (int64_t i = 0; i < z_.cols(); ++i) value[i] *= 2.0F * value[i];
    }
    curvature_.resize(z_.rows(), features_.rows());
    Matrix squares;
    for (int64_t k = 0; k < features_.rows(); k += kFeaturesSquared) {
      const int64_t count = std::min(kFeaturesSquared, features_.rows() - k);
      squares = features_.middleRows(k, count).cwiseAbs2();
      curvature_.middleCols(k, count).noalias() = bend * squares.transpose();
    }
  }

  // First derivatives of the active rows' losses by each weight.
  void Differentiate(const std::vector<int64_t>& active) {
    const int64_t num_samples = features_.cols();
    Matrix slope(static_cast<int64_t>(active.size()), num_samples);
    std::vector<float> derivative(static_cast<size_t>(num_samples));
    for (size_t a = 0; a < active.size(); ++a) {
      const int64_t r = active[a];
      const Activation& activation = activations_[static_cast<size_t>(r)];
      float* value = slope.row(static_cast<int64_t>(a)).data();
      const float* target = block_.target.row(r).data();
      activation.Derivative(z_.row(r).data(), derivative.data(), num_samples);
      activation.Apply(z_.row(r).data(), value, num_samples);
      for (int64_t i = 0; i < num_samples; ++i) {
        value[i] = 2.0F * (value[i] - target[i]) * derivative[static_cast<size_t>(i)];
      }
    }
    gradient_.resize(slope.rows(), features_.rows());
    gradient_.noalias() = slope * features_.transpose();
  }

  // The part of the Gram matrix that row r's active samples make up, as one factor per weight.
  void ScaleGram(int64_t r) {
    gram_factor_.assign(static_cast<size_t>(block_.row_length()), 0.0F);
    for (int64_t k = 0; k < gram_.rows(); ++k) {
      if (gram_(k, k) > 0.0F) {
        gram_factor_[static_cast<size_t>(k)] = std::sqrt(curvature_(r, k) / gram_(k, k));
      }
    }
  }

  bool IsPromising(int64_t r, int64_t k, const float* gradient, float& predicted) const {
    const float change = ChangeOf(r, k);
    const float first = change * gradient[k] + static_cast<float>(RidgeChange(r, k));
    const float second = 0.5F * change * change * curvature_(r, k);
    predicted = first + second;
    return change != 0.0F && first + kCurvatureTrusted * second < 0.0F;
  }

  // `gradient` [K] is kept up with flips as far as the Gram matrix tells.
  int64_t SweepRow(int64_t r, float* gradient) {
    if (gram_.size() > 0) ScaleGram(r);
    std::fill_n(rejected_.begin() + r * block_.row_length(), block_.row_length(), uint8_t{0});
    int64_t num_flips = 0;
    for (int pass = 0; pass < kPassesPerSweep; ++pass) {
      Rank(r, gradient);
      int64_t flips = 0;
      for (const Flip& flip : promising_) {
        float predicted = 0.0F;
        if (!IsPromising(r, flip.k, gradient, predicted)) continue;
        const float change = ChangeOf(r, flip.k);
        if (!Try(r, flip.k)) continue;
        if (gram_.size() > 0) FollowFlip(flip.k, change, gradient);
        ++flips;
      }
      num_flips += flips;
      if (flips == 0 || gram_.size() == 0) break;
    }
    return num_flips;
  }

  void Rank(int64_t r, const float* gradient) {
    promising_.clear();
    for (int64_t k = 0; k < block_.row_length(); ++k) {
      float predicted = 0.0F;
      if (RejectedAt(r, k) == 0 && IsPromising(r, k, gradient, predicted)) {
        promising_.push_back({predicted, k});
      }
    }
    std::sort(promising_.begin(), promising_.end(), [](const Flip& left, const Flip& right) {
      return left.predicted < right.predicted ||
             (left.predicted == right.predicted && left.k < right.k);
    });
  }

  // Derivatives are blind to samples that a bend of the activation hides, so a row does not rest
  // before all of its flips have been tried on the loss itself.  Returns the rows that go on.
  std::vector<int64_t> TryEverything(const std::vector<int64_t>& rows, int64_t& num_flips) {
    std::vector<uint8_t> goes_on(rows.size(), 0);
    // Weights outside, rows inside: each feature is read once for all rows.
    for (int64_t k = 0; k < block_.row_length() && !rows.empty(); ++k) {
      for (size_t i = 0; i < rows.size(); ++i) {
        if (RejectedAt(rows[i], k) != 0 || ChangeOf(rows[i], k) == 0.0F) continue;
        if (!Try(rows[i], k)) continue;
        goes_on[i] = 1;
        ++num_flips;
      }
    }
    std::vector<int64_t> result;
    for (size_t i = 0; i < rows.size(); ++i) {
      if (goes_on[i] != 0) result.push_back(rows[i]);
    }
    return result;
  }

  // Flips weight k if that lowers the loss.
  bool Try(int64_t r, int64_t k) {
    const float* x = features_.row(k).data();
    const float change = ChangeOf(r, k);
    const double ridge = RidgeChange(r, k);
    double& current = current_[static_cast<size_t>(r)];
    const double changed = LossWith(r, x, change) + ridge;
    if (changed >= current * (1.0 - kMinRelativeGain)) {
      RejectedAt(r, k) = 1;
      return false;
    }
    AddScaled(z_.row(r).data(), x, change, features_.cols());
    uint8_t& up = block_.UpAt(r, k);
    up = up != 0 ? 0 : 1;
    current = changed - ridge;
    return true;
  }

  // What a flip by `change` does to the derivatives, by the Gram matrix.
  void FollowFlip(int64_t k, float change, float* gradient) const {
    const float factor = change * gram_factor_[static_cast<size_t>(k)];
    const float* gram = gram_.row(k).data();
    for (int64_t j = 0; j < block_.row_length(); ++j) {
      gradient[j] += factor * gram_factor_[static_cast<size_t>(j)] * gram[j];
    }
  }

  uint8_t& RejectedAt(int64_t r, int64_t k) {
    return rejected_[static_cast<size_t>(r * block_.row_length() + k)];
  }

  const Matrix& features_;
  const Matrix& gram_;
  RowBlock& block_;
  ColumnLoss loss_;
  Matrix z_;  // [R, N]
  std::vector<Activation> activations_;
  std::vector<double> current_;  // per row, without ridge
  Matrix gradient_;              // [active rows, K]
  Matrix curvature_;             // [R, K]
  std::vector<float> gram_factor_;  // of the row in work, [K]
  std::vector<Flip> promising_;
  std::vector<uint8_t> rejected_;  // [R, K], since the row's last sweep began
};

}  // namespace

int64_t DescendOnColumns(const RoundingProblem& problem, const Matrix& features,
                         const Matrix& gram, int64_t max_sweeps, RowBlock& block) {
  ColumnDescent descent(problem, features, gram, block);
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
