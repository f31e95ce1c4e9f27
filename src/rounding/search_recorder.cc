#include "rounding/search_recorder.h"

#include <algorithm>
#include <cmath>

#include "adaround/base/error.h"

namespace adaround {
namespace {

void AddTrace(const SearchTrace& block, SearchTrace& sum) {
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

}  // namespace

SearchRecorder::SearchRecorder(const RoundingProblem& problem, const RowBlock& block,
                               SearchTrace& trace)
    : problem_(problem), block_(block), trace_(trace) {
  const SampledColumns& samples = *problem.samples;
  const int64_t count = std::min(kTracedColumns, samples.num_samples);
  const int64_t stride = samples.num_samples / count;
  columns_ = Eigen::Map<const Matrix, Eigen::Unaligned, Eigen::OuterStride<>>(
      samples.GroupColumns(block.group), count, samples.row_length,
      Eigen::OuterStride<>(stride * samples.row_length));
  target_.resize(block.num_rows(), count);
  for (int64_t r = 0; r < target_.rows(); ++r) {
    for (int64_t i = 0; i < count; ++i) target_(r, i) = block.target(r, i * stride);
  }
}

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
  Matrix z(block_.num_rows(), columns_.rows());
  z.noalias() = weights * columns_.transpose();
  double sum = 0.0;
  for (int64_t r = 0; r < z.rows(); ++r) {
    const int64_t row = block_.first_row + r;
    z.row(r).array() += problem_.bias[static_cast<size_t>(row)];
    problem_.activation.Of(row).Apply(z.row(r).data(), z.row(r).data(), z.cols());
    sum += (z.row(r) - target_.row(r)).cast<double>().squaredNorm();
  }
  return sum / static_cast<double>(z.cols());
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

SearchTrace JoinTraces(const std::vector<SearchTrace>& blocks, int64_t num_rows) {
  SearchTrace sum;
  for (const SearchTrace& block : blocks) AddTrace(block, sum);
  for (SearchPoint& point : sum) point.loss /= static_cast<double>(num_rows);
  return sum;
}

}  // namespace adaround
