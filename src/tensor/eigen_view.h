// The one place that names a storage order: every matrix of ours is row-major.
#pragma once

#include <Eigen/Core>

namespace adaround {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using MatrixView = Eigen::Map<Matrix>;
using ConstMatrixView = Eigen::Map<const Matrix>;

}  // namespace adaround
