#include "io/array_checks.h"

#include <cmath>
#include <cstring>

#include "io/file_error.h"
#include "tensor/finite.h"

namespace adaround {
namespace {

// "[2, 0, 5]" for the element at `flat` of a row-major array.
std::string IndexToString(const Shape& shape, int64_t flat, int64_t first_row) {
  Shape index(shape.size());
  for (size_t axis = shape.size(); axis-- > 0;) {
    index[axis] = flat % shape[axis];
    flat /= shape[axis];
  }
  if (!index.empty()) index[0] += first_row;
  return ShapeToString(index);
}

}  // namespace

void CheckBooleans(const Tensor& tensor, const std::string& what) {
  if (tensor.dtype() != DType::kBool) return;
  for (int64_t i = 0; i < tensor.num_elements(); ++i) {
    if (tensor.raw()[i] > 1) {
      ThrowMalformed(what, "the boolean at " + IndexToString(tensor.shape(), i, 0) +
                               " is the byte " + std::to_string(tensor.raw()[i]) +
                               ", must be 0 or 1");
    }
  }
}

void CheckFinite(const Tensor& tensor, const std::string& what, int64_t first_row) {
  if (tensor.dtype() != DType::kFloat32) return;
  const float* values = tensor.data<float>();
  const int64_t at = FirstNotFinite(values, tensor.num_elements());
  if (at == tensor.num_elements()) return;
  const char* kind = std::isnan(values[at]) ? "NaN" : values[at] > 0 ? "infinity" : "-infinity";
  ThrowMalformed(what, std::string("the value at ") + IndexToString(tensor.shape(), at, first_row) +
                           " is " + kind +
                           " as float32; every value must be finite: correct or leave out this "
                           "entry and write the file again");
}

void CheckNoNaN(const Tensor& tensor, const std::string& what) {
  if (tensor.dtype() != DType::kFloat32) return;
  const float* values = tensor.data<float>();
  for (int64_t i = 0; i < tensor.num_elements(); ++i) {
    if (!std::isnan(values[i])) continue;
    ThrowMalformed(what, "the value at " + IndexToString(tensor.shape(), i, 0) +
                             " is NaN; correct it and write the file again");
  }
}

Tensor ToFiniteFloat32(const Tensor& tensor, const std::string& what, int64_t first_row) {
  if (!IsFloat(tensor.dtype())) return tensor;
  Tensor result = ConvertTo(tensor, DType::kFloat32);
  CheckFinite(result, what, first_row);
  return result;
}

bool IsFloat(DType dtype) {
  return dtype == DType::kFloat32 || dtype == DType::kFloat64 || dtype == DType::kFloat16 ||
         dtype == DType::kBFloat16;
}

}  // namespace adaround
