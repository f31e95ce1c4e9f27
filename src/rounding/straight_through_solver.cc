#include "rounding/straight_through_solver.h"

#include <algorithm>
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

// Columns that are squared at a time.
constexpr int64_t kColumnsPerProduct = 512;

// The data term's second derivative by each weight, [R, K], at the float network's pre-activations
// and before row weights: 2 / N sum of (f' x_hat_k)^2, and the ridge's part.
Matrix Curvature(const RoundingProblem& problem, const RowBlock& block) {
  const SampledColumns& samples = *problem.samples;
  const int64_t length = samples.row_length;
  Matrix sum = Matrix::Zero(block.num_rows(), length);
  Matrix slopes(block.num_rows(), kColumnsPerProduct);
  for (int64_t begin = 0; begin < samples.num_samples; begin += kColumnsPerProduct) {
    const int64_t count = std::min(kColumnsPerProduct, samples.num_samples - begin);
    for (int64_t r = 0; r < block.num_rows(); ++r) {
      const int64_t row = block.first_row + r;
      problem.activation.Of(row).Derivative(samples.RowTarget(row) + begin, slopes.row(r).data(),
                                            count);
    }
    const Matrix squares =
        ConstMatrixView(samples.GroupColumns(block.group) + begin * length, count, length)
            .cwiseAbs2();
    sum.noalias() += slopes.leftCols(count).cwiseAbs2() * squares;
  }
  sum *= 2.0F / static_cast<float>(samples.num_samples);
  sum.rowwise() += 2.0F * Eigen::Map<const Eigen::RowVectorXf>(block.ridge.data(), length);
  return sum;
}

class StraightThroughSolver final : public RoundingSolver {
 public:
  StraightThroughSolver(const AdaRoundOptions& options,
                        const StraightThroughOptions& straight_through)
      : options_(options), straight_through_(straight_through) {
    ADAROUND_CHECK(options.Validate().empty() && straight_through.Validate().empty());
  }

  RoundingResult Solve(const RoundingProblem& problem, const SolveContext& context) const override {
    const bool exact = HasExactGradient(ExtentOf(problem), options_);
    BlockNeeds needs;
    needs.gram = exact;
    needs.gram_target = exact;
    needs.ridge = options_.RidgeOrDefault();
    needs.normalize_rows = true;
    const std::vector<int64_t> traced = TracedIterations(options_);
    RoundingResult result = SolveRowBlocks(
        problem, context, needs,
        [&](const BlockInputs& inputs, RowBlock& block, RoundingSummary&,
            std::vector<int16_t>& integers) {
          const DataTerm term = inputs.MakeDataTerm(exact);
          StraightThroughWeights weights(problem, block);
          ReconstructionGradient loss(problem, options_.batch_size, context, term, block);
          Matrix pull = Curvature(problem, block);
          for (int64_t r = 0; r < pull.rows(); ++r) {
            pull.row(r) *= static_cast<float>(straight_through_.dampening) *
                           term.row_weight[static_cast<size_t>(r)];
          }
          // The decay's mean is 1/2.
          AdamSchedule adam(2.0 * straight_through_.reach /
                            static_cast<double>(std::max<int64_t>(1, options_.iterations)));
          for (int64_t step = 0; step < options_.iterations; ++step) {
            if (std::binary_search(traced.begin(), traced.end(), step)) {
              inputs.recorder.AtIteration(step, weights.weights());
            }
            loss.At(weights.weights(), step, weights.weight_gradient());
            weights.AddDampening(pull);
            AdamStep settings = adam.Next();
            settings.learning_rate *= Decay(step, options_.iterations);
            weights.Advance(settings);
          }
          inputs.recorder.AtIteration(options_.iterations, weights.weights());
          weights.StoreIntegers(problem, integers);
        });
    result.summary.strategy = "straight-through";
    result.summary.iterations = options_.iterations;
    return result;
  }
  bool SolvesRows(const LayerExtent& layer) const override { return layer.num_groups == 1; }
  bool StaysAtFloorOrCeil() const override { return false; }
  double Work(const LayerExtent& layer, int64_t /*num_columns*/) const override {
    return GradientWork(layer, options_);
  }
  int64_t PairBytes(const LayerExtent& layer, int num_threads) const override {
    const bool exact = HasExactGradient(layer, options_);
    return exact ? MadeGramBytes(layer, num_threads) : 0;
  }

 private:
  AdaRoundOptions options_;
  StraightThroughOptions straight_through_;
};

}  // namespace

std::unique_ptr<RoundingSolver> MakeStraightThroughSolver(
    const AdaRoundOptions& options, const StraightThroughOptions& straight_through) {
  return std::make_unique<StraightThroughSolver>(options, straight_through);
}

}  // namespace adaround
