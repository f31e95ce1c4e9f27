// The cross-entropy method (Rubinstein 1999) over a quadratic of binary decisions.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "adaround/rounding/rounding_options.h"
#include "rounding/quadratic_problem.h"

namespace adaround {

struct CrossEntropyResult {
  std::vector<uint8_t> up;  // the best that was drawn
  double energy = 0.0;      // of it, see QuadraticProblem
  int64_t population = 0;   // draws per round
  int64_t num_rounds = 0;
};

// The draws per round for P variables with a choice: population * sqrt(P) but at least 200, less
// where the predicted multiply-adds would pass options.max_operations.
// Throws Error(kInvalidArgument) where that leaves too few to tell good draws from luck; the
// message names P and how far the budget falls short. What to do instead depends on the caller:
// SizeLimit::remedy says it beforehand.
int64_t CrossEntropyPopulation(const CrossEntropyOptions& options, int64_t num_free);

// The most variables that CrossEntropyPopulation takes; 0 where it takes none.
int64_t CrossEntropyMaxVariables(const CrossEntropyOptions& options);

// Draws decisions as independent coins, starting at the probabilities `fraction` (stochastic
// rounding), and moves the coins towards the best part of each round's draws. A coin that has all
// but decided is fixed and folded into the rest of the problem.
// `stream` names the random numbers; the result does not depend on num_threads. `should_stop` may
// be empty.  REQUIRES: problem.Validate() and options.Validate() are empty.
// Throws Error(kCancelled), and what CrossEntropyPopulation throws.
CrossEntropyResult SearchByCrossEntropy(const QuadraticProblem& problem,
                                        const CrossEntropyOptions& options, uint64_t stream,
                                        int num_threads = 1,
                                        const std::function<bool()>& should_stop = {});

}  // namespace adaround
