#include "bench/layer_problem.h"

#include <map>
#include <memory>
#include <random>

#include "quant/range_estimator.h"
#include "tensor/eigen_view.h"

namespace adaround::bench {

const std::vector<LayerShape>& LayerShapes() {
  static const std::vector<LayerShape> shapes = {
      {"64x576", 1, 64, 576, 8192, true},    {"256x2304", 1, 256, 2304, 8192, true},
      {"16x144", 1, 16, 144, 8192, true},    {"1000x512", 1, 1000, 512, 1024, false},
      {"144of1x9", 144, 144, 9, 8192, true}, {"144x24", 1, 144, 24, 8192, true},
  };
  return shapes;
}

LayerProblem::LayerProblem(const LayerShape& shape) {
  samples_.num_groups = shape.num_groups;
  samples_.num_rows = shape.num_rows;
  samples_.row_length = shape.row_length;
  samples_.num_samples = shape.num_samples;
  std::minstd_rand generator(1);
  std::normal_distribution<float> normal;
  const auto draw = [&](int64_t count) {
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = normal(generator);
    return values;
  };
  samples_.x_hat = draw(shape.num_groups * shape.num_samples * shape.row_length);
  // What the inputs of one column have in common.
  for (int64_t i = 0; i < shape.num_groups * shape.num_samples; ++i) {
    const float common = 0.3F + normal(generator);
    for (int64_t k = 0; k < shape.row_length; ++k) {
      samples_.x_hat[static_cast<size_t>(i * shape.row_length + k)] += common;
    }
  }
  problem_.weights = draw(shape.num_rows * shape.row_length);
  problem_.bias = draw(shape.num_rows);
  samples_.target.resize(static_cast<size_t>(shape.num_rows * shape.num_samples));
  const int64_t rows = samples_.RowsPerGroup();
  for (int64_t group = 0; group < shape.num_groups; ++group) {
    const ConstMatrixView weights(problem_.weights.data() + group * rows * shape.row_length, rows,
                                  shape.row_length);
    const ConstMatrixView columns(samples_.GroupColumns(group), shape.num_samples,
                                  shape.row_length);
    MatrixView target(samples_.target.data() + group * rows * shape.num_samples, rows,
                      shape.num_samples);
    target.noalias() = weights * columns.transpose();
    for (int64_t r = 0; r < rows; ++r) {
      target.row(r).array() += problem_.bias[static_cast<size_t>(group * rows + r)];
    }
  }
  problem_.grid = MakeGrid(4, true, Granularity::kPerChannel, 0);
  if (shape.relu) problem_.activation.function = MakeRelu();
  problem_.samples = &samples_;
  EstimateRange({RangeEstimator::kMinMax},
                {problem_.weights.data(), shape.num_rows, shape.row_length}, {}, 1, problem_.grid);
}

const RoundingProblem& ProblemOf(const LayerShape& shape) {
  static std::map<std::string, std::unique_ptr<LayerProblem>> problems;
  std::unique_ptr<LayerProblem>& problem = problems[shape.name];
  if (!problem) problem = std::make_unique<LayerProblem>(shape);
  return problem->problem();
}

DataTerm FirstBlock::MakeDataTerm(bool exact) const {
  DataTerm term;
  term.row_weight = row_weight;
  if (exact) {
    term.gram = &gram;
    term.gram_target = &gram_target;
  }
  return term;
}

FirstBlock TakeFirstBlock(const RoundingProblem& problem, const BlockNeeds& needs) {
  FirstBlock first;
  SolveRowBlocks(
      problem, {}, needs,
      [&](const BlockInputs& inputs, RowBlock& block, RoundingSummary&, std::vector<int16_t>&) {
        if (block.first_row != 0) return;
        first = {block, inputs.features, inputs.gram, inputs.gram_target, inputs.row_weight};
      });
  return first;
}

}  // namespace adaround::bench
