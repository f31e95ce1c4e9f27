#include "rounding/damped_inverse.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <sstream>
#include <string>

#include "adaround/base/error.h"

namespace adaround {
namespace {

std::string Text(double value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

}  // namespace

DampedInverse FactorDampedInverse(Eigen::MatrixXd a, double damping) {
  // A with its order reversed is L L^T; so A = R R^T, where R is L with its order reversed, upper
  // triangular, and U = R^-1.
  std::reverse(a.data(), a.data() + a.size());
  const Eigen::VectorXd diagonal = a.diagonal();
  DampedInverse result;
  result.damping = damping;
  for (int raises = 0;; ++raises) {
    a.diagonal().array() = diagonal.array() + result.damping * diagonal.mean();
    // In place, in the lower part.
    if (Eigen::LLT<Eigen::Ref<Eigen::MatrixXd>>(a).info() == Eigen::Success) break;
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
  a.triangularView<Eigen::Lower>().solveInPlace(result.factor);
  std::reverse(result.factor.data(), result.factor.data() + result.factor.size());
  if (!result.factor.allFinite()) {
    throw Error(ErrorCode::kNumerical,
                "the inverse of the layer's damped Hessian is not finite; raise --gptq-damping, or "
                "take another method");
  }
  return result;
}

}  // namespace adaround
