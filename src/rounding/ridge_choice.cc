#include "rounding/ridge_choice.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "adaround/base/error.h"
#include "base/checked_math.h"
#include "rounding/gptq_rounding.h"
#include "rounding/layer_gram.h"

namespace adaround {
namespace {

constexpr std::array<double, 4> kRidges = {1.0, 0.2, 0.04, 0.008};
constexpr int64_t kMinImages = 10;
// Every fifth image is held back, the last of five.
constexpr int64_t kImagesPerFold = 5;
constexpr int64_t kMaxGroups = 4;
constexpr int64_t kMaxRows = 128;
constexpr int64_t kRowsPerRange = 16;

// How the columns are split; those of one image lie side by side.
struct Split {
  int64_t num_images = 0;
  int64_t columns_per_image = 0;

  int64_t NumHeldBack() const { return num_images / kImagesPerFold; }
  int64_t HeldBackImage(int64_t i) const { return (i + 1) * kImagesPerFold - 1; }
  // Of all columns to those that remain.
  double Growth() const {
    return static_cast<double>(num_images) / static_cast<double>(num_images - NumHeldBack());
  }
};

// Rows that are tried, with what GPTQ needs of them.
struct TrialRows {
  RowRange rows;
  Matrix gradient;  // [R, K]: of the remaining images, at the float weights
  Matrix target;    // [R, held back], f of the float network's pre-activations
};

struct TrialGroup {
  Eigen::MatrixXd gram;  // of the remaining images
  std::vector<float> unit_ridge;  // RidgeOf() at ridge 1, by the remaining images
  Matrix columns;        // [held back, K]
  std::vector<TrialRows> ranges;
};

Matrix HeldBackColumns(const SampledColumns& samples, const Split& split, int64_t group) {
  const ConstMatrixView all(samples.GroupColumns(group), samples.num_samples, samples.row_length);
  const int64_t count = split.columns_per_image;
  Matrix result(split.NumHeldBack() * count, samples.row_length);
  for (int64_t i = 0; i < split.NumHeldBack(); ++i) {
    result.middleRows(i * count, count) =
        all.middleRows(split.HeldBackImage(i) * count, count);
  }
  return result;
}

// Before the activation.
Matrix HeldBackTarget(const SampledColumns& samples, const Split& split, const RowRange& rows) {
  const int64_t count = split.columns_per_image;
  Matrix result(rows.num_rows, split.NumHeldBack() * count);
  for (int64_t r = 0; r < rows.num_rows; ++r) {
    const float* target = samples.RowTarget(rows.first_row + r);
    for (int64_t i = 0; i < split.NumHeldBack(); ++i) {
      std::copy_n(target + split.HeldBackImage(i) * count, count,
                  result.row(r).data() + i * count);
    }
  }
  return result;
}

class RidgeTrial {
 public:
  RidgeTrial(const RoundingProblem& problem, const GptqOptions& options, const Split& split,
             const Eigen::MatrixXd& gram, const SolveContext& context)
      : problem_(problem), options_(options), split_(split), context_(context) {
    const SampledColumns& samples = *problem.samples;
    const int64_t num_groups = std::min(kMaxGroups, samples.num_groups);
    for (int64_t i = 0; i < num_groups; ++i) {
      const int64_t group = i * samples.num_groups / num_groups;
      groups_.push_back(MakeGroup(group, kMaxRows / num_groups, gram));
    }
    integers_.resize(problem.weights.size());
  }

  // Squared error on the images held back, summed; infinite where GPTQ refuses.
  double ErrorAt(double ridge) {
    double error = 0.0;
    for (const TrialGroup& group : groups_) {
      if (context_.should_stop && context_.should_stop()) {
        throw Error(ErrorCode::kCancelled, "stopped on request");
      }
      Eigen::MatrixXd hessian = group.gram;
      hessian.diagonal() += 2.0 * ridge *
                            Eigen::Map<const Eigen::VectorXf>(group.unit_ridge.data(),
                                                              hessian.rows()).cast<double>();
      try {
        const GptqFactor factor = FactorHessian(std::move(hessian), options_, context_.num_threads);
        for (const TrialRows& trial : group.ranges) {
          RoundBySecondOrder(problem_, factor, trial.gradient, trial.rows, integers_);
          error += SquaredError(group, trial);
        }
      } catch (const Error& refusal) {
        if (refusal.code() != ErrorCode::kNumerical) throw;
        return std::numeric_limits<double>::infinity();
      }
    }
    return std::isfinite(error) ? error : std::numeric_limits<double>::infinity();
  }

