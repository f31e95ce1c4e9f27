#include "rounding/adaround_solver.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "adaround/base/error.h"
#include "rounding/block_driver.h"
#include "rounding/discrete_search.h"
#include "rounding/gptq_solver.h"
#include "rounding/layer_gram.h"
#include "rounding/pair_moves.h"
#include "rounding/relaxation.h"

namespace adaround {
namespace {

// How far the relaxation starts from the weight's fraction towards what was decided before it: not
// all the way, where h hardly moves.
constexpr float kStartPull = 0.5F;

class AdaRoundSolver final : public RoundingSolver {
 public:
  explicit AdaRoundSolver(const AdaRoundOptions& options) : options_(options) {
    ADAROUND_CHECK(options.Validate().empty());
  }

  RoundingResult Solve(const RoundingProblem& problem, const SolveContext& context) const override {
    if (Enumerates(ExtentOf(problem))) return Enumerate(problem, context);
    return RelaxAndDescend(problem, context, SecondOrderStart(problem, context));
  }
  bool SolvesRows(const LayerExtent& layer) const override { return layer.num_groups == 1; }
  bool StaysAtFloorOrCeil() const override { return !options_.second_order_start; }
  double Work(const LayerExtent& layer, int64_t num_columns) const override {
    const double once = RoundingSolver::Work(layer, num_columns);
    if (Enumerates(layer)) return once * std::exp2(static_cast<double>(layer.row_length)) / 8.0;
    const bool has_start = StartsBySecondOrder(layer);
    double work = has_start ? GptqWork(layer, RidgeFor(layer), num_columns) : 0.0;
    if (Relaxes(layer, has_start)) work += GradientWork(layer, options_);
    // Rows of some hundred weights rest after some ten sweeps.
    constexpr int64_t kSweeps = 16;
    const auto sweeps = static_cast<double>(std::min(kSweeps, options_.descent_sweeps));
    const double sweep =
        DescendsOnGram(layer) ? once * static_cast<double>(layer.row_length) /
                                    static_cast<double>(std::max<int64_t>(1, num_columns)) / 4.0
                              : once;
    return work + sweeps * sweep;
  }
  int64_t PairBytes(const LayerExtent& layer, int num_threads) const override {
    if (Enumerates(layer)) return 0;
    const bool needs_gram =
        UsesExactGradient(layer, StartsBySecondOrder(layer)) || DescendsWithGram(layer);
    const int64_t gram = needs_gram ? MadeGramBytes(layer, num_threads) : 0;
    if (!StartsBySecondOrder(layer)) return gram;
    return std::max(gram, GptqPairBytes(layer, RidgeFor(layer), KeepGram::kYes, num_threads));
  }

 private:
  bool Enumerates(const LayerExtent& layer) const {
    return layer.row_length <= options_.enumerate_row_length;
  }
  bool StartsBySecondOrder(const LayerExtent& layer) const {
    return options_.second_order_start && layer.row_length <= kMaxGramLength;
  }
  // Nothing where the start of second order is to choose it.
  std::optional<double> RidgeFor(const LayerExtent& layer) const {
    if (layer.row_length > options_.max_ridge_choice_length) return options_.RidgeOrDefault();
    return options_.ridge;
  }
  // A quadratic loss leaves nothing to relax once second order and descent have seen it.
  bool Relaxes(const LayerExtent& layer, bool has_start) const {
    if (options_.iterations == 0) return false;
    return !has_start || (!layer.identity_activation &&
                          layer.row_length <= options_.max_relaxed_row_length);
  }
  bool UsesExactGradient(const LayerExtent& layer, bool has_start) const {
    return Relaxes(layer, has_start) && HasExactGradient(layer, options_);
  }
  bool DescendsWithGram(const LayerExtent& layer) const {
    return options_.descent_sweeps > 0 && layer.row_length <= kMaxGramLength;
  }
  // Without columns beside it.
  bool DescendsOnGram(const LayerExtent& layer) const {
    return layer.identity_activation && DescendsWithGram(layer);
  }
  bool MovesInPairs(const LayerExtent& layer) const {
    return options_.descent_sweeps > 0 && layer.row_length <= kMaxPairedRowLength;
  }
  std::string Strategy(const LayerExtent& layer, bool has_start) const {
    const bool descends = options_.descent_sweeps > 0;
    if (Relaxes(layer, has_start)) return has_start ? "second order, relaxation" : "relaxation";
    if (has_start) return descends ? "second order, descent" : "second order";
    return descends ? "descent" : "nearest";
  }

  RoundingResult Enumerate(const RoundingProblem& problem, const SolveContext& context) const {
    BlockNeeds needs;
    needs.features = true;
    RoundingResult result = SolveRowBlocks(
        problem, context, needs,
        [&](const BlockInputs& inputs, RowBlock& block, RoundingSummary& summary,
            std::vector<int16_t>& integers) {
          for (int64_t r = 0; r < block.num_rows(); ++r) {
            EnumerateRow(problem, inputs.features, r, block);
          }
          StoreIntegers(block, integers);
          inputs.recorder.AtDecisions("enumeration");
          if (options_.second_order_start) {
            summary.num_descent_flips += MoveInPairs(problem, inputs.features, block, integers);
            CentreOn(problem, integers, block);
            inputs.recorder.AtDecisions("pairs");
          }
        });
    result.summary.strategy = "enumeration";
    return result;
  }

