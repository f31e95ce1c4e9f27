#include <cstring>
#include <limits>

#include "base/checked_math.h"
#include "runtime/kernels/kernels.h"
#include "runtime/kernels/kernel_util.h"

namespace adaround::kernels {

KernelFunction CreateConcat(const KernelSpec& spec) {
  CheckArity(spec.node, 1, std::numeric_limits<size_t>::max());
  for (const std::string& input : spec.node.inputs) {
    if (input.empty()) Malformed("an input is left out");
  }
  if (!spec.node.HasAttribute("axis")) Malformed("attribute 'axis' is missing");
  const int64_t stated_axis = spec.node.GetInt("axis", 0);
  return [stated_axis](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& first = *inputs[0];
    const int64_t axis = NormalizeAxis(stated_axis, first.rank());
    Shape shape = first.shape();
    int64_t& total = shape[static_cast<size_t>(axis)];
    for (size_t i = 1; i < inputs.size(); ++i) {
      CheckSameDType(first, *inputs[i]);
      Shape other = inputs[i]->shape();
      if (other.size() == shape.size()) other[static_cast<size_t>(axis)] = total;
      if (other != shape) {
        Malformed("shapes " + ShapeToString(first.shape()) + " and " +
                  ShapeToString(inputs[i]->shape()) + " do not concatenate along axis " +
                  std::to_string(axis));
      }
      const std::optional<int64_t> sum = CheckedAdd(total, inputs[i]->dim(axis));
      if (!sum) Malformed("the concatenated axis is too long");
      total = *sum;
    }
    Tensor y = NewOutput(first.dtype(), shape);
    if (y.num_elements() == 0) return {y};
    const int64_t outer = ProductOf(shape, 0, axis);
    uint8_t* out = y.mutable_raw();
    for (int64_t o = 0; o < outer; ++o) {
      for (const Tensor* input : inputs) {
        const size_t run = input->num_bytes() / static_cast<size_t>(outer);
        std::memcpy(out, input->raw() + static_cast<size_t>(o) * run, run);
        out += run;
      }
    }
    return {y};
  };
}

}  // namespace adaround::kernels