 private:
  TrialGroup MakeGroup(int64_t group, int64_t max_rows, const Eigen::MatrixXd& gram) const {
    const SampledColumns& samples = *problem_.samples;
    TrialGroup result;
    result.columns = HeldBackColumns(samples, split_, group);
    const ConstMatrixView held_back(result.columns.data(), result.columns.rows(),
                                    result.columns.cols());
    const double growth = split_.Growth();
    // The remaining images' mean is what all images' and the others' leave.
    result.gram = GramOf(held_back, context_.num_threads);
    result.gram *= 1.0 - growth;
    result.gram +=
        growth * (gram.size() > 0 ? gram : GroupGram(samples, group, context_.num_threads));
    CheckGram(result.gram);
    result.unit_ridge = RidgeOf(samples, group, growth);
    const int64_t rows_per_group = samples.RowsPerGroup();
    const int64_t num_ranges =
        std::min(CeilDivide(rows_per_group, kRowsPerRange), max_rows / kRowsPerRange);
    for (int64_t i = 0; i < num_ranges; ++i) {
      const int64_t begin = i * rows_per_group / num_ranges;
      const int64_t end = (i + 1) * rows_per_group / num_ranges;
      result.ranges.push_back(MakeRows(
          {group, group * rows_per_group + begin, std::min(kRowsPerRange, end - begin)},
          held_back));
    }
    return result;
  }

  TrialRows MakeRows(const RowRange& rows, const ConstMatrixView& held_back) const {
    const SampledColumns& samples = *problem_.samples;
    TrialRows result;
    result.rows = rows;
    result.target = HeldBackTarget(samples, split_, rows);
    const ConstMatrixView weights(problem_.weights.data() + rows.first_row * samples.row_length,
                                  rows.num_rows, samples.row_length);
    Matrix residual = PreActivations(rows, weights, held_back) - result.target;
    const auto growth = static_cast<float>(split_.Growth());
    const float mean = 2.0F / static_cast<float>(held_back.rows());
    result.gradient =
        growth * LossGradient(problem_, rows.group, rows.first_row, weights);
    result.gradient += (1.0F - growth) * mean * (residual * held_back);
    for (int64_t r = 0; r < rows.num_rows; ++r) {
      float* target = result.target.row(r).data();
      problem_.activation.Of(rows.first_row + r).Apply(target, target, result.target.cols());
    }
    return result;
  }

  Matrix PreActivations(const RowRange& rows, const Matrix& weights,
                        const ConstMatrixView& columns) const {
    Matrix z(rows.num_rows, columns.rows());
    z.noalias() = weights * columns.transpose();
    for (int64_t r = 0; r < rows.num_rows; ++r) {
      z.row(r).array() += problem_.bias[static_cast<size_t>(rows.first_row + r)];
    }
    return z;
  }

  double SquaredError(const TrialGroup& group, const TrialRows& trial) const {
    const int64_t length = problem_.samples->row_length;
    Matrix weights(trial.rows.num_rows, length);
    for (int64_t r = 0; r < weights.rows(); ++r) {
      const int64_t row = trial.rows.first_row + r;
      for (int64_t k = 0; k < length; ++k) {
        const auto s = static_cast<size_t>(problem_.grid.ScaleIndex(row, k, length));
        const int integer = integers_[static_cast<size_t>(row * length + k)];
        weights(r, k) =
            problem_.grid.scale[s] * static_cast<float>(integer - problem_.grid.zero_point[s]);
      }
    }
    const ConstMatrixView columns(group.columns.data(), group.columns.rows(), length);
    Matrix z = PreActivations(trial.rows, weights, columns);
    for (int64_t r = 0; r < z.rows(); ++r) {
      float* value = z.row(r).data();
      problem_.activation.Of(trial.rows.first_row + r).Apply(value, value, z.cols());
    }
    return (z - trial.target).cast<double>().squaredNorm();
  }

  const RoundingProblem& problem_;
  const GptqOptions& options_;
  const Split split_;
  const SolveContext& context_;
  std::vector<TrialGroup> groups_;
  std::vector<int16_t> integers_;  // [M, K], of the rows that are tried
};

}  // namespace

double ChooseRidge(const RoundingProblem& problem, const GptqOptions& options,
                   const Eigen::MatrixXd& gram, const SolveContext& context) {
  const SampledColumns& samples = *problem.samples;
  const int64_t num_images = samples.NumIndependent();
  if (num_images < kMinImages || samples.num_samples % num_images != 0) return kDefaultRidge;
  RidgeTrial trial(problem, options, {num_images, samples.num_samples / num_images}, gram, context);
  std::array<double, kRidges.size()> error;
  error[1] = trial.ErrorAt(kRidges[1]);
  error[2] = trial.ErrorAt(kRidges[2]);
  const size_t better = error[2] < error[1] ? 2 : 1;
  if (!std::isfinite(error[better])) return kDefaultRidge;
  const size_t further = better == 2 ? 3 : 0;
  error[further] = trial.ErrorAt(kRidges[further]);
  return kRidges[error[further] < error[better] ? further : better];
}

int64_t RidgeChoiceMatrices(int64_t num_groups) { return std::min(kMaxGroups, num_groups) + 2; }

}  // namespace adaround
