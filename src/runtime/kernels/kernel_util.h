// What every kernel needs: refusals, checked access to inputs, checked outputs.
#pragma once

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "adaround/base/error.h"
#include "runtime/kernel.h"

namespace adaround::kernels {

// No single output may hold more elements than this: a small file must not ask for all the memory.
inline constexpr int64_t kMaxOutputElements = int64_t{1} << 31;

[[noreturn]] void Malformed(const std::string& message);
[[noreturn]] void Unsupported(const std::string& message);

// For factories. Throws unless the node names between `min` and `max` inputs, the first `min` not
// left out.
void CheckInputCount(const Node& node, size_t min, size_t max);
// For factories. Throws Error(kUnsupported) where the node names an output beyond `supported`, and
// Error(kMalformed) where it names none at all.
void CheckOutputCount(const Node& node, size_t supported = 1);
// Both, for the usual operator with one output.
void CheckArity(const Node& node, size_t min_inputs, size_t max_inputs);

// The input, or nullptr where it is left out.
const Tensor* OptionalInput(const KernelInputs& inputs, size_t index);

// Throws Error(kUnsupported) unless the tensor has the dtype; `what` names it in the message.
void CheckDType(const Tensor& tensor, DType dtype, std::string_view what);
inline void CheckFloat(const Tensor& tensor, std::string_view what) {
  CheckDType(tensor, DType::kFloat32, what);
}
void CheckSameDType(const Tensor& a, const Tensor& b);
[[noreturn]] void UnsupportedDType(DType dtype, std::string_view what);
void CheckRankAtLeast(const Tensor& tensor, int64_t rank, std::string_view what);

// Uninitialised; refuses negative extents, ranks above kMaxRank and more than kMaxOutputElements.
Tensor NewOutput(DType dtype, Shape shape);
// For outputs that share a buffer: the same checks on the shape.
void CheckOutputShape(const Shape& shape);

// The values of an int32 or int64 input of any shape, each an index into an axis of `extent`
// elements, counted from the end where negative. Throws Error(kMalformed) for one outside.
std::vector<int64_t> ReadIndices(const Tensor& tensor, int64_t extent);

// -rank <= axis < rank, counted from the end where negative.
int64_t NormalizeAxis(int64_t axis, int64_t rank);
// As above for a list, sorted; refuses an axis named twice.
std::vector<int64_t> NormalizeAxes(std::vector<int64_t> axes, int64_t rank);

// The values of a 1-D (or scalar) int32 or int64 input.
std::vector<int64_t> ReadInts(const Tensor& tensor, std::string_view what);
// The value of an input with one element.
double ReadScalar(const Tensor& tensor, std::string_view what);

// The product of the extents in [begin, end).
int64_t ProductOf(const Shape& shape, int64_t begin, int64_t end);

// Throws Error(kMalformed) unless `value` is one of `allowed`; `what` names the attribute.
void CheckOneOf(const std::string& value, std::initializer_list<std::string_view> allowed,
                std::string_view what);

// The same operator for integers of 8 and 16 bits and for uint32: those inputs are widened to
// int64, and a result in int64 is narrowed to the first input's dtype again, where it wraps around
// as the narrow integers would have. Other inputs pass as they are.
// REQUIRES: the operator's arithmetic wraps around (or never leaves the range of its inputs).
KernelFunction WithNarrowIntegers(KernelFunction kernel);

// Calls visit(T{}) with the C++ type that stores the dtype, among floats and the signed integers
// that ONNX uses for shapes.
template <typename Visit>
void VisitArithmetic(DType dtype, std::string_view what, Visit visit) {
  switch (dtype) {
    case DType::kFloat32: return visit(float{});
    case DType::kFloat64: return visit(double{});
    case DType::kInt64: return visit(int64_t{});
    case DType::kInt32: return visit(int32_t{});
    default: UnsupportedDType(dtype, what);
  }
}

}  // namespace adaround::kernels
