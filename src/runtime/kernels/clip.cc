#include <limits>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/kernel_util.h"

namespace adaround::kernels {
namespace {

template <typename T>
T BoundOr(const Tensor* bound, T fallback, const char* what) {
  if (bound == nullptr) return fallback;
  CheckDType(*bound, DTypeOf<T>(), what);
  if (bound->num_elements() != 1) {
    Malformed(std::string(what) + " has shape " + ShapeToString(bound->shape()) +
              ", wanted a scalar");
  }
  return bound->data<T>()[0];
}

template <typename T>
Tensor Clip(const Tensor& x, T low, T high) {
  Tensor y = NewOutput(x.dtype(), x.shape());
  const T* in = x.data<T>();
  T* out = y.mutable_data<T>();
  for (int64_t i = 0; i < x.num_elements(); ++i) {
    // The upper bound second: where the bounds cross, it wins.
    const T raised = in[i] < low ? low : in[i];
    out[i] = raised > high ? high : raised;
  }
  return y;
}

}  // namespace

// From opset 11: the bounds are inputs.
KernelFunction CreateClip(const KernelSpec& spec) {
  CheckArity(spec.node, 1, 3);
  return WithNarrowIntegers([](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    std::vector<Tensor> outputs;
    VisitArithmetic(x.dtype(), "input", [&](auto zero) {
      using T = decltype(zero);
      using Limits = std::numeric_limits<T>;
      // Infinite, not the largest finite number: infinities must pass an open side.
      const T lowest = Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
      const T highest = Limits::has_infinity ? Limits::infinity() : Limits::max();
      outputs.push_back(Clip<T>(x, BoundOr<T>(OptionalInput(inputs, 1), lowest, "lower bound"),
                                BoundOr<T>(OptionalInput(inputs, 2), highest, "upper bound")));
    });
    return outputs;
  });
}

// Before opset 11: the bounds are attributes.
KernelFunction CreateClip6(const KernelSpec& spec) {
  CheckArity(spec.node, 1, 1);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const float low = static_cast<float>(spec.node.GetFloat("min", -kInfinity));
  const float high = static_cast<float>(spec.node.GetFloat("max", kInfinity));
  return [low, high](const KernelInputs& inputs) -> std::vector<Tensor> {
    CheckFloat(*inputs[0], "input");
    return {Clip<float>(*inputs[0], low, high)};
  };
}

}  // namespace adaround::kernels
