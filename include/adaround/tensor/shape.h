// Shapes of tensors: row-major extents, outermost first.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace adaround {

// Every extent is >= 0; a scalar is the empty shape.
using Shape = std::vector<int64_t>;

// More dimensions than this are refused by every reader.
inline constexpr size_t kMaxRank = 8;

// The product of the extents; nothing where one is negative or the product exceeds 2^62.
std::optional<int64_t> CheckedNumElements(const Shape& shape);

// As above for shapes already known to be sound.  REQUIRES: CheckedNumElements(shape) has a value.
int64_t NumElements(const Shape& shape);

// "[2, 3, 4]"
std::string ShapeToString(const Shape& shape);

// Row-major strides in elements.
Shape Strides(const Shape& shape);

}  // namespace adaround
