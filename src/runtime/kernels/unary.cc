// Functions of one float tensor, element by element.
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
  return [f](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    Tensor y = NewOutput(x.dtype(), x.shape());
    VisitArithmetic(x.dtype(), "input", [&](auto zero) {
      using T = decltype(zero);
      const T* in = x.data<T>();
      T* out = y.mutable_data<T>();
      for (int64_t i = 0; i < x.num_elements(); ++i) out[i] = f(in[i]);
    });
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

KernelFunction CreateErf(const KernelSpec& spec) {
  return ElementKernel(spec, [](float x) { return std::erf(x); });
}

// log(1 + exp(x)) without overflow.
KernelFunction CreateSoftplus(const KernelSpec& spec) {
  return ElementKernel(spec, [](float x) {
    return (x > 0.0F ? x : 0.0F) + std::log1p(std::exp(-std::fabs(x)));
  });
}

KernelFunction CreateExp(const KernelSpec& spec) {
  return ArrayKernel(spec, [](const ConstArray& in, Array& out) { out = in.exp(); });
}

KernelFunction CreateLog(const KernelSpec& spec) {
  return ArrayKernel(spec, [](const ConstArray& in, Array& out) { out = in.log(); });
}

KernelFunction CreateSqrt(const KernelSpec& spec) {
  return ElementKernel(spec, [](float x) { return std::sqrt(x); });
}

KernelFunction CreateReciprocal(const KernelSpec& spec) {
  return ElementKernel(spec, [](float x) { return 1.0F / x; });
}

KernelFunction CreateFloor(const KernelSpec& spec) {
  return ElementKernel(spec, [](float x) { return std::floor(x); });
}

KernelFunction CreateCeil(const KernelSpec& spec) {
  return ElementKernel(spec, [](float x) { return std::ceil(x); });
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

}  // namespace adaround::kernels
