#include "adaround/tensor/shape.h"

#include "adaround/base/error.h"
#include "base/checked_math.h"

namespace adaround {

std::optional<int64_t> CheckedNumElements(const Shape& shape) {
  constexpr int64_t kLimit = int64_t{1} << 62;
  // An extent of zero anywhere makes the product zero, but the others must still be sound.
  int64_t product = 1;
  bool empty = false;
  for (const int64_t extent : shape) {
    if (extent < 0) return std::nullopt;
    if (extent == 0) {
      empty = true;
      continue;
    }
    const std::optional<int64_t> next = CheckedMultiply(product, extent);
    if (!next || *next > kLimit) return std::nullopt;
    product = *next;
  }
  return empty ? 0 : product;
}

int64_t NumElements(const Shape& shape) {
  const std::optional<int64_t> count = CheckedNumElements(shape);
  ADAROUND_CHECK(count.has_value());
  return *count;
}

std::string ShapeToString(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

Shape Strides(const Shape& shape) {
  Shape strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

}  // namespace adaround
