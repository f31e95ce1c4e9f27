#include "rounding/damped_inverse.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <sstream>
#include <string>

#include "adaround/base/error.h"
#include "base/checked_math.h"
#include "base/parallel_for.h"

namespace adaround {
namespace {

std::string Text(double value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

// Columns that are factorized, or inverted, at a time.
constexpr int64_t kPanel = 128;

// Cholesky's L of the lower part, in place; the upper part stays.  Returns whether there is one.
bool FactorLower(Eigen::MatrixXd& a, int num_threads) {
  const int64_t size = a.rows();
  for (int64_t at = 0; at < size; at += kPanel) {
    const int64_t width = std::min(kPanel, size - at);
    const int64_t behind = at + width;
    Eigen::Ref<Eigen::MatrixXd> corner = a.block(at, at, width, width);
    if (Eigen::LLT<Eigen::Ref<Eigen::MatrixXd>>(corner).info() != Eigen::Success) return false;
    const int64_t num_tiles = CeilDivide(size - behind, kPanel);
    const auto tile = [&](int64_t i) { return behind + i * kPanel; };
    const auto extent = [&](int64_t i) { return std::min(kPanel, size - tile(i)); };
    ParallelFor(num_tiles, num_threads, [&](int64_t i) {
      auto below = a.block(tile(i), at, extent(i), width);
      corner.triangularView<Eigen::Lower>().transpose().solveInPlace<Eigen::OnTheRight>(below);
    });
    ParallelFor(num_tiles, num_threads, [&](int64_t i) {
      const auto left = a.block(tile(i), at, extent(i), width);
      a.block(tile(i), tile(i), extent(i), extent(i))
          .selfadjointView<Eigen::Lower>()
          .rankUpdate(left, -1.0);
      const int64_t below = tile(i) + extent(i);
      a.block(below, tile(i), size - below, extent(i)).noalias() -=
          a.block(below, at, size - below, width) * left.transpose();
    });
  }
  return true;
}

}  // namespace

DampedInverse FactorDampedInverse(Eigen::MatrixXd a, double damping, int num_threads) {
  // A with its order reversed is L L^T; so A = R R^T, where R is L with its order reversed, upper
  // triangular, and U = R^-1.
  std::reverse(a.data(), a.data() + a.size());
  const Eigen::VectorXd diagonal = a.diagonal();
  DampedInverse result;
  result.damping = damping;
  for (int raises = 0;; ++raises) {
    a.diagonal().array() = diagonal.array() + result.damping * diagonal.mean();
    if (FactorLower(a, num_threads)) break;
    if (raises == kMaxDampingRaises) {
      throw Error(ErrorCode::kNumerical,
                  "the damped Hessian of the layer's inputs has no Cholesky factor, neither at "
                  "damping " +
                      Text(damping) + " nor at " + Text(result.damping) +
                      "; raise --gptq-damping further, or take another method");
    }
    result.damping *= 10.0;
    // What the attempt has overwritten stands in the upper part as well.
    a.triangularView<Eigen::StrictlyLower>() = a.transpose();
  }
  result.factor.setIdentity(a.rows(), a.cols());
  // What lies above the diagonal of an inverse of L is zero: panel by panel, from the diagonal
  // down.
  ParallelFor(CeilDivide(a.cols(), kPanel), num_threads, [&](int64_t panel) {
    const int64_t at = panel * kPanel;
    const int64_t width = std::min(kPanel, a.cols() - at);
    const int64_t height = a.rows() - at;
    MatrixInDouble column = result.factor.block(at, at, height, width);
    a.block(at, at, height, height).triangularView<Eigen::Lower>().solveInPlace(column);
    result.factor.block(at, at, height, width) = column;
  });
  std::reverse(result.factor.data(), result.factor.data() + result.factor.size());
  if (!result.factor.allFinite()) {
    throw Error(ErrorCode::kNumerical,
                "the inverse of the layer's damped Hessian is not finite; raise --gptq-damping, or "
                "take another method");
  }
  return result;
}

}  // namespace adaround
