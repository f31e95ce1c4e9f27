#include "rounding/adaround_solver.h"

#include "adaround/base/error.h"
#include "rounding/block_driver.h"
#include "rounding/discrete_search.h"
#include "rounding/layer_gram.h"
#include "rounding/relaxation.h"

namespace adaround {
namespace {

class AdaRoundSolver final : public RoundingSolver {
 public:
  explicit AdaRoundSolver(const AdaRoundOptions& options) : options_(options) {
    ADAROUND_CHECK(options.Validate().empty());
  }

  RoundingResult Solve(const RoundingProblem& problem, const SolveContext& context) const override {
    const bool enumerates = problem.samples->row_length <= options_.enumerate_row_length;
    RoundingResult result =
        enumerates ? Enumerate(problem, context) : RelaxAndDescend(problem, context);
    result.summary.strategy = Strategy(enumerates);
    result.summary.iterations = enumerates ? 0 : options_.iterations;
    return result;
  }
  bool StaysAtFloorOrCeil() const override { return true; }
  int64_t PairBytes(const LayerExtent& layer, int num_threads) const override {
    if (layer.row_length <= options_.enumerate_row_length) return 0;
    const bool needs_gram = HasExactGradient(layer, options_) || DescendsOnGram(layer);
    return needs_gram ? GramBytes(layer, num_threads, sizeof(float)) : 0;
  }

 private:
  bool DescendsOnGram(const LayerExtent& layer) const {
    return options_.descent_sweeps > 0 && layer.identity_activation &&
           layer.row_length <= kMaxGramLength;
  }
  const char* Strategy(bool enumerates) const {
    if (enumerates) return "enumeration";
    if (options_.iterations > 0) return "relaxation";
    return options_.descent_sweeps > 0 ? "descent" : "nearest";
  }

  static RoundingResult Enumerate(const RoundingProblem& problem, const SolveContext& context) {
    BlockNeeds needs;
    needs.features = true;
    return SolveRowBlocks(problem, context, needs,
                         [&](const BlockInputs& inputs, RowBlock& block, RoundingSummary&,
                             std::vector<int16_t>& integers) {
                           for (int64_t r = 0; r < block.num_rows(); ++r) {
                             EnumerateRow(problem, inputs.features, r, block);
                           }
                           StoreIntegers(problem, block, integers);
                         });
  }

  RoundingResult RelaxAndDescend(const RoundingProblem& problem,
                                 const SolveContext& context) const {
    const bool exact = HasExactGradient(ExtentOf(problem), options_);
    const bool descends = options_.descent_sweeps > 0;
    const bool descends_on_gram = DescendsOnGram(ExtentOf(problem));
    BlockNeeds needs;
    needs.gram = exact || descends_on_gram;
    needs.features = descends && !descends_on_gram;
    needs.ridge = options_.ridge;
    // Only the relaxation weighs its data term against something.
    needs.normalize_rows = options_.normalize_rows && options_.iterations > 0;
    return SolveRowBlocks(
        problem, context, needs,
        [&](const BlockInputs& inputs, RowBlock& block, RoundingSummary& summary,
            std::vector<int16_t>& integers) {
          summary.num_undecided = RelaxAndRound(problem, RelaxationForm{}, options_, context,
                                                inputs.MakeDataTerm(exact), block);
          if (descends_on_gram) {
            summary.num_descent_flips =
                DescendOnGram(inputs.gram, inputs.gram_target, options_.descent_sweeps, block);
          } else if (descends) {
            summary.num_descent_flips =
                DescendOnColumns(problem, inputs.features, options_.descent_sweeps, block);
          }
          StoreIntegers(problem, block, integers);
        });
  }

  AdaRoundOptions options_;
};

}  // namespace

std::unique_ptr<RoundingSolver> MakeAdaRoundSolver(const AdaRoundOptions& options) {
  return std::make_unique<AdaRoundSolver>(options);
}

std::unique_ptr<RoundingSolver> MakeCoordinateDescentSolver(
    const CoordinateDescentOptions& options, double ridge) {
  AdaRoundOptions descent_alone;
  descent_alone.iterations = 0;
  descent_alone.enumerate_row_length = 0;
  descent_alone.descent_sweeps = options.max_sweeps;
  descent_alone.ridge = ridge;
  return std::make_unique<AdaRoundSolver>(descent_alone);
}

}  // namespace adaround
