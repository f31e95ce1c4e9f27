// The continuous relaxations of one block of rows that the paper compares.
#pragma once

#include "adaround/rounding/rounding_options.h"
#include "rounding/reconstruction_gradient.h"
#include "rounding/rounding_solver.h"
#include "rounding/row_block.h"
#include "rounding/search_recorder.h"
#include "rounding/soft_rounding.h"

namespace adaround {

// What distinguishes one relaxation from another.
struct RelaxationForm {
  SoftRounding soft_rounding = kRectifiedSigmoid;  // at the first step
  // h's temperature falls to this geometrically, an equal part at every step: h depends on V / T,
  // so all factors sharpen it alike.
  double temperature_end = 1.0;
  bool regularize = true;  // whether lambda * f_reg, eq. (24), drives h to 0 and 1
  float start_pull = 0.0F;  // see SoftWeights
};

// Minimizes eq. (25) over V by Adam and sets block.up to h(V) >= 0.5. Of the options, it reads
// iterations, learning_rate and batch_size, and those of f_reg where the form has it. Ends early
// where every weight has come to rest at 0 or 1. Without iterations the block stays as it is.
// Returns the number of weights with h(V) strictly between 0.01 and 0.99. A `recorder`
// looks at all TracedIterations(); those after an early end repeat its last state.
// Throws Error(kCancelled).
int64_t RelaxAndRound(const RoundingProblem& problem, const RelaxationForm& form,
                      const AdaRoundOptions& options, const SolveContext& context,
                      const DataTerm& term, RowBlock& block, SearchRecorder* recorder = nullptr);

}  // namespace adaround
