// Tabu search over a quadratic of binary decisions (Glover 1989; one-flip neighbourhood).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "adaround/rounding/rounding_options.h"
#include "rounding/quadratic_problem.h"

namespace adaround {

struct TabuResult {
  std::vector<uint8_t> up;  // the best that was visited
  double energy = 0.0;      // of it, see QuadraticProblem
  int64_t num_flips = 0;    // taken, all starts together
};

// Where a search begins.
enum class TabuStart { kRandom, kReference };

// Takes the best flip again and again, upwards too, of those not flipped within the tenure; a flip
// to below the best energy seen is always allowed. Each further start begins at the best decisions
// so far with a tenth of them redrawn.  A flip costs O(P).
// `stream` names the random numbers: the same stream, problem and options give the same result.
// `should_stop` may be empty.  REQUIRES: problem.Validate() and options.Validate() are empty.
// Throws Error(kCancelled).
TabuResult SearchByTabu(const QuadraticProblem& problem, const TabuOptions& options,
                        TabuStart start, uint64_t stream,
                        const std::function<bool()>& should_stop = {});

}  // namespace adaround
