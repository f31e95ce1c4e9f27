#include "base/checked_math.h"
#include "runtime/kernels/kernels.h"
#include "runtime/kernels/kernel_util.h"
#include "runtime/kernels/strided_copy.h"

namespace adaround::kernels {
namespace {

std::vector<Tensor> Split(const Tensor& x, int64_t axis, const std::vector<int64_t>& lengths) {
  int64_t total = 0;
  for (const int64_t length : lengths) {
    const std::optional<int64_t> sum = CheckedAdd(total, length);
    if (length < 0 || !sum) Malformed("split holds " + std::to_string(length));
    total = *sum;
  }
  if (total != x.dim(axis)) {
    Malformed("split adds up to " + std::to_string(total) + ", axis " + std::to_string(axis) +
              " of shape " + ShapeToString(x.shape()) + " has " + std::to_string(x.dim(axis)));
  }
  const Shape strides = Strides(x.shape());
  std::vector<Tensor> outputs;
  int64_t start = 0;
  for (const int64_t length : lengths) {
    Shape shape = x.shape();
    shape[static_cast<size_t>(axis)] = length;
    Tensor part = NewOutput(x.dtype(), shape);
    StridedCopy(x, start * strides[static_cast<size_t>(axis)], shape, strides, part);
    outputs.push_back(part);
    start += length;
  }
  return outputs;
}

// Lengths come from an attribute (before opset 13) or an input; without any, the parts are equal.
KernelFunction CreateSplitKernel(const KernelSpec& spec, bool may_be_uneven,
                                 bool lengths_are_input) {
  CheckInputCount(spec.node, 1, lengths_are_input ? 2 : 1);
  const int64_t num_outputs = static_cast<int64_t>(spec.node.outputs.size());
  if (num_outputs < 1) Malformed("names no output");
  const int64_t stated_axis = spec.node.GetInt("axis", 0);
  const std::vector<int64_t> stated_lengths =
      lengths_are_input ? std::vector<int64_t>() : spec.node.GetInts("split", {});
  const int64_t stated_count = spec.node.GetInt("num_outputs", num_outputs);
  if (may_be_uneven && stated_count != num_outputs) {
    Malformed("attribute 'num_outputs' is " + std::to_string(stated_count) + ", the node names " +
              std::to_string(num_outputs));
  }
  return [=](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    const int64_t axis = NormalizeAxis(stated_axis, x.rank());
    const Tensor* given = OptionalInput(inputs, 1);
    if (given != nullptr || !stated_lengths.empty()) {
      const std::vector<int64_t> lengths =
          given != nullptr ? ReadInts(*given, "split") : stated_lengths;
      if (static_cast<int64_t>(lengths.size()) != num_outputs) {
        Malformed("split has " + std::to_string(lengths.size()) + " entries, the node names " +
                  std::to_string(num_outputs) + " outputs");
      }
      return Split(x, axis, lengths);
    }
    const int64_t extent = x.dim(axis);
    const int64_t length = CeilDivide(extent, num_outputs);
    const int64_t last = extent - length * (num_outputs - 1);
    if (last < 0 || (!may_be_uneven && last != length)) {
      Malformed("axis " + std::to_string(axis) + " of shape " + ShapeToString(x.shape()) +
                " does not split into " + std::to_string(num_outputs));
    }
    std::vector<int64_t> lengths(static_cast<size_t>(num_outputs), length);
    lengths.back() = last;
    return Split(x, axis, lengths);
  };
}

}  // namespace

KernelFunction CreateSplit2(const KernelSpec& spec) {
  return CreateSplitKernel(spec, false, false);
}
KernelFunction CreateSplit(const KernelSpec& spec) { return CreateSplitKernel(spec, false, true); }
KernelFunction CreateSplit18(const KernelSpec& spec) { return CreateSplitKernel(spec, true, true); }

}  // namespace adaround::kernels
