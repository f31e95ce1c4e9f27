// Comparisons and logic: results are bool.
#include "runtime/kernels/broadcast.h"
#include "runtime/kernels/kernels.h"

namespace adaround::kernels {
namespace {

template <typename Function>
KernelFunction CompareKernel(const KernelSpec& spec, Function f) {
  CheckArity(spec.node, 2, 2);
  return [f](const KernelInputs& inputs) -> std::vector<Tensor> {
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
  };
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
KernelFunction CreateAnd(const KernelSpec& spec) {
  return LogicKernel(spec, [](bool a, bool b) { return a && b; });
}
KernelFunction CreateOr(const KernelSpec& spec) {
  return LogicKernel(spec, [](bool a, bool b) { return a || b; });
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
