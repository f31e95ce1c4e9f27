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

// Rows that share a pass over the factor: more of them where that leaves enough blocks to threads.
int64_t MaxRowsPerBlock(const SampledColumns& samples) {
  return samples.RowsPerGroup() >= 2048 ? 128 : 32;
}
// Weights whose errors reach the weights behind them in one product of matrices.
constexpr int64_t kWeightsPerUpdate = 128;

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
  struct WeightRange {
    int64_t begin = 0;
    int64_t end = 0;
  };
  // Rounds the weights of one range of one row, in data.order; `wanted` [K] of the row is kept up
  // within the range, and `errors` [its length] is what the weights behind it follow.
  static void RoundRange(const RoundingProblem& problem, const GroupData& data,
                           const WeightRange& range, int64_t row, double* wanted, double* errors,
                           std::vector<int16_t>& integers);
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
  const auto factor = data.factor.triangularView<Eigen::Upper>();
  const MatrixInDouble half = slope * factor.transpose();
  wanted -= half * factor;
  MatrixInDouble errors;
  for (int64_t begin = 0; begin < length; begin += kWeightsPerUpdate) {
    const int64_t end = std::min(begin + kWeightsPerUpdate, length);
    errors.resize(rows.num_rows, end - begin);
    for (int64_t r = 0; r < rows.num_rows; ++r) {
      RoundRange(problem, data, {begin, end}, rows.first_row + r, wanted.row(r).data(),
                   errors.row(r).data(), integers);
    }
    wanted.rightCols(length - end).noalias() -=
        errors * data.factor.block(begin, end, end - begin, length - end);
  }
}

void GptqSolver::RoundRange(const RoundingProblem& problem, const GroupData& data,
                              const WeightRange& range, int64_t row, double* wanted, double* errors,
                              std::vector<int16_t>& integers) {
  const int64_t length = problem.samples->row_length;
  for (int64_t i = range.begin; i < range.end; ++i) {
    const int64_t k = data.order[static_cast<size_t>(i)];
    const auto s = static_cast<size_t>(problem.grid.ScaleIndex(row, k, length));
    const auto scale = static_cast<double>(problem.grid.scale[s]);
    const int32_t zero_point = problem.grid.zero_point[s];
    const double position = std::clamp(std::round(wanted[i] / scale) + zero_point,
                                       static_cast<double>(problem.grid.q_min),
                                       static_cast<double>(problem.grid.q_max));
    integers[static_cast<size_t>(row * length + k)] = static_cast<int16_t>(position);
    const double* follow = data.factor.row(i).data();
    const double error = (wanted[i] - scale * (position - zero_point)) / follow[i];
    errors[i - range.begin] = error;
    for (int64_t j = i + 1; j < range.end; ++j) wanted[j] -= error * follow[j];
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
  result.summary = SolveInBlocks(samples, context, MaxRowsPerBlock(samples), steps);
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
