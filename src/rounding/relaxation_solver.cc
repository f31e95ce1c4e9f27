#include "rounding/relaxation_solver.h"

#include "adaround/base/error.h"
#include "rounding/block_driver.h"
#include "rounding/layer_gram.h"
#include "rounding/relaxation.h"

namespace adaround {
namespace {

class RelaxationSolver final : public RoundingSolver {
 public:
  RelaxationSolver(const RelaxationForm& form, const AdaRoundOptions& options)
      : form_(form), options_(options) {
    ADAROUND_CHECK(options.Validate().empty());
  }

  RoundingResult Solve(const RoundingProblem& problem, const SolveContext& context) const override {
    const bool exact = HasExactGradient(ExtentOf(problem), options_);
    BlockNeeds needs;
    needs.gram = exact;
    needs.gram_target = exact;
    needs.ridge = options_.RidgeOrDefault();
    needs.normalize_rows = options_.normalize_rows || !form_.regularize;
    RoundingResult result = SolveRowBlocks(
        problem, context, needs,
        [&](const BlockInputs& inputs, RowBlock& block, RoundingSummary& summary,
            std::vector<int16_t>& integers) {
          summary.num_undecided =
              RelaxAndRound(problem, form_, options_, context, inputs.MakeDataTerm(exact), block,
                            &inputs.recorder);
          inputs.recorder.AtDecisions("rounded");
          StoreIntegers(block, integers);
        });
    result.summary.strategy = "relaxation";
    result.summary.iterations = options_.iterations;
    return result;
  }
  bool SolvesRows(const LayerExtent& layer) const override { return layer.num_groups == 1; }
  bool StaysAtFloorOrCeil() const override { return true; }
  double Work(const LayerExtent& layer, int64_t /*num_columns*/) const override {
    return GradientWork(layer, options_);
  }
  int64_t PairBytes(const LayerExtent& layer, int num_threads) const override {
    const bool exact = HasExactGradient(layer, options_);
    return exact ? MadeGramBytes(layer, num_threads) : 0;
  }

 private:
  RelaxationForm form_;
  AdaRoundOptions options_;
};

}  // namespace

std::unique_ptr<RoundingSolver> MakeRectifiedSigmoidSolver(const AdaRoundOptions& options) {
  return std::make_unique<RelaxationSolver>(RelaxationForm{}, options);
}

std::unique_ptr<RoundingSolver> MakeSigmoidSolver(const AdaRoundOptions& options) {
  return std::make_unique<RelaxationSolver>(RelaxationForm{.soft_rounding = kPlainSigmoid},
                                            options);
}

std::unique_ptr<RoundingSolver> MakeSigmoidAnnealingSolver(const AdaRoundOptions& options,
                                                           const AnnealingOptions& annealing) {
  ADAROUND_CHECK(annealing.Validate().empty());
  RelaxationForm form;
  form.soft_rounding = kPlainSigmoid;
  form.soft_rounding.temperature = static_cast<float>(annealing.temperature_start);
  form.temperature_end = annealing.temperature_end;
  form.regularize = false;
  return std::make_unique<RelaxationSolver>(form, options);
}

}  // namespace adaround
