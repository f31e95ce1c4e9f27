// Methods that round each weight by itself, blind to the data: the paper's other baselines.
#pragma once

#include <memory>

#include "rounding/rounding_solver.h"

namespace adaround {

// All down, all up; clipped to the grid. A weight on the grid stays.
std::unique_ptr<RoundingSolver> MakeFloorSolver();
std::unique_ptr<RoundingSolver> MakeCeilSolver();

// Up with the probability of the fractional part (Gupta et al. 2015, arXiv:1502.02551), so that the
// expected weight is the float weight. One Solve() is one sample, which (seed, layer, row) name.
std::unique_ptr<RoundingSolver> MakeStochasticSolver();

}  // namespace adaround
