#include "rounding/pair_moves.h"

#include <algorithm>
#include <vector>

#include "adaround/base/error.h"
#include "rounding/column_loss.h"
#include "rounding/discrete_search.h"

namespace adaround {
namespace {

// As for descent: f bends between two integers, and hides a part of what derivatives see.
constexpr float kCurvatureTrusted = 0.8F;
// A row that still moves is left where it is.
constexpr int kMaxMoves = 64;
// Moves that are tried on the loss before a row comes to rest.
constexpr size_t kMaxTries = 16;

// By change_j and change_k, in steps; j = k and change_k = 0: one weight.
struct Move {
  float predicted = 0.0F;
  int64_t j = 0;
  int64_t k = 0;
  int change_j = 0;
  int change_k = 0;
};

class RowMoves {
 public:
  // `z` [N]: the row's pre-activations, which are kept up.
  RowMoves(const RoundingProblem& problem, const Matrix& features, const RowBlock& block,
           int64_t row, float* z)
      : problem_(problem),
        features_(features),
        activation_(problem.activation.Of(block.first_row + row)),
        target_(block.target.row(row).data()),
        loss_(features.cols()),
        z_(z, features.cols()) {
    const int64_t length = block.row_length();
    for (int64_t k = 0; k < length; ++k) {
      const auto at = static_cast<size_t>(row * length + k);
      const auto s = static_cast<size_t>(
          problem.grid.ScaleIndex(block.first_row + row, k, length));
      scale_.push_back(problem.grid.scale[s]);
      integer_.push_back(block.lower[at] + block.up[at]);
      off_.push_back(block.step(row, k) *
                     (static_cast<float>(block.up[at]) - block.fraction(row, k)));
      ridge_.push_back(block.ridge[static_cast<size_t>(k)] *
                       static_cast<float>(features.cols()));
    }
    current_ = loss_(activation_, z, z, 0.0F, target_);
    Curve();
  }

  // Whether a move was made.
  bool Step() {
    Differentiate();
    RankMoves();
    for (size_t i = 0; i < std::min(kMaxTries, moves_.size()); ++i) {
      const Move& move = moves_[i];
      step_ = static_cast<float>(move.change_j) * scale_[static_cast<size_t>(move.j)] *
                  features_.row(move.j) +
              static_cast<float>(move.change_k) * scale_[static_cast<size_t>(move.k)] *
                  features_.row(move.k);
      const double changed = loss_(activation_, z_.data(), step_.data(), 1.0F, target_);
      const auto ridge = static_cast<double>(RidgeChange(move));
      if (changed + ridge >= current_ * (1.0 - kMinRelativeGain)) continue;
      z_ += step_;
      Change(move.j, move.change_j);
      Change(move.k, move.change_k);
      current_ = changed;
      return true;
    }
    return false;
  }

  // Second derivatives, by one step of each of two weights. They change little as a row moves.
  void Curve() {
    const Matrix seen = features_.array().rowwise() * Slope().array();
    curvature_ = 2.0F * seen * seen.transpose();
    curvature_.array().rowwise() *= Scale().array();
    curvature_.array().colwise() *= Scale().transpose().array();
  }

  int32_t integer(int64_t k) const { return integer_[static_cast<size_t>(k)]; }

 private:
  void Change(int64_t k, int change) {
    integer_[static_cast<size_t>(k)] += change;
    off_[static_cast<size_t>(k)] += static_cast<float>(change) * scale_[static_cast<size_t>(k)];
  }

  // What the ridge adds to the loss.
  float RidgeChange(const Move& move) const {
    const auto of = [&](int64_t k, int change) {
      const auto at = static_cast<size_t>(k);
      const float step = static_cast<float>(change) * scale_[at];
      return ridge_[at] * step * (step + 2.0F * off_[at]);
    };
    return of(move.j, move.change_j) + of(move.k, move.change_k);
  }

