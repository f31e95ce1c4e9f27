#include "rounding/gptq_solver.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <numeric>

#include "adaround/base/error.h"
#include "rounding/block_schedule.h"
#include "rounding/layer_gram.h"

namespace adaround {
namespace {

using MatrixInDouble = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// Rows that share a pass over the factor.
constexpr int64_t kMaxRowsPerBlock = 32;

// What the rows of a group share. Weights are taken in `order`; the factor's rows and columns are.
struct GroupData {
  std::vector<int64_t> order;
  // U, upper triangular with U^T U = H^-1, H = G + damping: row i tells how the weights after i
  // follow an error in it, once those before it are fixed.
  MatrixInDouble factor;
};

class GptqSolver final : public RoundingSolver {
 public:
  GptqSolver(const GptqOptions& options, double ridge) : options_(options), ridge_(ridge) {
    ADAROUND_CHECK(options.Validate().empty());
  }

  RoundingResult Solve(const RoundingProblem& problem, const SolveContext& context) const override;
  bool StaysAtFloorOrCeil() const override { return false; }
  RowLimit Limit() const override { return {kMaxGramLength, ""}; }
  int64_t PairBytes(const LayerExtent& layer, int num_threads) const override {
    // At the end of Prepare(): Cholesky's factor, its inverse, and that reversed.
    return 3 * GramBytes(layer, num_threads, sizeof(double));
  }

 private:
  GroupData Prepare(const SampledColumns& samples, int64_t group) const;
  void SolveBlock(const RoundingProblem& problem, const GroupData& data, const RowRange& rows,
                  std::vector<int16_t>& integers) const;

  GptqOptions options_;
  double ridge_;
};

GroupData GptqSolver::Prepare(const SampledColumns& samples, int64_t group) const {
  const int64_t length = samples.row_length;
  Eigen::MatrixXd hessian = GroupGramInDouble(samples, group);
  const std::vector<float> ridge = RidgeOf(samples, group, ridge_);
  for (int64_t k = 0; k < length; ++k) {
    hessian(k, k) += 2.0 * static_cast<double>(ridge[static_cast<size_t>(k)]);
  }
  CheckGram(hessian);
  const double mean_diagonal = hessian.diagonal().mean();
  if (mean_diagonal > 0.0) {
    hessian.diagonal().array() += options_.damping * mean_diagonal;
  } else {
    hessian.setIdentity();
  }
  GroupData data;
  data.order.resize(static_cast<size_t>(length));
  std::iota(data.order.begin(), data.order.end(), int64_t{0});
  if (options_.activation_order) {
    std::stable_sort(data.order.begin(), data.order.end(), [&](int64_t a, int64_t b) {
      return hessian(a, a) > hessian(b, b);
    });
  }
  // H with its order reversed is L L^T; so H = R R^T, where R is L with its order reversed, upper
  // triangular, and U = R^-1.
  Eigen::MatrixXd reversed(length, length);
  const auto at = [&](int64_t i) { return data.order[static_cast<size_t>(i)]; };
  for (int64_t i = 0; i < length; ++i) {
    for (int64_t j = 0; j < length; ++j) {
      reversed(i, j) = hessian(at(length - 1 - i), at(length - 1 - j));
    }
  }
  hessian.resize(0, 0);
  const Eigen::LLT<Eigen::Ref<Eigen::MatrixXd>> cholesky(reversed);
  if (cholesky.info() != Eigen::Success) {
    throw Error(ErrorCode::kNumerical,
                "the damped Hessian of the layer's inputs has no Cholesky factor; raise "
                "--gptq-damping");
  }
  Eigen::MatrixXd inverse = Eigen::MatrixXd::Identity(length, length);
  reversed.triangularView<Eigen::Lower>().solveInPlace(inverse);
  CheckGram(inverse);
  data.factor = inverse.reverse();
  return data;
}

void GptqSolver::SolveBlock(const RoundingProblem& problem, const GroupData& data,
                            const RowRange& rows, std::vector<int16_t>& integers) const {
  const int64_t length = problem.samples->row_length;
  const ConstMatrixView weights(problem.weights.data() + rows.first_row * length, rows.num_rows,
                                length);
  const Matrix gradient = LossGradient(problem, rows.group, rows.first_row, weights);
  CheckGram(gradient);
  MatrixInDouble wanted(rows.num_rows, length);
  MatrixInDouble slope(rows.num_rows, length);
  for (int64_t i = 0; i < length; ++i) {
    const int64_t k = data.order[static_cast<size_t>(i)];
    wanted.col(i) = weights.col(k).cast<double>();
    slope.col(i) = gradient.col(k).cast<double>();
  }
  // w* = w - H^-1 gradient.
  const MatrixInDouble half = slope * data.factor.transpose();
  wanted -= half * data.factor;
  for (int64_t r = 0; r < rows.num_rows; ++r) {
    const int64_t row = rows.first_row + r;
    for (int64_t i = 0; i < length; ++i) {
      const int64_t k = data.order[static_cast<size_t>(i)];
      const auto s = static_cast<size_t>(problem.grid.ScaleIndex(row, k, length));
      const auto scale = static_cast<double>(problem.grid.scale[s]);
      const int32_t zero_point = problem.grid.zero_point[s];
      const double position = std::clamp(std::round(wanted(r, i) / scale) + zero_point,
                                         static_cast<double>(problem.grid.q_min),
                                         static_cast<double>(problem.grid.q_max));
      integers[static_cast<size_t>(row * length + k)] = static_cast<int16_t>(position);
      const double error = wanted(r, i) - scale * (position - zero_point);
      wanted.row(r).tail(length - i) -=
          error / data.factor(i, i) * data.factor.row(i).tail(length - i);
    }
  }
}

RoundingResult GptqSolver::Solve(const RoundingProblem& problem,
                                 const SolveContext& context) const {
  const SampledColumns& samples = *problem.samples;
  std::vector<GroupData> groups(static_cast<size_t>(samples.num_groups));
  RoundingResult result;
  result.integers.resize(problem.weights.size());
  BlockSteps steps;
  steps.prepare = [&](int64_t group) {
    groups[static_cast<size_t>(group)] = Prepare(samples, group);
  };
  steps.solve = [&](const RowRange& rows) {
    SolveBlock(problem, groups[static_cast<size_t>(rows.group)], rows, result.integers);
    return RoundingSummary();
  };
  steps.release = [&](int64_t group) { groups[static_cast<size_t>(group)] = GroupData(); };
  result.summary = SolveInBlocks(samples, context, kMaxRowsPerBlock, steps);
  result.summary.strategy = "gptq";
  return result;
}

}  // namespace

std::unique_ptr<RoundingSolver> MakeGptqSolver(const GptqOptions& options, double ridge) {
  return std::make_unique<GptqSolver>(options, ridge);
}

}  // namespace adaround
