#include <algorithm>
#include <numeric>

#include "base/checked_math.h"
#include "runtime/kernels/kernels.h"
#include "runtime/kernels/kernel_util.h"
#include "runtime/kernels/strided_copy.h"

namespace adaround::kernels {
namespace {

struct Range {
  int64_t start;
  int64_t step;
  int64_t count;
};

// numpy's rules: counted from the end where negative, then clamped to what exists.
Range ResolveRange(int64_t start, int64_t end, int64_t step, int64_t extent) {
  if (step == 0) Malformed("step 0");
  // A larger step takes one element just as well, and can be negated and multiplied.
  step = std::clamp(step, -(extent + 1), extent + 1);
  const auto from_end = [extent](int64_t index) { return index < 0 ? index + extent : index; };
  if (step > 0) {
    start = std::clamp<int64_t>(from_end(start), 0, extent);
    end = std::clamp<int64_t>(from_end(end), 0, extent);
    return {start, step, std::max<int64_t>(0, CeilDivide(std::max<int64_t>(0, end - start), step))};
  }
  start = std::clamp<int64_t>(from_end(start), -1, extent - 1);
  end = std::clamp<int64_t>(from_end(end), -1, extent - 1);
  return {start, step, CeilDivide(std::max<int64_t>(0, start - end), -step)};
}

Tensor Slice(const Tensor& x, const std::vector<int64_t>& starts, const std::vector<int64_t>& ends,
             std::vector<int64_t> axes, const std::vector<int64_t>& steps) {
  if (ends.size() != starts.size() || axes.size() != starts.size() ||
      steps.size() != starts.size()) {
    Malformed("starts, ends, axes and steps have lengths " + std::to_string(starts.size()) + ", " +
              std::to_string(ends.size()) + ", " + std::to_string(axes.size()) + " and " +
              std::to_string(steps.size()));
  }
  NormalizeAxes(axes, x.rank());
  Shape shape = x.shape();
  Shape strides = Strides(x.shape());
  int64_t offset = 0;
  for (size_t i = 0; i < axes.size(); ++i) {
    const size_t axis = static_cast<size_t>(NormalizeAxis(axes[i], x.rank()));
    const Range range = ResolveRange(starts[i], ends[i], steps[i], x.shape()[axis]);
    shape[axis] = range.count;
    // Strides of an input without elements may be too large to multiply, and are not needed.
    if (x.num_elements() == 0) continue;
    offset += range.start * strides[axis];
    strides[axis] *= range.step;
  }
  Tensor y = NewOutput(x.dtype(), shape);
  StridedCopy(x, offset, shape, strides, y);
  return y;
}

std::vector<int64_t> LeadingAxes(size_t count) {
  std::vector<int64_t> axes(count);
  std::iota(axes.begin(), axes.end(), 0);
  return axes;
}

}  // namespace

// Before opset 10: starts, ends and axes are attributes.
KernelFunction CreateSlice1(const KernelSpec& spec) {
  CheckArity(spec.node, 1, 1);
  const std::vector<int64_t> starts = spec.node.GetInts("starts", {});
  const std::vector<int64_t> ends = spec.node.GetInts("ends", {});
  const std::vector<int64_t> axes = spec.node.GetInts("axes", LeadingAxes(starts.size()));
  const std::vector<int64_t> steps(starts.size(), 1);
  return [=](const KernelInputs& inputs) -> std::vector<Tensor> {
    return {Slice(*inputs[0], starts, ends, axes, steps)};
  };
}

// From opset 10: starts, ends, axes and steps are inputs.
KernelFunction CreateSlice(const KernelSpec& spec) {
  CheckArity(spec.node, 3, 5);
  return [](const KernelInputs& inputs) -> std::vector<Tensor> {
    const std::vector<int64_t> starts = ReadInts(*inputs[1], "starts");
    const std::vector<int64_t> ends = ReadInts(*inputs[2], "ends");
    std::vector<int64_t> axes = LeadingAxes(starts.size());
    std::vector<int64_t> steps(starts.size(), 1);
    if (const Tensor* given = OptionalInput(inputs, 3)) axes = ReadInts(*given, "axes");
    if (const Tensor* given = OptionalInput(inputs, 4)) steps = ReadInts(*given, "steps");
    return {Slice(*inputs[0], starts, ends, axes, steps)};
  };
}

}  // namespace adaround::kernels
