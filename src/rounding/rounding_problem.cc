#include "rounding/rounding_problem.h"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "base/checked_math.h"
#include "base/parallel_for.h"
#include "tensor/eigen_view.h"

namespace adaround {
namespace {

constexpr int64_t kRowsPerTask = 32;
constexpr int64_t kSamplesPerProduct = 512;

void AddViolation(std::vector<std::string>& violations, bool holds, const std::string& text) {
  if (!holds) violations.push_back(text);
}

bool AllFinite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

}  // namespace

std::vector<std::string> RoundingProblem::Validate() const {
  std::vector<std::string> violations;
  if (samples == nullptr) return {"no samples given"};
  const int64_t rows = samples->num_rows;
  const int64_t length = samples->row_length;
  AddViolation(violations, samples->num_groups >= 1 && rows % samples->num_groups == 0,
               "rows do not divide into groups");
  AddViolation(violations, samples->num_samples >= 1, "no samples");
  AddViolation(violations, static_cast<int64_t>(weights.size()) == rows * length,
               "weights do not fill rows x row_length");
  AddViolation(violations, static_cast<int64_t>(bias.size()) == rows, "one bias per row is needed");
  AddViolation(violations,
               static_cast<int64_t>(samples->x_hat.size()) ==
                   samples->num_groups * samples->num_samples * length,
               "x_hat does not fill groups x samples x row_length");
  AddViolation(violations,
               static_cast<int64_t>(samples->target.size()) == rows * samples->num_samples,
               "target does not fill rows x samples");
  for (const auto* values :
       {&activation.lower, &activation.upper, &activation.negative_slope}) {
    AddViolation(violations, values->empty() || static_cast<int64_t>(values->size()) == rows,
                 "one activation bound or slope per row is needed");
  }
  AddViolation(violations, AllFinite(weights) && AllFinite(bias), "weights are not finite");
  AddViolation(violations, AllFinite(samples->x_hat) && AllFinite(samples->target),
               "sampled activations are not finite");
  for (const std::string& violation : grid.Validate(rows, length)) violations.push_back(violation);
  return violations;
}

std::vector<double> RowErrors(const RoundingProblem& problem, const ChannelActivation& function,
                              const SampledColumns& samples, int64_t first_row,
                              const ConstMatrixView& rounded_weights) {
  const int64_t rows = rounded_weights.rows();
  const int64_t length = samples.row_length;
  const int64_t group = first_row / samples.RowsPerGroup();
  std::vector<double> errors(static_cast<size_t>(rows), 0.0);
  Matrix z(rows, kSamplesPerProduct);
  std::vector<float> wanted(kSamplesPerProduct);
  for (int64_t begin = 0; begin < samples.num_samples; begin += kSamplesPerProduct) {
    const int64_t count = std::min(kSamplesPerProduct, samples.num_samples - begin);
    const ConstMatrixView columns(samples.GroupColumns(group) + begin * length, count, length);
    z.leftCols(count).noalias() = rounded_weights * columns.transpose();
    for (int64_t r = 0; r < rows; ++r) {
      float* values = z.row(r).data();
      const float bias = problem.bias[static_cast<size_t>(first_row + r)];
      for (int64_t i = 0; i < count; ++i) values[i] += bias;
      const Activation activation = function.Of(first_row + r);
      activation.Apply(values, values, count);
      activation.Apply(samples.RowTarget(first_row + r) + begin, wanted.data(), count);
      float partial = 0.0F;
      for (int64_t i = 0; i < count; ++i) {
        const float difference = values[i] - wanted[static_cast<size_t>(i)];
        partial += difference * difference;
      }
      errors[static_cast<size_t>(r)] += static_cast<double>(partial);
    }
  }
  for (double& error : errors) error /= static_cast<double>(samples.num_samples);
  return errors;
}

std::vector<double> RowErrors(const RoundingProblem& problem, const ChannelActivation& function,
                              const SampledColumns& samples,
                              const std::vector<float>& rounded_weights, int num_threads) {
  const int64_t rows_per_group = samples.RowsPerGroup();
  const int64_t tasks_per_group = CeilDivide(rows_per_group, kRowsPerTask);
  const int64_t length = samples.row_length;
  std::vector<double> errors(static_cast<size_t>(samples.num_rows), 0.0);
  ParallelFor(samples.num_groups * tasks_per_group, num_threads, [&](int64_t task) {
    const int64_t group = task / tasks_per_group;
    const int64_t first = group * rows_per_group + (task % tasks_per_group) * kRowsPerTask;
    const int64_t rows = std::min(kRowsPerTask, (group + 1) * rows_per_group - first);
    const std::vector<double> some =
        RowErrors(problem, function, samples, first,
                  ConstMatrixView(rounded_weights.data() + first * length, rows, length));
    std::copy(some.begin(), some.end(), errors.begin() + first);
  });
  return errors;
}

std::vector<double> RowErrors(const RoundingProblem& problem, const SampledColumns& samples,
                              const std::vector<float>& rounded_weights, int num_threads) {
  return RowErrors(problem, problem.activation, samples, rounded_weights, num_threads);
}

SampledColumns SelectColumns(const SampledColumns& samples, const std::vector<int64_t>& positions) {
  SampledColumns selected;
  selected.num_groups = samples.num_groups;
  selected.num_rows = samples.num_rows;
  selected.row_length = samples.row_length;
  selected.num_samples = static_cast<int64_t>(positions.size());
  for (int64_t group = 0; group < samples.num_groups; ++group) {
    for (const int64_t i : positions) {
      const float* column = samples.GroupColumns(group) + i * samples.row_length;
      selected.x_hat.insert(selected.x_hat.end(), column, column + samples.row_length);
    }
  }
  for (int64_t row = 0; row < samples.num_rows; ++row) {
    for (const int64_t i : positions) selected.target.push_back(samples.RowTarget(row)[i]);
  }
  return selected;
}

SampledColumns ThinColumns(const SampledColumns& samples, int64_t max_samples) {
  const int64_t count = std::min(samples.num_samples, max_samples);
  std::vector<int64_t> positions;
  for (int64_t i = 0; i < count; ++i) positions.push_back(i * samples.num_samples / count);
  SampledColumns thin = SelectColumns(samples, positions);
  thin.num_images = std::min(samples.num_images, count);
  return thin;
}

double MeanError(const std::vector<double>& row_errors) {
  double sum = 0.0;
  for (const double error : row_errors) sum += error;
  return row_errors.empty() ? 0.0 : sum / static_cast<double>(row_errors.size());
}

}  // namespace adaround
