// Reductions over axes, and ArgMax.
#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/kernels/kernel_util.h"
#include "runtime/kernels/kernels.h"
#include "runtime/kernels/reduced_axes.h"
#include "runtime/kernels/strided_copy.h"

namespace adaround::kernels {
namespace {

constexpr int64_t kAxesInputOfReduceSum = 13;
constexpr int64_t kAxesInputOfOthers = 18;

// Moves the reduced axes to the end, so that every result is made of one run of elements.
struct Arrangement {
  Tensor moved;
  Shape shape;  // of the result
  int64_t run;
};

Arrangement Arrange(const Tensor& x, const std::vector<int64_t>& axes, bool keep_dims) {
  const Shape own = Strides(x.shape());
  Shape kept, kept_strides, reduced, reduced_strides, result;
  for (int64_t d = 0; d < x.rank(); ++d) {
    const bool reduces = std::binary_search(axes.begin(), axes.end(), d);
    (reduces ? reduced : kept).push_back(x.dim(d));
    (reduces ? reduced_strides : kept_strides).push_back(own[static_cast<size_t>(d)]);
    if (!reduces) {
      result.push_back(x.dim(d));
    } else if (keep_dims) {
      result.push_back(1);
    }
  }
  const int64_t run = NumElements(reduced);
  kept.insert(kept.end(), reduced.begin(), reduced.end());
  kept_strides.insert(kept_strides.end(), reduced_strides.begin(), reduced_strides.end());
  // Already in place: nothing to copy.
  if (kept_strides == own) return {x, result, run};
  Tensor moved(x.dtype(), kept);
  StridedCopy(x, 0, kept, kept_strides, moved);
  return {moved, result, run};
}

// reduce(values, count) -> value; `needs_elements`: a result over nothing does not exist.
template <typename Reduce>
KernelFunction ReduceKernel(const KernelSpec& spec, int64_t first_with_input, bool needs_elements,
                            Reduce reduce) {
  const bool axes_are_input = spec.opset >= first_with_input;
  CheckArity(spec.node, 1, axes_are_input ? 2 : 1);
  const bool keep_dims = spec.node.GetInt("keepdims", 1) != 0;
  const ReducedAxes reduced_axes(spec.node, axes_are_input);
  const auto kernel = [keep_dims, reduced_axes, needs_elements,
                       reduce](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    const std::optional<std::vector<int64_t>> axes =
        reduced_axes.Of(OptionalInput(inputs, 1), x.rank());
    if (!axes) return {x};
    const Arrangement arrangement = Arrange(x, *axes, keep_dims);
    if (arrangement.run == 0 && needs_elements) {
      Malformed("shape " + ShapeToString(x.shape()) + " has nothing to reduce");
    }
    Tensor y = NewOutput(x.dtype(), arrangement.shape);
    VisitArithmetic(x.dtype(), "input", [&](auto zero) {
      using T = decltype(zero);
      const T* in = arrangement.moved.template data<T>();
      T* out = y.mutable_data<T>();
      for (int64_t i = 0; i < y.num_elements(); ++i) {
        out[i] = reduce(in + i * arrangement.run, arrangement.run);
      }
    });
    return {y};
  };
  return WithNarrowIntegers(kernel);
}

// For reductions whose sums are rounded to the dtype once, from double.
template <typename Reduce>
KernelFunction RealReduceKernel(const KernelSpec& spec, Reduce reduce) {
  return ReduceKernel(spec, kAxesInputOfOthers, false, [reduce](const auto* values, int64_t count) {
    using T = std::decay_t<decltype(*values)>;
    const double result = reduce(values, count);
    if constexpr (!std::is_floating_point_v<T>) {
      const double limit = std::ldexp(1.0, std::numeric_limits<T>::digits);
      // Written so that NaN is refused too.
      if (!(result >= -limit && result < limit)) Malformed("the result leaves its dtype");
    }
    return static_cast<T>(result);
  });
}

// f(value) summed over all values, in double.
template <typename T, typename Function>
double SumOver(const T* values, int64_t count, Function f) {
  double sum = 0.0;
  for (int64_t i = 0; i < count; ++i) sum += f(static_cast<double>(values[i]));
  return sum;
}

// Floats are summed in double, integers wrap around.
template <typename T>
auto Sum(const T* values, int64_t count) {
  if constexpr (std::is_floating_point_v<T>) {
    double sum = 0.0;
    for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(values[i]);
    return sum;
  } else {
    std::make_unsigned_t<T> sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += static_cast<std::make_unsigned_t<T>>(values[i]);
    return static_cast<T>(sum);
  }
}

}  // namespace

ReducedAxes::ReducedAxes(const Node& node, bool axes_are_input)
    : empty_means_none_(axes_are_input && node.GetInt("noop_with_empty_axes", 0) != 0) {
  if (!axes_are_input) stated_ = node.GetInts("axes", {});
}

std::optional<std::vector<int64_t>> ReducedAxes::Of(const Tensor* input, int64_t rank) const {
  std::vector<int64_t> axes = input != nullptr ? ReadInts(*input, "axes") : stated_;
  if (axes.empty()) {
    if (empty_means_none_) return std::nullopt;
    for (int64_t d = 0; d < rank; ++d) axes.push_back(d);
  }
  return NormalizeAxes(std::move(axes), rank);
}

bool AxesAreInput(const Node& node, int64_t opset) {
  return opset >= (node.op == "ReduceSum" ? kAxesInputOfReduceSum : kAxesInputOfOthers);
}

KernelFunction CreateReduceSum(const KernelSpec& spec) {
  return ReduceKernel(spec, kAxesInputOfReduceSum, false, [](const auto* values, int64_t count) {
    return static_cast<std::decay_t<decltype(*values)>>(Sum(values, count));
  });
}

KernelFunction CreateReduceMean(const KernelSpec& spec) {
  return ReduceKernel(spec, kAxesInputOfOthers, true, [](const auto* values, int64_t count) {
    using T = std::decay_t<decltype(*values)>;
    const auto sum = Sum(values, count);
    return static_cast<T>(sum / static_cast<decltype(sum)>(count));
  });
}

KernelFunction CreateReduceMax(const KernelSpec& spec) {
  return ReduceKernel(spec, kAxesInputOfOthers, true, [](const auto* values, int64_t count) {
    return *std::max_element(values, values + count);
  });
}

KernelFunction CreateReduceMin(const KernelSpec& spec) {
  return ReduceKernel(spec, kAxesInputOfOthers, true, [](const auto* values, int64_t count) {
    return *std::min_element(values, values + count);
  });
}

// Integers wrap around.
KernelFunction CreateReduceProd(const KernelSpec& spec) {
  return ReduceKernel(spec, kAxesInputOfOthers, false, [](const auto* values, int64_t count) {
    using T = std::decay_t<decltype(*values)>;
    if constexpr (std::is_floating_point_v<T>) {
      double product = 1.0;
      for (int64_t i = 0; i < count; ++i) product *= static_cast<double>(values[i]);
      return static_cast<T>(product);
    } else {
      std::make_unsigned_t<T> product = 1;
      for (int64_t i = 0; i < count; ++i) {
        product *= static_cast<std::make_unsigned_t<T>>(values[i]);
      }
      return static_cast<T>(product);
    }
  });
}

KernelFunction CreateReduceL1(const KernelSpec& spec) {
  return RealReduceKernel(spec, [](const auto* values, int64_t count) {
    return SumOver(values, count, [](double x) { return std::abs(x); });
  });
}

KernelFunction CreateReduceL2(const KernelSpec& spec) {
  return RealReduceKernel(spec, [](const auto* values, int64_t count) {
    return std::sqrt(SumOver(values, count, [](double x) { return x * x; }));
  });
}

KernelFunction CreateReduceSumSquare(const KernelSpec& spec) {
  return RealReduceKernel(spec, [](const auto* values, int64_t count) {
    return SumOver(values, count, [](double x) { return x * x; });
  });
}

KernelFunction CreateReduceLogSum(const KernelSpec& spec) {
  return RealReduceKernel(spec, [](const auto* values, int64_t count) {
    return std::log(SumOver(values, count, [](double x) { return x; }));
  });
}

KernelFunction CreateReduceLogSumExp(const KernelSpec& spec) {
  return RealReduceKernel(spec, [](const auto* values, int64_t count) {
    double largest = -std::numeric_limits<double>::infinity();
    for (int64_t i = 0; i < count; ++i) {
      largest = std::max(largest, static_cast<double>(values[i]));
    }
    // Infinities are their own result; the difference below would be NaN.
    if (std::isinf(largest)) return largest;
    const double sum =
        SumOver(values, count, [largest](double x) { return std::exp(x - largest); });
    return largest + std::log(sum);
  });
}

namespace {

// better(a, b): a is chosen rather than b; among equals the first or, if asked for, the last.
template <typename Better>
KernelFunction ArgKernel(const KernelSpec& spec, Better better) {
  CheckArity(spec.node, 1, 1);
  const int64_t stated_axis = spec.node.GetInt("axis", 0);
  const bool keep_dims = spec.node.GetInt("keepdims", 1) != 0;
  const bool select_last = spec.node.GetInt("select_last_index", 0) != 0;
  return [=](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    const int64_t axis = NormalizeAxis(stated_axis, x.rank());
    const Arrangement arrangement = Arrange(x, {axis}, keep_dims);
    const int64_t run = arrangement.run;
    if (run == 0) Malformed("axis " + std::to_string(axis) + " is empty");
    Tensor y = NewOutput(DType::kInt64, arrangement.shape);
    VisitArithmetic(x.dtype(), "input", [&](auto zero) {
      using T = decltype(zero);
      for (int64_t i = 0; i < y.num_elements(); ++i) {
        const T* values = arrangement.moved.template data<T>() + i * run;
        int64_t best = 0;
        for (int64_t k = 1; k < run; ++k) {
          if (better(values[k], values[best]) || (select_last && values[k] == values[best]))
            best = k;
        }
        y.mutable_data<int64_t>()[i] = best;
      }
    });
    return {y};
  };
}

}  // namespace

KernelFunction CreateArgMax(const KernelSpec& spec) {
  return ArgKernel(spec, [](auto a, auto b) { return a > b; });
}
KernelFunction CreateArgMin(const KernelSpec& spec) {
  return ArgKernel(spec, [](auto a, auto b) { return a < b; });
}

}  // namespace adaround::kernels
