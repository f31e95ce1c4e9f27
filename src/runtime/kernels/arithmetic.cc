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
  return WithNarrowIntegers([f](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& a = *inputs[0];
    const Tensor& b = *inputs[1];
    CheckSameDType(a, b);
    std::vector<Tensor> outputs;
    VisitArithmetic(a.dtype(), "input", [&](auto zero) {
      using T = decltype(zero);
      outputs.push_back(ApplyBinary<T, T>(a, b, [f](T x, T y) { return f(x, y); }));
    });
    return outputs;
  });
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
  return WithNarrowIntegers([f](const KernelInputs& inputs) -> std::vector<Tensor> {
    Tensor result = *inputs[0];
    VisitArithmetic(result.dtype(), "input", [&](auto zero) {
      using T = decltype(zero);
      for (size_t i = 1; i < inputs.size(); ++i) {
        CheckSameDType(result, *inputs[i]);
        result = ApplyBinary<T, T>(result, *inputs[i], [f](T x, T y) { return f(x, y); });
      }
    });
    return {result};
  });
}

// The remainder with the divisor's sign or, as C's, with the dividend's.
template <typename T>
T Remainder(T a, T b, bool sign_of_dividend) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::fmod(a, b);
  } else {
    if (b == 0) Malformed("remainder of a division by zero");
    if (b == -1) return 0;  // the smallest integer's quotient would overflow
    const T rest = a % b;
    return !sign_of_dividend && rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
  }
}

// An integer to a power that is none, truncated like every conversion to integers.
template <typename T>
Tensor RaiseInteger(const Tensor& base, const Tensor& exponent) {
  const double limit = std::ldexp(1.0, std::numeric_limits<T>::digits);
  return ConvertTo(
      ApplyBinary<double, double>(ConvertTo(base, DType::kFloat64),
                                  ConvertTo(exponent, DType::kFloat64),
                                  [limit](double x, double y) {
                                    const double power = std::pow(x, y);
                                    // Written so that NaN is refused too.
                                    if (!(power >= -limit && power < limit)) {
                                      Malformed("a power of an integer leaves its dtype");
                                    }
                                    return power;
                                  }),
      DTypeOf<T>());
}

KernelFunction SumKernel(const KernelSpec& spec, bool mean) {
  CheckArity(spec.node, 1, std::numeric_limits<size_t>::max());
  for (const std::string& input : spec.node.inputs) {
    if (input.empty()) Malformed("an input is left out");
  }
  const float count = static_cast<float>(spec.node.inputs.size());
  return [mean, count](const KernelInputs& inputs) -> std::vector<Tensor> {
    Tensor result = *inputs[0];
    CheckFloat(result, "input");
    for (size_t i = 1; i < inputs.size(); ++i) {
      CheckFloat(*inputs[i], "input");
      result =
          ApplyBinary<float, float>(result, *inputs[i], [](float x, float y) { return x + y; });
    }
    if (!mean) return {result};
    return {ApplyBinary<float, float>(result, Tensor::Scalar(count),
                                      [](float x, float n) { return x / n; })};
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
      if constexpr (std::is_floating_point_v<T>) {
        outputs.push_back(ApplyBinary<T, T>(base, ConvertTo(exponent, base.dtype()),
                                            [](T x, T y) { return std::pow(x, y); }));
      } else if (exponent.dtype() == DType::kFloat32 || exponent.dtype() == DType::kFloat64) {
        outputs.push_back(RaiseInteger<T>(base, exponent));
      } else {
        outputs.push_back(ApplyBinary<T, T>(base, ConvertTo(exponent, base.dtype()),
                                            [](T x, T y) { return IntegerPower(x, y); }));
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

// Before opset 7: one slope, or one for each channel.
KernelFunction CreatePRelu6(const KernelSpec& spec) {
  const KernelFunction kernel = CreatePRelu(spec);
  return [kernel](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    const Tensor& slope = *inputs[1];
    if (slope.num_elements() == 1 || slope.rank() != 1 || x.rank() < 2) return kernel(inputs);
    Shape channels(x.shape().size() - 1, 1);
    channels[0] = slope.num_elements();
    const Tensor aligned = slope.Reshaped(channels);
    return kernel({&x, &aligned});
  };
}

KernelFunction CreateMod(const KernelSpec& spec) {
  const bool sign_of_dividend = spec.node.GetInt("fmod", 0) != 0;
  return ArithmeticKernel(spec, [sign_of_dividend](auto a, auto b) {
    if (std::is_floating_point_v<decltype(a)> && !sign_of_dividend) {
      Malformed("the remainder of floats needs attribute 'fmod' to be 1");
    }
    return Remainder(a, b, sign_of_dividend);
  });
}

KernelFunction CreateSum(const KernelSpec& spec) { return SumKernel(spec, false); }
KernelFunction CreateMean(const KernelSpec& spec) { return SumKernel(spec, true); }

KernelFunction CreateMin(const KernelSpec& spec) {
  return VariadicKernel(spec, [](auto a, auto b) { return Smaller(a, b); });
}

KernelFunction CreateMax(const KernelSpec& spec) {
  return VariadicKernel(spec, [](auto a, auto b) { return Larger(a, b); });
}

}  // namespace adaround::kernels
