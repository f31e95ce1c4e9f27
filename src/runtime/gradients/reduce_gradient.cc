// Reductions: what the result's derivative gives to each element that was reduced into it.
#include <algorithm>

#include "runtime/gradients/gradient_util.h"
#include "runtime/gradients/gradients.h"
#include "runtime/kernels/broadcast.h"
#include "runtime/kernels/reduced_axes.h"

namespace adaround::gradients {
namespace {

// fill(call, dL/dy and its shape with reduced axes of extent 1, number of elements of one result)
// -> dL/dx.
template <typename Fill>
GradientFunction ReduceGradient(const GradientSpec& spec, Fill fill) {
  const kernels::ReducedAxes reduced_axes(spec.node, kernels::AxesAreInput(spec.node, spec.opset));
  return [reduced_axes, fill](const GradientCall& call) -> std::vector<Tensor> {
    const Shape& shape = call.input_shapes[0];
    const auto axes =
        reduced_axes.Of(kernels::OptionalInput(call.inputs, 1), static_cast<int64_t>(shape.size()));
    std::vector<Tensor> gradients = NoGradients(call);
    if (!axes) {
      gradients[0] = *call.output_gradients[0];
      return gradients;
    }
    Shape kept = shape;
    int64_t count = 1;
    for (const int64_t axis : *axes) {
      count *= shape[static_cast<size_t>(axis)];
      kept[static_cast<size_t>(axis)] = 1;
    }
    gradients[0] = fill(call, call.output_gradients[0]->Reshaped(kept), count);
    return gradients;
  };
}

// Times a factor of the count.
template <typename Factor>
GradientFunction SpreadGradient(const GradientSpec& spec, Factor factor) {
  return ReduceGradient(
      spec, [factor](const GradientCall& call, const Tensor& of_output, int64_t count) {
        Tensor scaled(DType::kFloat32, of_output.shape());
        for (int64_t i = 0; i < scaled.num_elements(); ++i) {
          scaled.mutable_data<float>()[i] =
              static_cast<float>(static_cast<double>(of_output.data<float>()[i]) * factor(count));
        }
        return BroadcastTo(scaled, call.input_shapes[0]);
      });
}

// To the elements that equal the extreme, in equal parts.
GradientFunction ExtremeGradient(const GradientSpec& spec, bool largest) {
  return ReduceGradient(
      spec, [largest](const GradientCall& call, const Tensor& of_output, int64_t) {
        const Tensor& x = *call.inputs[0];
        kernels::CheckFloat(x, "input");
        // Which result each element belongs to.
        const auto num_results = static_cast<size_t>(of_output.num_elements());
        std::vector<float> extreme(num_results);
        std::vector<float> num_equal(num_results, 0.0F);
        const Shape strides = Strides(x.shape());
        const Shape result_strides = kernels::BroadcastStrides(of_output.shape(), x.shape());
        const auto result_of = [&](int64_t i) {
          int64_t index = 0;
          for (size_t d = 0; d < strides.size(); ++d) {
            index += i / strides[d] % x.shape()[d] * result_strides[d];
          }
          return static_cast<size_t>(index);
        };
        const float* in = x.data<float>();
        std::vector<bool> seen(num_results, false);
        for (int64_t i = 0; i < x.num_elements(); ++i) {
          const size_t r = result_of(i);
          if (!seen[r] || (largest ? in[i] > extreme[r] : in[i] < extreme[r])) extreme[r] = in[i];
          seen[r] = true;
        }
        for (int64_t i = 0; i < x.num_elements(); ++i) {
          if (in[i] == extreme[result_of(i)]) num_equal[result_of(i)] += 1.0F;
        }
        Tensor gradient(DType::kFloat32, x.shape());
        for (int64_t i = 0; i < x.num_elements(); ++i) {
          const size_t r = result_of(i);
          gradient.mutable_data<float>()[i] =
              in[i] == extreme[r] ? of_output.data<float>()[r] / num_equal[r] : 0.0F;
        }
        return gradient;
      });
}

}  // namespace

GradientFunction CreateReduceSum(const GradientSpec& spec) {
  return SpreadGradient(spec, [](int64_t) { return 1.0; });
}
GradientFunction CreateReduceMean(const GradientSpec& spec) {
  return SpreadGradient(spec, [](int64_t count) { return 1.0 / static_cast<double>(count); });
}
GradientFunction CreateReduceMax(const GradientSpec& spec) {
  return ExtremeGradient(spec, true);
}
GradientFunction CreateReduceMin(const GradientSpec& spec) {
  return ExtremeGradient(spec, false);
}

}  // namespace adaround::gradients
