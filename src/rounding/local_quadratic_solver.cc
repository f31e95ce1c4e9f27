#include "rounding/local_quadratic_solver.h"

#include <algorithm>

#include "adaround/base/error.h"
#include "base/rng.h"
#include "rounding/block_schedule.h"
#include "rounding/cross_entropy_search.h"
#include "rounding/layer_gram.h"
#include "rounding/row_block.h"
#include "rounding/tabu_search.h"

namespace adaround {
namespace {

// Few: one row's search outweighs what a block's rows share by far.
constexpr int64_t kMaxRowsPerBlock = 8;

// What a search of one row leaves.
struct Decisions {
  std::vector<uint8_t> up;
  int64_t iterations = 0;
};

class LocalQuadraticSolver : public RoundingSolver {
 public:
  LocalQuadraticSolver(const char* strategy, double ridge) : strategy_(strategy), ridge_(ridge) {}

  RoundingResult Solve(const RoundingProblem& problem, const SolveContext& context) const final;
  bool SolvesRows(const LayerExtent& layer) const final { return layer.num_groups == 1; }
  bool StaysAtFloorOrCeil() const final { return true; }

 private:
  // Minimizes one row's quadratic. `stream` names the random numbers.
  virtual Decisions Search(const QuadraticProblem& quadratic, uint64_t stream,
                           const std::function<bool()>& should_stop) const = 0;

  const char* strategy_;
  double ridge_;
};

QuadraticProblem RowQuadratic(const Matrix& gram, const Matrix& gradient, const RowBlock& block,
                              int64_t r) {
  const int64_t length = block.row_length();
  QuadraticProblem quadratic;
  quadratic.curvature = gram.data();
  quadratic.gradient.assign(gradient.row(r).data(), gradient.row(r).data() + length);
  quadratic.step.assign(block.step.row(r).data(), block.step.row(r).data() + length);
  quadratic.fraction.assign(block.fraction.row(r).data(), block.fraction.row(r).data() + length);
  quadratic.reference.assign(block.up.begin() + r * length, block.up.begin() + (r + 1) * length);
  return quadratic;
}

RoundingResult LocalQuadraticSolver::Solve(const RoundingProblem& problem,
                                           const SolveContext& context) const {
  const SampledColumns& samples = *problem.samples;
  const int64_t length = samples.row_length;
  struct GroupData {
    Matrix gram;               // of the loss, ridge included
    std::vector<float> ridge;  // see RowBlock
  };
  std::vector<GroupData> groups(static_cast<size_t>(samples.num_groups));
  RoundingResult result;
  result.integers.resize(problem.weights.size());
  BlockSteps steps;
  steps.prepare = [&](int64_t group, int num_threads) {
    GroupData& data = groups[static_cast<size_t>(group)];
    data.ridge = RidgeOf(samples, group, ridge_);
    data.gram = GroupGram(samples, group, num_threads).cast<float>();
    AddRidge(data.ridge, data.gram);
    CheckGram(data.gram);
  };
  steps.solve = [&](const RowRange& rows) {
    const GroupData& data = groups[static_cast<size_t>(rows.group)];
    RowBlock block =
        MakeRowBlockWithoutTarget(problem, rows.group, rows.first_row, rows.num_rows);
    Matrix gradient =
        LossGradient(problem, samples, rows.group, rows.first_row, block.HardWeights());
    for (int64_t r = 0; r < rows.num_rows; ++r) {
      for (int64_t k = 0; k < length; ++k) {
        // The ridge pulls from nearest towards w, which is base + step * fraction.
        const float off = static_cast<float>(block.UpAt(r, k)) - block.fraction(r, k);
        gradient(r, k) += 2.0F * data.ridge[static_cast<size_t>(k)] * block.step(r, k) * off;
      }
    }
    CheckGram(gradient);
    RoundingSummary summary;
    for (int64_t r = 0; r < rows.num_rows; ++r) {
      const auto row = static_cast<uint64_t>(rows.first_row + r);
      const Decisions found = Search(RowQuadratic(data.gram, gradient, block, r),
                                     Rng(context.seed, context.layer, row).Next(),
                                     context.should_stop);
      std::copy(found.up.begin(), found.up.end(), block.up.begin() + r * length);
      summary.iterations = std::max(summary.iterations, found.iterations);
    }
    StoreIntegers(block, result.integers);
    return summary;
  };
  steps.release = [&](int64_t group) { groups[static_cast<size_t>(group)] = GroupData(); };
  result.summary = SolveInBlocks(samples, context, kMaxRowsPerBlock, steps);
  result.summary.strategy = strategy_;
  return result;
}

class CrossEntropySolver final : public LocalQuadraticSolver {
 public:
  CrossEntropySolver(const CrossEntropyOptions& options, double ridge)
      : LocalQuadraticSolver("cross-entropy", ridge), options_(options) {
    ADAROUND_CHECK(options.Validate().empty());
  }
  SizeLimit Limit() const override {
    SizeLimit limit;
    limit.max_row_length = std::min(kMaxGramLength, CrossEntropyMaxVariables(options_));
    limit.remedy = "raise --cem-budget";
    return limit;
  }
  int64_t PairBytes(const LayerExtent& layer, int num_threads) const override {
    // Each thread's search holds its row's quadratic in units of decisions.
    const int64_t per_search = layer.row_length * layer.row_length * int64_t{sizeof(float)};
    return MadeGramBytes(layer, num_threads) +
           std::min<int64_t>(num_threads, layer.num_rows) * per_search;
  }

 private:
  Decisions Search(const QuadraticProblem& quadratic, uint64_t stream,
                   const std::function<bool()>& should_stop) const override {
    CrossEntropyResult found = SearchByCrossEntropy(quadratic, options_, stream, 1, should_stop);
    return {std::move(found.up), found.num_rounds};
  }

  CrossEntropyOptions options_;
};

class TabuSolver final : public LocalQuadraticSolver {
 public:
  TabuSolver(const TabuOptions& options, double ridge, bool warm)
      : LocalQuadraticSolver("tabu", ridge),
        options_(options),
        start_(warm ? TabuStart::kReference : TabuStart::kRandom) {
    ADAROUND_CHECK(options.Validate().empty());
  }
  SizeLimit Limit() const override {
    SizeLimit limit;
    limit.max_row_length = kMaxGramLength;
    return limit;
  }
  int64_t PairBytes(const LayerExtent& layer, int num_threads) const override {
    return MadeGramBytes(layer, num_threads);
  }

 private:
  Decisions Search(const QuadraticProblem& quadratic, uint64_t stream,
                   const std::function<bool()>& should_stop) const override {
    TabuResult found = SearchByTabu(quadratic, options_, start_, stream, should_stop);
    return {std::move(found.up), found.num_flips};
  }

  TabuOptions options_;
  TabuStart start_;
};

}  // namespace

std::unique_ptr<RoundingSolver> MakeCrossEntropySolver(const CrossEntropyOptions& options,
                                                       double ridge) {
  return std::make_unique<CrossEntropySolver>(options, ridge);
}

std::unique_ptr<RoundingSolver> MakeTabuSolver(const TabuOptions& options, double ridge,
                                               bool warm) {
  return std::make_unique<TabuSolver>(options, ridge, warm);
}

}  // namespace adaround
