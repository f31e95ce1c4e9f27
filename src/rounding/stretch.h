// Element-wise passes over weights work on stretches this long: their temporaries stay in the
// first-level cache.
#pragma once

#include <Eigen/Core>
#include <cstdint>

namespace adaround {

inline constexpr int64_t kStretch = 128;
using Stretch = Eigen::Array<float, Eigen::Dynamic, 1, 0, kStretch, 1>;
using StretchView = Eigen::Map<Eigen::ArrayXf>;
using ConstStretchView = Eigen::Map<const Eigen::ArrayXf>;

}  // namespace adaround
