// Rounding to nearest: the baseline, blind to the data.
#pragma once

#include <memory>

#include "rounding/rounding_solver.h"

namespace adaround {

std::unique_ptr<RoundingSolver> MakeNearestSolver();

}  // namespace adaround
