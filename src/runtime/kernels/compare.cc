// Comparisons and logic: results are bool.
#include <cmath>

#include "runtime/kernels/broadcast.h"
#include "runtime/kernels/kernels.h"

namespace adaround::kernels {
namespace {

template <typename Function>
KernelFunction CompareKernel(const KernelSpec& spec, Function f) {
  CheckArity(spec.node, 2, 2);
  return WithNarrowIntegers([f](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& a = *inputs[0];
    const Tensor& b = *inputs[1];
    CheckSameDType(a, b);
    if (a.dtype() == DType::kBool) {
      return {ApplyBinary<bool, bool>(a, b, [f](bool x, bool y) { return f(x, y); })};
    }
    std::vector<Tensor> outputs;
    VisitArithmetic(a.dtype(), "input", [&](auto zero) {
      using T = decltype(zero);
      outputs.push_back(ApplyBinary<T, bool>(a, b, [f](T x, T y) { return f(x, y); }));
    });
    return outputs;
  });
}

template <typename Function>
KernelFunction LogicKernel(const KernelSpec& spec, Function f) {
  CheckArity(spec.node, 2, 2);
  return [f](const KernelInputs& inputs) -> std::vector<Tensor> {
    CheckDType(*inputs[0], DType::kBool, "input");
    CheckDType(*inputs[1], DType::kBool, "input");
    return {ApplyBinary<bool, bool>(*inputs[0], *inputs[1], f)};
  };
}

// test(value) of each float.
template <typename Test>
KernelFunction TestKernel(const KernelSpec& spec, Test test) {
  CheckArity(spec.node, 1, 1);
  return [test](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    if (x.dtype() != DType::kFloat32 && x.dtype() != DType::kFloat64) {
      UnsupportedDType(x.dtype(), "input");
    }
    Tensor y = NewOutput(DType::kBool, x.shape());
    bool* out = y.mutable_data<bool>();
    VisitArithmetic(x.dtype(), "input", [&](auto zero) {
      const auto* in = x.data<decltype(zero)>();
      for (int64_t i = 0; i < x.num_elements(); ++i) out[i] = test(static_cast<double>(in[i]));
    });
    return {y};
  };
}

}  // namespace

KernelFunction CreateEqual(const KernelSpec& spec) {
  return CompareKernel(spec, [](auto a, auto b) { return a == b; });
}
KernelFunction CreateLess(const KernelSpec& spec) {
  return CompareKernel(spec, [](auto a, auto b) { return a < b; });
}
KernelFunction CreateGreater(const KernelSpec& spec) {
  return CompareKernel(spec, [](auto a, auto b) { return a > b; });
}
KernelFunction CreateLessOrEqual(const KernelSpec& spec) {
  return CompareKernel(spec, [](auto a, auto b) { return a <= b; });
}
KernelFunction CreateGreaterOrEqual(const KernelSpec& spec) {
  return CompareKernel(spec, [](auto a, auto b) { return a >= b; });
}
KernelFunction CreateAnd(const KernelSpec& spec) {
  return LogicKernel(spec, [](bool a, bool b) { return a && b; });
}
KernelFunction CreateOr(const KernelSpec& spec) {
  return LogicKernel(spec, [](bool a, bool b) { return a || b; });
}

KernelFunction CreateXor(const KernelSpec& spec) {
  return LogicKernel(spec, [](bool a, bool b) { return a != b; });
}

KernelFunction CreateIsNaN(const KernelSpec& spec) {
  return TestKernel(spec, [](double x) { return std::isnan(x); });
}

KernelFunction CreateIsInf(const KernelSpec& spec) {
  const bool negative = spec.node.GetInt("detect_negative", 1) != 0;
  const bool positive = spec.node.GetInt("detect_positive", 1) != 0;
  return TestKernel(spec, [negative, positive](double x) {
    return std::isinf(x) && (x < 0.0 ? negative : positive);
  });
}

KernelFunction CreateNot(const KernelSpec& spec) {
  CheckArity(spec.node, 1, 1);
  return [](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    CheckDType(x, DType::kBool, "input");
    Tensor y = NewOutput(DType::kBool, x.shape());
    for (int64_t i = 0; i < x.num_elements(); ++i) y.mutable_data<bool>()[i] = !x.data<bool>()[i];
    return {y};
  };
}

}  // namespace adaround::kernels
