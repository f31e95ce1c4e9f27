#include "rounding/straight_through_solver.h"

#include <cmath>
#include <numbers>

#include "adaround/base/error.h"
#include "rounding/block_driver.h"
#include "rounding/layer_gram.h"
#include "rounding/straight_through.h"

namespace adaround {
namespace {

// Half a cosine, from 1 towards 0.
float Decay(int64_t step, int64_t num_steps) {
  const double progress = static_cast<double>(step) / static_cast<double>(num_steps);
  return static_cast<float>(0.5 * (1.0 + std::cos(progress * std::numbers::pi)));
}

class StraightThroughSolver final : public RoundingSolver {
 public:
  StraightThroughSolver(const AdaRoundOptions& options,
                        const StraightThroughOptions& straight_through)
      : options_(options), learning_rate_(straight_through.learning_rate) {
    ADAROUND_CHECK(options.Validate().empty() && straight_through.Validate().empty());
  }

  RoundingResult Solve(const RoundingProblem& problem, const SolveContext& context) const override {
    const bool exact = HasExactGradient(ExtentOf(problem), options_);
    BlockNeeds needs;
    needs.gram = exact;
    needs.ridge = options_.ridge;
    needs.normalize_rows = true;
    RoundingResult result = SolveRowBlocks(
        problem, context, needs,
        [&](const BlockInputs& inputs, RowBlock& block, RoundingSummary&,
            std::vector<int16_t>& integers) {
          const DataTerm term = inputs.MakeDataTerm(exact);
          StraightThroughWeights weights(problem, block);
          ReconstructionGradient loss(problem, options_.batch_size, context, term, block);
          AdamSchedule adam(learning_rate_);
          for (int64_t step = 0; step < options_.iterations; ++step) {
            loss.At(weights.weights(), step, weights.weight_gradient());
            AdamStep settings = adam.Next();
            settings.learning_rate *= Decay(step, options_.iterations);
            weights.Advance(settings);
          }
          weights.StoreIntegers(problem, integers);
        });
    result.summary.strategy = "straight-through";
    result.summary.iterations = options_.iterations;
    return result;
  }
  bool StaysAtFloorOrCeil() const override { return false; }
  int64_t PairBytes(const LayerExtent& layer, int num_threads) const override {
    const bool exact = HasExactGradient(layer, options_);
    return exact ? GramBytes(layer, num_threads, sizeof(float)) : 0;
  }

 private:
  AdaRoundOptions options_;
  double learning_rate_;
};

}  // namespace

std::unique_ptr<RoundingSolver> MakeStraightThroughSolver(
    const AdaRoundOptions& options, const StraightThroughOptions& straight_through) {
  return std::make_unique<StraightThroughSolver>(options, straight_through);
}

}  // namespace adaround
