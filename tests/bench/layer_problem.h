// Rounding problems of the sizes that layers of well-known networks have.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rounding/block_driver.h"
#include "rounding/rounding_problem.h"

namespace adaround::bench {

struct LayerShape {
  std::string name;
  int64_t num_groups = 1;
  int64_t num_rows = 0;
  int64_t row_length = 0;
  int64_t num_samples = 0;  // columns, as many as the pipeline draws by default
  bool relu = true;
};

// From 3x3 convolutions of ResNets down to a depthwise and a pointwise one of MobileNetV2.
const std::vector<LayerShape>& LayerShapes();

// Seeded weights and correlated columns on a per-channel grid of 4 bits.
class LayerProblem {
 public:
  explicit LayerProblem(const LayerShape& shape);
  LayerProblem(const LayerProblem&) = delete;
  LayerProblem& operator=(const LayerProblem&) = delete;

  const RoundingProblem& problem() const { return problem_; }

 private:
  SampledColumns samples_;
  RoundingProblem problem_;
};

// The problem of a shape in LayerShapes(), made once and kept.
const RoundingProblem& ProblemOf(const LayerShape& shape);

// A layer's first block as the driver makes it, with what it is given.
struct FirstBlock {
  RowBlock block;
  Matrix features;
  Matrix gram;
  Matrix gram_target;
  std::vector<float> row_weight;

  // With the Gram form where `exact`; refers to this.
  DataTerm MakeDataTerm(bool exact) const;
};
FirstBlock TakeFirstBlock(const RoundingProblem& problem, const BlockNeeds& needs);

}  // namespace adaround::bench
