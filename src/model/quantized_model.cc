#include "adaround/model/quantized_model.h"

#include <cmath>

#include "adaround/base/error.h"
#include "quant/packing.h"

namespace adaround {

std::vector<std::string> QuantizedTensor::Validate() const {
  std::vector<std::string> violations;
  const std::optional<int64_t> count = CheckedNumElements(shape);
  const auto rank = static_cast<int64_t>(shape.size());
  if (!count || layout.axis < 0 || layout.axis >= rank || layout.groups < 1 ||
      (layout.groups > 1 && (layout.axis != 1 || shape[0] % layout.groups != 0))) {
    violations.push_back("axis " + std::to_string(layout.axis) + " with " +
                         std::to_string(layout.groups) + " groups does not fit shape " +
                         ShapeToString(shape));
    return violations;
  }
  const int64_t rows = layout.NumRows(shape);
  const int64_t row_length = layout.RowLength(shape);
  violations = grid.Validate(rows, row_length);
  if (static_cast<int64_t>(integers.size()) != *count) {
    violations.push_back("found " + std::to_string(integers.size()) + " integers, wanted " +
                         std::to_string(*count));
  }
  for (size_t i = 0; i < integers.size(); ++i) {
    if (integers[i] < grid.q_min || integers[i] > grid.q_max) {
      violations.push_back("integer " + std::to_string(i) + " is " + std::to_string(integers[i]) +
                           ", outside " + std::to_string(grid.q_min) + " to " +
                           std::to_string(grid.q_max));
      break;
    }
  }
  return violations;
}

Tensor QuantizedTensor::Dequantize() const {
  Tensor result(DType::kFloat32, shape);
  float* out = result.mutable_data<float>();
  const std::vector<int64_t> positions = layout.RowMajorPositions(shape);
  const int64_t row_length = layout.RowLength(shape);
  const int64_t rows = layout.NumRows(shape);
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t k = 0; k < row_length; ++k) {
      const auto at = static_cast<size_t>(positions[static_cast<size_t>(row * row_length + k)]);
      const auto s = static_cast<size_t>(grid.ScaleIndex(row, k, row_length));
      out[at] = grid.scale[s] * static_cast<float>(integers[at] - grid.zero_point[s]);
    }
  }
  return result;
}

int64_t QuantizedTensor::PackedBytes() const {
  const auto num_scales = static_cast<int64_t>(grid.scale.size());
  const bool has_zero_points = grid.q_min == 0;  // asymmetric: one byte each
  return PackedSize(static_cast<int64_t>(integers.size()), grid.bit_width) + 4 * num_scales +
         (has_zero_points ? num_scales : 0);
}

std::vector<std::string> QuantizedBias::Validate() const {
  std::vector<std::string> violations;
  if (integers.empty()) violations.push_back("holds no integers");
  if (scale.size() != 1 && scale.size() != integers.size()) {
    violations.push_back("found " + std::to_string(scale.size()) + " scales for " +
                         std::to_string(integers.size()) + " integers, wanted as many or 1");
  }
  for (const float value : scale) {
    if (std::isnormal(value) && value > 0.0F) continue;
    violations.push_back("scale " + std::to_string(value) + " is not a normal positive number");
    break;
  }
  return violations;
}

Tensor QuantizedBias::Dequantize() const {
  Tensor result(DType::kFloat32, {static_cast<int64_t>(integers.size())});
  float* out = result.mutable_data<float>();
  for (size_t i = 0; i < integers.size(); ++i) {
    out[i] = scale[scale.size() == 1 ? 0 : i] * static_cast<float>(integers[i]);
  }
  return result;
}

Graph QuantizedModel::Dequantized() const {
  Graph result = graph;
  for (const auto& [name, tensor] : weights) result.initializers[name] = tensor.Dequantize();
  for (const auto& [name, bias] : biases) result.initializers[name] = bias.Dequantize();
  return result;
}

}  // namespace adaround