  // `start` as SecondOrderStart() gives it.
  RoundingResult RelaxAndDescend(const RoundingProblem& problem, const SolveContext& context,
                                 GptqSolution start) const {
    const LayerExtent layer = ExtentOf(problem);
    const std::vector<int16_t>& decided = start.result.integers;
    const bool has_start = !decided.empty();
    const bool exact = UsesExactGradient(layer, has_start);
    const bool descends_on_gram = DescendsOnGram(layer);
    const bool relaxes = Relaxes(layer, has_start);
    BlockNeeds needs;
    needs.gram_target = exact || descends_on_gram;
    needs.gram = needs.gram_target || DescendsWithGram(layer);
    needs.features = (options_.descent_sweeps > 0 && !descends_on_gram) ||
                     (has_start && MovesInPairs(layer));
    needs.steps = relaxes;
    needs.ridge = start.ridge;
    if (start.gram.size() > 0) needs.gram_of_only_group = &start.gram;
    // Only the relaxation weighs its data term against something.
    needs.normalize_rows = options_.normalize_rows && relaxes;
    RelaxationForm form;
    if (has_start) form.start_pull = kStartPull;
    RoundingResult result = SolveRowBlocks(
        problem, context, needs,
        [&](const BlockInputs& inputs, RowBlock& block, RoundingSummary& summary,
            std::vector<int16_t>& integers) {
          SearchRecorder& recorder = inputs.recorder;
          const auto descend = [&] {
            if (descends_on_gram) {
              summary.num_descent_flips +=
                  DescendOnGram(inputs.gram, inputs.gram_target, options_.descent_sweeps, block);
            } else if (options_.descent_sweeps > 0) {
              summary.num_descent_flips +=
                  DescendOnColumns(problem, inputs.features, inputs.gram,
                                   options_.descent_sweeps, block);
            }
          };
          const auto move_in_pairs = [&] {
            if (!has_start || !MovesInPairs(layer)) return;
            summary.num_descent_flips += MoveInPairs(problem, inputs.features, block, integers);
            CentreOn(problem, integers, block);
          };
          const auto finish = [&](const char* stage) {
            descend();
            move_in_pairs();
            if (options_.descent_sweeps > 0) recorder.AtDecisions(stage);
          };
          const auto relax = [&] {
            summary.num_undecided = RelaxAndRound(problem, form, options_, context,
                                                  inputs.MakeDataTerm(exact), block, &recorder);
            recorder.AtDecisions("rounded");
            finish("finish");
          };
          if (has_start) {
            CentreOn(problem, decided, block);
            recorder.AtDecisions("second order");
          }
          if (has_start || !relaxes) finish("descent");
          if (relaxes && has_start) {
            KeepBetterRows(problem, relax, block);
            recorder.AtDecisions("better rows");
          } else if (relaxes) {
            relax();
          }
          StoreIntegers(block, integers);
        });
    result.summary.strategy = Strategy(layer, has_start);
    result.summary.iterations = relaxes ? options_.iterations : 0;
    result.summary.ridge = start.ridge;
    return result;
  }

  // GPTQ's rounding; no integers where the search starts at nearest.
  GptqSolution SecondOrderStart(const RoundingProblem& problem,
                                const SolveContext& context) const {
    GptqSolution none;
    none.ridge = options_.RidgeOrDefault();
    if (!StartsBySecondOrder(ExtentOf(problem))) return none;
    SolveContext quiet = context;
    quiet.on_progress = nullptr;
    try {
      return SolveByGptq(problem, GptqOptions(), RidgeFor(ExtentOf(problem)), KeepGram::kYes,
                         quiet);
    } catch (const Error& error) {
      // Inputs that no damping makes regular: there is nothing of second order to start from.
      if (error.code() != ErrorCode::kNumerical) throw;
      return none;
    }
  }

  // Runs `search` on the block, and takes its earlier decisions back where a row ends no better.
  template <typename Search>
  static void KeepBetterRows(const RoundingProblem& problem, const Search& search,
                             RowBlock& block) {
    const RowBlock before = block;
    const std::vector<double> objective_before = RowObjectives(problem, block);
    search();
    const std::vector<double> objective = RowObjectives(problem, block);
    const int64_t length = block.row_length();
    for (int64_t r = 0; r < block.num_rows(); ++r) {
      if (objective[static_cast<size_t>(r)] < objective_before[static_cast<size_t>(r)]) continue;
      block.base.row(r) = before.base.row(r);
      block.step.row(r) = before.step.row(r);
      block.fraction.row(r) = before.fraction.row(r);
      std::copy_n(before.lower.begin() + r * length, length, block.lower.begin() + r * length);
      std::copy_n(before.up.begin() + r * length, length, block.up.begin() + r * length);
    }
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
  descent_alone.second_order_start = false;
  descent_alone.ridge = ridge;
  return std::make_unique<AdaRoundSolver>(descent_alone);
}

}  // namespace adaround