  Eigen::RowVectorXf Slope() const {
    Eigen::RowVectorXf slope(z_.size());
    activation_.Derivative(z_.data(), slope.data(), z_.size());
    return slope;
  }

  // By one step of each weight.
  void Differentiate() {
    Eigen::RowVectorXf residual(z_.size());
    activation_.Apply(z_.data(), residual.data(), z_.size());
    residual -= Eigen::Map<const Eigen::RowVectorXf>(target_, z_.size());
    residual.array() *= 2.0F * Slope().array();
    gradient_ = (residual * features_.transpose()).cwiseProduct(Scale());
  }

  Eigen::Map<const Eigen::RowVectorXf> Scale() const {
    return {scale_.data(), static_cast<Eigen::Index>(scale_.size())};
  }

  bool MayMove(int64_t k, int change) const {
    const int32_t moved = integer(k) + change;
    return moved >= problem_.grid.q_min && moved <= problem_.grid.q_max;
  }

  void Consider(const Move& move, float curvature) {
    const float first = static_cast<float>(move.change_j) * gradient_[move.j] +
                        static_cast<float>(move.change_k) * gradient_[move.k] + RidgeChange(move);
    if (first + kCurvatureTrusted * 0.5F * curvature >= 0.0F) return;
    moves_.push_back(move);
    moves_.back().predicted = first + 0.5F * curvature;
  }

  void RankMoves() {
    moves_.clear();
    const int64_t length = features_.rows();
    for (int64_t j = 0; j < length; ++j) {
      for (const int change_j : {-1, 1}) {
        if (!MayMove(j, change_j)) continue;
        Consider({0.0F, j, j, change_j, 0}, curvature_(j, j));
        for (int64_t k = j + 1; k < length; ++k) {
          for (const int change_k : {-1, 1}) {
            if (!MayMove(k, change_k)) continue;
            const auto mixed = static_cast<float>(2 * change_j * change_k);
            Consider({0.0F, j, k, change_j, change_k},
                     curvature_(j, j) + curvature_(k, k) + mixed * curvature_(j, k));
          }
        }
      }
    }
    std::stable_sort(moves_.begin(), moves_.end(), [](const Move& left, const Move& right) {
      return left.predicted < right.predicted;
    });
  }

  const RoundingProblem& problem_;
  const Matrix& features_;
  const Activation activation_;
  const float* target_;
  ColumnLoss loss_;
  Eigen::Map<Eigen::RowVectorXf> z_;
  std::vector<float> scale_;
  std::vector<int32_t> integer_;
  std::vector<float> off_;    // from the float weights, in real units
  std::vector<float> ridge_;  // per squared unit of that
  double current_ = 0.0;      // without ridge
  Eigen::RowVectorXf gradient_;  // [K], by steps
  Matrix curvature_;             // [K, K], by steps
  Eigen::RowVectorXf step_;      // what the move in work adds to z
  std::vector<Move> moves_;
};

}  // namespace

int64_t MoveInPairs(const RoundingProblem& problem, const Matrix& features, const RowBlock& block,
                    std::vector<int16_t>& integers) {
  const int64_t length = block.row_length();
  ADAROUND_CHECK(length <= kMaxPairedRowLength);
  Matrix z = PreActivations(problem, block);
  int64_t num_moves = 0;
  for (int64_t r = 0; r < block.num_rows(); ++r) {
    RowMoves moves(problem, features, block, r, z.row(r).data());
    // A row rests where derivatives that are up to date promise nothing that the loss confirms.
    bool is_curve_new = true;
    for (int i = 0; i < kMaxMoves;) {
      if (moves.Step()) {
        is_curve_new = false;
        ++num_moves;
        ++i;
      } else if (!is_curve_new) {
        moves.Curve();
        is_curve_new = true;
      } else {
        break;
      }
    }
    for (int64_t k = 0; k < length; ++k) {
      integers[static_cast<size_t>((block.first_row + r) * length + k)] =
          static_cast<int16_t>(moves.integer(k));
    }
  }
  return num_moves;
}

}  // namespace adaround
