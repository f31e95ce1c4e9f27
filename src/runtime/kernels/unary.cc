// Functions of one float tensor, element by element.
#include <algorithm>
#include <cmath>
#include <numbers>

#include <Eigen/Core>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/kernel_util.h"

namespace adaround::kernels {
namespace {

using ConstArray = Eigen::Map<const Eigen::ArrayXf>;
using Array = Eigen::Map<Eigen::ArrayXf>;

// f(ConstArray in, Array out) on all elements at once. Buffers are aligned alike, so which elements
// Eigen computes in vectors depends on the size alone.
template <typename Function>
KernelFunction ArrayKernel(const KernelSpec& spec, Function f) {
  CheckArity(spec.node, 1, 1);
  return [f](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    CheckFloat(x, "input");
    Tensor y = NewOutput(DType::kFloat32, x.shape());
    const ConstArray in(x.data<float>(), x.num_elements());
    Array out(y.mutable_data<float>(), y.num_elements());
    f(in, out);
    return {y};
  };
}

// float -> float, one element at a time.
template <typename Function>
KernelFunction ElementKernel(const KernelSpec& spec, Function f) {
  return ArrayKernel(spec, [f](const ConstArray& in, Array& out) {
    // A copy on the stack: as far as the compiler knows, `target` may overlap f's own parameters,
    // and then nothing is vectorised.
    const Function local = f;
    const float* source = in.data();
    float* target = out.data();
    const int64_t count = in.size();
    for (int64_t i = 0; i < count; ++i) target[i] = local(source[i]);
  });
}

// Also for the integers that shape arithmetic uses.
template <typename Function>
KernelFunction SignedKernel(const KernelSpec& spec, Function f) {
  CheckArity(spec.node, 1, 1);
  return WithNarrowIntegers([f](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    Tensor y = NewOutput(x.dtype(), x.shape());
    VisitArithmetic(x.dtype(), "input", [&](auto zero) {
      using T = decltype(zero);
      const T* in = x.data<T>();
      T* out = y.mutable_data<T>();
      for (int64_t i = 0; i < x.num_elements(); ++i) out[i] = f(in[i]);
    });
    return {y};
  });
}

// For float64 too, which sizes are computed in; `f` takes and gives either type.
template <typename Function>
KernelFunction FloatingKernel(const KernelSpec& spec, Function f) {
  const KernelFunction single = ElementKernel(spec, f);
  return [single, f](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    if (x.dtype() != DType::kFloat64) return single(inputs);
    Tensor y = NewOutput(DType::kFloat64, x.shape());
    for (int64_t i = 0; i < x.num_elements(); ++i) {
      y.mutable_data<double>()[i] = f(x.data<double>()[i]);
    }
    return {y};
  };
}

// -x; the smallest integer wraps to itself, as in numpy.
template <typename T>
T Negate(T x) {
  if constexpr (std::is_floating_point_v<T>) {
    return -x;
  } else {
    return static_cast<T>(std::make_unsigned_t<T>{0} - static_cast<std::make_unsigned_t<T>>(x));
  }
}

// log(1 + exp(x)) without overflow.
float Softplus(float x) {
  return (x > 0.0F ? x : 0.0F) + std::log1p(std::exp(-std::fabs(x)));
}

float FloatAttribute(const KernelSpec& spec, const char* name, double fallback) {
  return static_cast<float>(spec.node.GetFloat(name, fallback));
}

}  // namespace

KernelFunction CreateRelu(const KernelSpec& spec) {
  return SignedKernel(spec, [](auto x) { return x < 0 ? decltype(x){0} : x; });
}

KernelFunction CreateLeakyRelu(const KernelSpec& spec) {
  const float alpha = FloatAttribute(spec, "alpha", 0.01);
  return ElementKernel(spec, [alpha](float x) { return x < 0.0F ? alpha * x : x; });
}

KernelFunction CreateElu(const KernelSpec& spec) {
  const float alpha = FloatAttribute(spec, "alpha", 1.0);
  return ElementKernel(spec, [alpha](float x) { return x < 0.0F ? alpha * std::expm1(x) : x; });
}

KernelFunction CreateSigmoid(const KernelSpec& spec) {
  return ArrayKernel(spec, [](const ConstArray& in, Array& out) {
    out = (1.0F + (-in).exp()).inverse();
  });
}

KernelFunction CreateHardSigmoid(const KernelSpec& spec) {
  const float alpha = FloatAttribute(spec, "alpha", 0.2);
  const float beta = FloatAttribute(spec, "beta", 0.5);
  return ElementKernel(spec, [alpha, beta](float x) {
    const float line = alpha * x + beta;
    const float below_one = line > 1.0F ? 1.0F : line;
    return below_one < 0.0F ? 0.0F : below_one;
  });
}

KernelFunction CreateHardSwish(const KernelSpec& spec) {
  return ElementKernel(spec, [](float x) {
    const float line = x * (1.0F / 6.0F) + 0.5F;
    const float below_one = line > 1.0F ? 1.0F : line;
    return x * (below_one < 0.0F ? 0.0F : below_one);
  });
}

KernelFunction CreateTanh(const KernelSpec& spec) {
  return ArrayKernel(spec, [](const ConstArray& in, Array& out) { out = in.tanh(); });
}

KernelFunction CreateGelu(const KernelSpec& spec) {
  const std::string approximate = spec.node.GetString("approximate", "none");
  CheckOneOf(approximate, {"none", "tanh"}, "approximate");
  if (approximate == "tanh") {
    return ArrayKernel(spec, [](const ConstArray& in, Array& out) {
      constexpr float kScale = 0.797884560802865F;  // sqrt(2 / pi)
      out = 0.5F * in * (1.0F + (kScale * (in + 0.044715F * in * in * in)).tanh());
    });
  }
  return ElementKernel(spec, [](float x) {
    return 0.5F * x * (1.0F + std::erf(x * (std::numbers::sqrt2_v<float> / 2.0F)));
  });
}

// x tanh(softplus(x))
KernelFunction CreateMish(const KernelSpec& spec) {
  return ElementKernel(spec, [](float x) { return x * std::tanh(Softplus(x)); });
}

KernelFunction CreateSelu(const KernelSpec& spec) {
  const float alpha = FloatAttribute(spec, "alpha", 1.67326319217681884765625);
  const float gamma = FloatAttribute(spec, "gamma", 1.05070102214813232421875);
  return ElementKernel(spec, [alpha, gamma](float x) {
    return gamma * (x > 0.0F ? x : alpha * std::expm1(x));
  });
}

KernelFunction CreateCelu(const KernelSpec& spec) {
  const float alpha = FloatAttribute(spec, "alpha", 1.0);
  if (alpha == 0.0F) Malformed("attribute 'alpha' is 0");
  return ElementKernel(spec, [alpha](float x) {
    return (x > 0.0F ? x : 0.0F) + std::min(0.0F, alpha * std::expm1(x / alpha));
  });
}

KernelFunction CreateThresholdedRelu(const KernelSpec& spec) {
  const float alpha = FloatAttribute(spec, "alpha", 1.0);
  return ElementKernel(spec, [alpha](float x) { return x > alpha ? x : 0.0F; });
}

KernelFunction CreateShrink(const KernelSpec& spec) {
  const float lambda = FloatAttribute(spec, "lambd", 0.5);
  const float bias = FloatAttribute(spec, "bias", 0.0);
  return ElementKernel(spec, [lambda, bias](float x) {
    return x < -lambda ? x + bias : (x > lambda ? x - bias : 0.0F);
  });
}

KernelFunction CreateSoftsign(const KernelSpec& spec) {
  return ElementKernel(spec, [](float x) { return x / (1.0F + std::fabs(x)); });
}

KernelFunction CreateErf(const KernelSpec& spec) {
  return ElementKernel(spec, [](float x) { return std::erf(x); });
}

KernelFunction CreateSoftplus(const KernelSpec& spec) {
  return ElementKernel(spec, [](float x) { return Softplus(x); });
}

KernelFunction CreateExp(const KernelSpec& spec) {
  return ArrayKernel(spec, [](const ConstArray& in, Array& out) { out = in.exp(); });
}

KernelFunction CreateLog(const KernelSpec& spec) {
  return ArrayKernel(spec, [](const ConstArray& in, Array& out) { out = in.log(); });
}

KernelFunction CreateSqrt(const KernelSpec& spec) {
  return FloatingKernel(spec, [](auto x) { return std::sqrt(x); });
}

KernelFunction CreateReciprocal(const KernelSpec& spec) {
  return FloatingKernel(spec, [](auto x) { return decltype(x){1} / x; });
}

KernelFunction CreateFloor(const KernelSpec& spec) {
  return FloatingKernel(spec, [](auto x) { return std::floor(x); });
}

KernelFunction CreateCeil(const KernelSpec& spec) {
  return FloatingKernel(spec, [](auto x) { return std::ceil(x); });
}

// Half to even: the rounding mode that programs start with.
KernelFunction CreateRound(const KernelSpec& spec) {
  return FloatingKernel(spec, [](auto x) { return std::nearbyint(x); });
}

KernelFunction CreateSign(const KernelSpec& spec) {
  return SignedKernel(spec, [](auto x) {
    using T = decltype(x);
    // NaN stays, as in numpy.
    return x > T{0} ? T{1} : (x < T{0} ? static_cast<T>(-1) : (x == T{0} ? T{0} : x));
  });
}

KernelFunction CreateAbs(const KernelSpec& spec) {
  return SignedKernel(spec, [](auto x) {
    // Adding zero turns -0.0 into 0.0.
    return x < 0 ? Negate(x) : static_cast<decltype(x)>(x + 0);
  });
}

KernelFunction CreateNeg(const KernelSpec& spec) {
  return SignedKernel(spec, [](auto x) { return Negate(x); });
}

KernelFunction CreateAcos(const KernelSpec& spec) {
  return FloatingKernel(spec, [](auto x) { return std::acos(x); });
}
KernelFunction CreateAcosh(const KernelSpec& spec) {
  return FloatingKernel(spec, [](auto x) { return std::acosh(x); });
}
KernelFunction CreateAsin(const KernelSpec& spec) {
  return FloatingKernel(spec, [](auto x) { return std::asin(x); });
}
KernelFunction CreateAsinh(const KernelSpec& spec) {
  return FloatingKernel(spec, [](auto x) { return std::asinh(x); });
}
KernelFunction CreateAtan(const KernelSpec& spec) {
  return FloatingKernel(spec, [](auto x) { return std::atan(x); });
}
KernelFunction CreateAtanh(const KernelSpec& spec) {
  return FloatingKernel(spec, [](auto x) { return std::atanh(x); });
}
KernelFunction CreateCos(const KernelSpec& spec) {
  return FloatingKernel(spec, [](auto x) { return std::cos(x); });
}
KernelFunction CreateCosh(const KernelSpec& spec) {
  return FloatingKernel(spec, [](auto x) { return std::cosh(x); });
}
KernelFunction CreateSin(const KernelSpec& spec) {
  return FloatingKernel(spec, [](auto x) { return std::sin(x); });
}
KernelFunction CreateSinh(const KernelSpec& spec) {
  return FloatingKernel(spec, [](auto x) { return std::sinh(x); });
}
KernelFunction CreateTan(const KernelSpec& spec) {
  return FloatingKernel(spec, [](auto x) { return std::tan(x); });
}

}  // namespace adaround::kernels
