// Operators of two (or, for Min and Max, any number of) tensors under broadcasting.
#include <cmath>
#include <limits>
#include <type_traits>

#include "runtime/kernels/broadcast.h"
#include "runtime/kernels/kernels.h"

namespace adaround::kernels {
namespace {

// Integers wrap around, as numpy's do; in C++ only unsigned ones may.
template <typename T, typename Function>
T Wrapping(T a, T b, Function f) {
  if constexpr (std::is_floating_point_v<T>) {
    return f(a, b);
  } else {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(f(static_cast<U>(a), static_cast<U>(b)));
  }
}

// f(a, b) for two elements of the same type, float or integer.
template <typename Function>
KernelFunction ArithmeticKernel(const KernelSpec& spec, Function f) {
  CheckArity(spec.node, 2, 2);
  return [f](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& a = *inputs[0];
    const Tensor& b = *inputs[1];
    CheckSameDType(a, b);
    std::vector<Tensor> outputs;
    VisitArithmetic(a.dtype(), "input", [&](auto zero) {
      using T = decltype(zero);
      outputs.push_back(ApplyBinary<T, T>(a, b, [f](T x, T y) { return f(x, y); }));
    });
    return outputs;
  };
}

// Towards zero for integers; the smallest integer over -1 wraps to itself.
template <typename T>
T Divide(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    return a / b;
  } else {
    if (b == 0) Malformed("division of an integer by zero");
    if (b == -1) return Wrapping(T{0}, a, [](auto x, auto y) { return x - y; });
    return a / b;
  }
}

template <typename T>
T IntegerPower(T base, T exponent) {
  if (exponent < 0) Malformed("an integer to a negative power");
  using U = std::make_unsigned_t<T>;
  U result = 1;
  U factor = static_cast<U>(base);
  for (U left = static_cast<U>(exponent); left != 0; left >>= 1) {
    if ((left & 1U) != 0) result *= factor;
    factor *= factor;
  }
  return static_cast<T>(result);
}

// NaN wins, as in numpy.
template <typename T>
T Smaller(T a, T b) {
  return a < b || a != a ? a : b;
}
template <typename T>
T Larger(T a, T b) {
  return a > b || a != a ? a : b;
}

template <typename Function>
KernelFunction VariadicKernel(const KernelSpec& spec, Function f) {
  CheckArity(spec.node, 1, std::numeric_limits<size_t>::max());
  for (const std::string& input : spec.node.inputs) {
    if (input.empty()) Malformed("an input is left out");
  }
  return [f](const KernelInputs& inputs) -> std::vector<Tensor> {
    Tensor result = *inputs[0];
    VisitArithmetic(result.dtype(), "input", [&](auto zero) {
      using T = decltype(zero);
      for (size_t i = 1; i < inputs.size(); ++i) {
        CheckSameDType(result, *inputs[i]);
        result = ApplyBinary<T, T>(result, *inputs[i], [f](T x, T y) { return f(x, y); });
      }
    });
    return {result};
  };
}

Tensor RaiseFloats(const Tensor& base, const Tensor& exponent) {
  // Squares are what networks ask for, and std::pow is slow.
  if (exponent.num_elements() == 1 && exponent.data<float>()[0] == 2.0F) {
    return ApplyBinary<float, float>(base, exponent, [](float x, float) { return x * x; });
  }
  return ApplyBinary<float, float>(base, exponent,
                                   [](float x, float y) { return std::pow(x, y); });
}

}  // namespace

KernelFunction CreateAdd(const KernelSpec& spec) {
  return ArithmeticKernel(spec, [](auto a, auto b) {
    return Wrapping(a, b, [](auto x, auto y) { return x + y; });
  });
}

KernelFunction CreateSub(const KernelSpec& spec) {
  return ArithmeticKernel(spec, [](auto a, auto b) {
    return Wrapping(a, b, [](auto x, auto y) { return x - y; });
  });
}

KernelFunction CreateMul(const KernelSpec& spec) {
  return ArithmeticKernel(spec, [](auto a, auto b) {
    return Wrapping(a, b, [](auto x, auto y) { return x * y; });
  });
}

KernelFunction CreateDiv(const KernelSpec& spec) {
  return ArithmeticKernel(spec, [](auto a, auto b) { return Divide(a, b); });
}

// The result has the base's dtype; the exponent may have another one.
KernelFunction CreatePow(const KernelSpec& spec) {
  CheckArity(spec.node, 2, 2);
  return [](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& base = *inputs[0];
    const Tensor& exponent = *inputs[1];
    if (base.dtype() == DType::kFloat32) {
      return {RaiseFloats(base, ConvertTo(exponent, DType::kFloat32))};
    }
    std::vector<Tensor> outputs;
    VisitArithmetic(base.dtype(), "base", [&](auto zero) {
      using T = decltype(zero);
      if constexpr (!std::is_floating_point_v<T>) {
        CheckDType(exponent, base.dtype(), "exponent of an integer base");
        outputs.push_back(
            ApplyBinary<T, T>(base, exponent, [](T x, T y) { return IntegerPower(x, y); }));
      }
    });
    return outputs;
  };
}

KernelFunction CreatePRelu(const KernelSpec& spec) {
  CheckArity(spec.node, 2, 2);
  return [](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    const Tensor& slope = *inputs[1];
    CheckFloat(x, "input");
    CheckFloat(slope, "slope");
    if (BroadcastShape(x.shape(), slope.shape()) != x.shape()) {
      Malformed("slope of shape " + ShapeToString(slope.shape()) + " does not broadcast to " +
                ShapeToString(x.shape()));
    }
    return {ApplyBinary<float, float>(x, slope,
                                      [](float v, float s) { return v < 0.0F ? s * v : v; })};
  };
}

KernelFunction CreateMin(const KernelSpec& spec) {
  return VariadicKernel(spec, [](auto a, auto b) { return Smaller(a, b); });
}

KernelFunction CreateMax(const KernelSpec& spec) {
  return VariadicKernel(spec, [](auto a, auto b) { return Larger(a, b); });
}

}  // namespace adaround::kernels
