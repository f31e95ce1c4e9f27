#include "rounding/gptq_solver.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>
#include <utility>

#include "adaround/base/error.h"
#include "rounding/block_schedule.h"
#include "rounding/damped_inverse.h"
#include "rounding/layer_gram.h"

namespace adaround {
namespace {

// Rows that share a pass over the factor.
constexpr int64_t kMaxRowsPerBlock = 32;

// What the rows of a group share. Weights are taken in `order`; the factor's rows and columns are.
struct GroupData {
  std::vector<int64_t> order;
  // U, upper triangular with U^T U = H^-1, H = G + damping: row i tells how the weights after i
  // follow an error in it, once those before it are fixed.
  MatrixInDouble factor;
  double damping = 0.0;  // that H has
};

class GptqSolver final : public RoundingSolver {
 public:
  GptqSolver(const GptqOptions& options, double ridge) : options_(options), ridge_(ridge) {
    ADAROUND_CHECK(options.Validate().empty());
  }

  RoundingResult Solve(const RoundingProblem& problem, const SolveContext& context) const override;
  bool StaysAtFloorOrCeil() const override { return false; }
  SizeLimit Limit() const override {
    SizeLimit limit;
    limit.max_row_length = kMaxGramLength;
    return limit;
  }
  int64_t PairBytes(const LayerExtent& layer, int num_threads) const override {
    return 2 * GramBytes(layer, num_threads, sizeof(double));
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
  AddRidge(RidgeOf(samples, group, ridge_), hessian);
  CheckGram(hessian);
  // Without data all weights are alike, and none follows another's error.
  if (!(hessian.diagonal().sum() > 0.0)) hessian.setIdentity();
  GroupData data;
  data.order.resize(static_cast<size_t>(length));
  std::iota(data.order.begin(), data.order.end(), int64_t{0});
  if (options_.activation_order) {
    std::stable_sort(data.order.begin(), data.order.end(), [&](int64_t a, int64_t b) {
      return hessian(a, a) > hessian(b, b);
    });
  }
  Eigen::MatrixXd ordered(length, length);
  const auto at = [&](int64_t i) { return data.order[static_cast<size_t>(i)]; };
  for (int64_t j = 0; j < length; ++j) {
    for (int64_t i = 0; i < length; ++i) ordered(i, j) = hessian(at(i), at(j));
  }
  hessian.resize(0, 0);  // two [K, K] at a time
  DampedInverse inverse = FactorDampedInverse(std::move(ordered), options_.damping);
  data.factor = std::move(inverse.factor);
  data.damping = inverse.damping;
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
  std::vector<double> damping(groups.size());
  RoundingResult result;
  result.integers.resize(problem.weights.size());
  BlockSteps steps;
  steps.prepare = [&](int64_t group) {
    groups[static_cast<size_t>(group)] = Prepare(samples, group);
    damping[static_cast<size_t>(group)] = groups[static_cast<size_t>(group)].damping;
  };
  steps.solve = [&](const RowRange& rows) {
    SolveBlock(problem, groups[static_cast<size_t>(rows.group)], rows, result.integers);
    return RoundingSummary();
  };
  steps.release = [&](int64_t group) { groups[static_cast<size_t>(group)] = GroupData(); };
  result.summary = SolveInBlocks(samples, context, kMaxRowsPerBlock, steps);
  result.summary.strategy = "gptq";
  const double largest = *std::max_element(damping.begin(), damping.end());
  if (largest > options_.damping) {
    std::ostringstream raised;
    raised << ", damping raised to " << largest;
    result.summary.strategy += raised.str();
  }
  return result;
}

}  // namespace

std::unique_ptr<RoundingSolver> MakeGptqSolver(const GptqOptions& options, double ridge) {
  return std::make_unique<GptqSolver>(options, ridge);
}

}  // namespace adaround
