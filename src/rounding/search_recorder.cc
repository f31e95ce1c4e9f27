#include "rounding/search_recorder.h"

#include <algorithm>
#include <cmath>

#include "adaround/base/error.h"

namespace adaround {

void SearchRecorder::AtDecisions(const std::string& stage) {
  trace_.push_back({stage, 0, Loss(block_.HardWeights()), {}, 0});
}

SearchPoint& SearchRecorder::AtIteration(int64_t iteration, const Matrix& weights) {
  trace_.push_back({"relaxation", iteration, Loss(weights), {}, 0});
  return trace_.back();
}

void SearchRecorder::RepeatAt(int64_t iteration) {
  trace_.push_back(trace_.back());
  trace_.back().iteration = iteration;
}

double SearchRecorder::Loss(const Matrix& weights) const {
  const SampledColumns& samples = *problem_.samples;
  const int64_t count = std::min(kTracedColumns, samples.num_samples);
  const int64_t stride = samples.num_samples / count;
  const Eigen::Map<const Matrix, Eigen::Unaligned, Eigen::OuterStride<>> columns(
      samples.GroupColumns(block_.group), count, samples.row_length,
      Eigen::OuterStride<>(stride * samples.row_length));
  Matrix z(block_.num_rows(), count);
  z.noalias() = weights * columns.transpose();
  double sum = 0.0;
  for (int64_t r = 0; r < z.rows(); ++r) {
    const int64_t row = block_.first_row + r;
    z.row(r).array() += problem_.bias[static_cast<size_t>(row)];
    problem_.activation.Of(row).Apply(z.row(r).data(), z.row(r).data(), count);
    const float* target = block_.target.row(r).data();
    double of_row = 0.0;
    for (int64_t i = 0; i < count; ++i) {
      const double difference =
          static_cast<double>(z(r, i)) - static_cast<double>(target[i * stride]);
      of_row += difference * difference;
    }
    sum += of_row / static_cast<double>(count);
  }
  return sum;
}

std::vector<int64_t> TracedIterations(const AdaRoundOptions& options) {
  constexpr int kPartsAfterWarmStart = 5;
  const auto iterations = static_cast<double>(options.iterations);
  const double warm = options.warm_start_fraction * iterations;
  std::vector<int64_t> traced = {0, std::llround(0.5 * warm)};
  for (int part = 0; part <= kPartsAfterWarmStart; ++part) {
    traced.push_back(std::llround(warm + (iterations - warm) * part / kPartsAfterWarmStart));
  }
  traced.erase(std::unique(traced.begin(), traced.end()), traced.end());
  return traced;
}

void SumTraces(const SearchTrace& block, SearchTrace& sum) {
  if (sum.empty()) {
    sum = block;
    return;
  }
  ADAROUND_CHECK(sum.size() == block.size());
  for (size_t i = 0; i < block.size(); ++i) {
    ADAROUND_CHECK(sum[i].stage == block[i].stage && sum[i].iteration == block[i].iteration);
    sum[i].loss += block[i].loss;
    sum[i].num_undecided += block[i].num_undecided;
    ADAROUND_CHECK(sum[i].soft_roundings.size() == block[i].soft_roundings.size());
    for (size_t bin = 0; bin < block[i].soft_roundings.size(); ++bin) {
      sum[i].soft_roundings[bin] += block[i].soft_roundings[bin];
    }
  }
}

void DivideLosses(int64_t num_rows, SearchTrace& sum) {
  for (SearchPoint& point : sum) point.loss /= static_cast<double>(num_rows);
}

}  // namespace adaround
