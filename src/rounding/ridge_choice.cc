#include "rounding/ridge_choice.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "adaround/base/error.h"
#include "base/checked_math.h"
#include "quant/range_estimator.h"
#include "rounding/gptq_rounding.h"
#include "rounding/layer_gram.h"

namespace adaround {
namespace {

constexpr std::array<double, 4> kRidges = {1.0, 0.2, 0.04, 0.008};
constexpr int64_t kMinImages = 10;
// Every fifth image is held back, the last of five.
constexpr int64_t kImagesPerFold = 5;
constexpr int64_t kMaxRows = 128;
constexpr int64_t kRowsPerRange = 32;

// Rows that are tried, and the loss's gradient [R, K] on the remaining images at the float weights.
struct TrialRows {
  RowRange rows;
  Matrix gradient;
};

struct TrialGroup {
  Eigen::MatrixXd gram;           // of the remaining images
  std::vector<float> unit_ridge;  // RidgeOf() at ridge 1, for as many images as remain
  std::vector<TrialRows> ranges;
};

// Those of one image lie side by side.
SampledColumns HeldBackColumns(const SampledColumns& samples, int64_t num_images) {
  const int64_t per_image = samples.num_samples / num_images;
  std::vector<int64_t> positions;
  for (int64_t image = kImagesPerFold - 1; image < num_images; image += kImagesPerFold) {
    for (int64_t i = 0; i < per_image; ++i) positions.push_back(image * per_image + i);
  }
  return SelectColumns(samples, positions);
}

class RidgeTrial {
 public:
  RidgeTrial(const RoundingProblem& problem, const GptqOptions& options,
             const Eigen::MatrixXd& gram, const SolveContext& context)
      : problem_(problem),
        options_(options),
        context_(context),
        held_back_(HeldBackColumns(*problem.samples, problem.samples->NumIndependent())),
        growth_(static_cast<double>(problem.samples->num_samples) /
                static_cast<double>(problem.samples->num_samples - held_back_.num_samples)) {
    const SampledColumns& samples = *problem.samples;
    const int64_t num_groups = std::min(kMaxTriedGroups, samples.num_groups);
    for (int64_t i = 0; i < num_groups; ++i) {
      const int64_t group = i * samples.num_groups / num_groups;
      groups_.push_back(MakeGroup(group, kMaxRows / num_groups, gram));
    }
    integers_.resize(problem.weights.size());
  }

  // Squared error on the images held back, summed over rows; infinite where GPTQ refuses.
  double ErrorAt(double ridge) {
    double error = 0.0;
    for (const TrialGroup& group : groups_) {
      if (context_.should_stop && context_.should_stop()) {
        throw Error(ErrorCode::kCancelled, "stopped on request");
      }
      std::vector<float> weighted = group.unit_ridge;
      for (float& value : weighted) value *= static_cast<float>(ridge);
      Eigen::MatrixXd hessian = group.gram;
      AddRidge(weighted, hessian);
      try {
        const GptqFactor factor = FactorHessian(std::move(hessian), options_, context_.num_threads);
        for (const TrialRows& trial : group.ranges) {
          RoundBySecondOrder(problem_, factor, trial.gradient, trial.rows, integers_);
          error += ErrorOf(trial.rows);
        }
      } catch (const Error& refusal) {
        if (refusal.code() != ErrorCode::kNumerical) throw;
        return std::numeric_limits<double>::infinity();
      }
    }
    return std::isfinite(error) ? error : std::numeric_limits<double>::infinity();
  }

 private:
  // The remaining images' mean, by those of all images and of the others.
  template <typename Value>
  Value Remaining(const Value& all, const Value& held_back) const {
    using Scalar = typename Value::Scalar;
    return static_cast<Scalar>(growth_) * all + static_cast<Scalar>(1.0 - growth_) * held_back;
  }

  TrialGroup MakeGroup(int64_t group, int64_t max_rows, const Eigen::MatrixXd& gram) const {
    const SampledColumns& samples = *problem_.samples;
    TrialGroup result;
    result.gram = GroupGram(held_back_, group, context_.num_threads);
    result.gram = Remaining(
        gram.size() > 0 ? gram : GroupGram(samples, group, context_.num_threads), result.gram);
    CheckGram(result.gram);
    result.unit_ridge = RidgeOf(samples, group, growth_);
    const int64_t rows_per_group = samples.RowsPerGroup();
    const int64_t num_ranges =
        std::min(CeilDivide(rows_per_group, kRowsPerRange), max_rows / kRowsPerRange);
    for (int64_t i = 0; i < num_ranges; ++i) {
      const int64_t begin = i * rows_per_group / num_ranges;
      const int64_t end = (i + 1) * rows_per_group / num_ranges;
      const RowRange rows = {group, group * rows_per_group + begin,
                             std::min(kRowsPerRange, end - begin)};
      const Matrix weights =
          ConstMatrixView(problem_.weights.data() + rows.first_row * samples.row_length,
                          rows.num_rows, samples.row_length);
      Matrix gradient =
          Remaining(LossGradient(problem_, samples, group, rows.first_row, weights),
                    LossGradient(problem_, held_back_, group, rows.first_row, weights));
      CheckGram(gradient);
      result.ranges.push_back({rows, std::move(gradient)});
    }
    return result;
  }

  double ErrorOf(const RowRange& rows) const {
    const int64_t length = held_back_.row_length;
    const std::vector<float> weights =
        DequantizeRows(integers_, rows.first_row, rows.num_rows, length, problem_.grid);
    const std::vector<double> errors =
        RowErrors(problem_, problem_.activation, held_back_, rows.first_row,
                  ConstMatrixView(weights.data(), rows.num_rows, length));
    return std::accumulate(errors.begin(), errors.end(), 0.0);
  }

  const RoundingProblem& problem_;
  const GptqOptions& options_;
  const SolveContext& context_;
  const SampledColumns held_back_;
  const double growth_;  // of all columns to those that remain
  std::vector<TrialGroup> groups_;
  std::vector<int16_t> integers_;  // [M, K], of the rows that are tried
};

}  // namespace

double ChooseRidge(const RoundingProblem& problem, const GptqOptions& options,
                   const Eigen::MatrixXd& gram, const SolveContext& context) {
  const SampledColumns& samples = *problem.samples;
  const int64_t num_images = samples.NumIndependent();
  if (num_images < kMinImages || samples.num_samples % num_images != 0) return kDefaultRidge;
  RidgeTrial trial(problem, options, gram, context);
  std::array<double, kRidges.size()> error;
  error[1] = trial.ErrorAt(kRidges[1]);
  error[2] = trial.ErrorAt(kRidges[2]);
  const size_t better = error[2] < error[1] ? 2 : 1;
  if (!std::isfinite(error[better])) return kDefaultRidge;
  const size_t further = better == 2 ? 3 : 0;
  error[further] = trial.ErrorAt(kRidges[further]);
  return kRidges[error[further] < error[better] ? further : better];
}

int64_t RidgeChoiceMatrices(int64_t num_groups) {
  return std::min(kMaxTriedGroups, num_groups) + 2;
}

}  // namespace adaround
