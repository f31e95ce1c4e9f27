// MaxPool and AveragePool by direct loops: a window is reduced over its outer axes first, a whole
// input row at a time (vectorised), then along the row.
#include <algorithm>
#include <limits>
#include <vector>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/window.h"

namespace adaround::kernels {
namespace {

struct MaxOf {
  static constexpr float kStart = -std::numeric_limits<float>::infinity();
  static float Combine(float a, float b) { return a < b || b != b ? b : a; }
};

struct SumOf {
  static constexpr float kStart = 0.0F;
  static float Combine(float a, float b) { return a + b; }
};

// Folds into `row` the input rows under the outer axes of one window; `outer` holds its position.
template <typename Reducer>
void FoldRows(const float* plane, const Window& window, const std::vector<int64_t>& outer,
              std::vector<float>& row) {
  const size_t num_outer = window.size() - 1;
  const int64_t width = window.back().input;
  std::fill(row.begin(), row.end(), Reducer::kStart);
  std::vector<Taps> taps(num_outer);
  std::vector<int64_t> tap(num_outer);
  for (size_t d = 0; d < num_outer; ++d) {
    taps[d] = TapsInside(window[d], outer[d]);
    if (taps[d].begin >= taps[d].end) return;
    tap[d] = taps[d].begin;
  }
  while (true) {
    int64_t index = 0;
    for (size_t d = 0; d < num_outer; ++d) {
      const WindowAxis& axis = window[d];
      index = index * axis.input + outer[d] * axis.stride - axis.pad_begin + tap[d] * axis.dilation;
    }
    const float* in = plane + index * width;
    float* out = row.data();
    for (int64_t x = 0; x < width; ++x) out[x] = Reducer::Combine(out[x], in[x]);
    size_t d = num_outer;
    for (; d > 0; --d) {
      if (++tap[d - 1] < taps[d - 1].end) break;
      tap[d - 1] = taps[d - 1].begin;
    }
    if (d == 0) return;
  }
}

template <typename Reducer>
void PoolRow(const std::vector<float>& row, const WindowAxis& axis, float* out) {
  for (int64_t x = 0; x < axis.output; ++x) {
    const Taps taps = TapsInside(axis, x);
    const int64_t start = x * axis.stride - axis.pad_begin;
    float value = Reducer::kStart;
    for (int64_t t = taps.begin; t < taps.end; ++t) {
      value = Reducer::Combine(value, row[static_cast<size_t>(start + t * axis.dilation)]);
    }
    out[x] = value;
  }
}

// finish(out row, position of the row along the outer axes) after each row.
template <typename Reducer, typename Finish>
Tensor Pool(const Tensor& x, const Window& window, Finish finish) {
  Tensor y = NewOutput(DType::kFloat32, WindowOutputShape(x.dim(0), x.dim(1), window));
  if (y.num_elements() == 0) return y;
  const int64_t in_area = ProductOf(x.shape(), 2, x.rank());
  const int64_t planes = x.num_elements() / in_area;
  const int64_t out_width = window.back().output;
  const int64_t rows = y.num_elements() / (planes * out_width);
  std::vector<float> row(static_cast<size_t>(window.back().input));
  std::vector<int64_t> outer(window.size() - 1);
  float* out = y.mutable_data<float>();
  for (int64_t plane = 0; plane < planes; ++plane) {
    for (int64_t r = 0; r < rows; ++r, out += out_width) {
      int64_t rest = r;
      for (size_t d = outer.size(); d-- > 0; rest /= window[d].output) {
        outer[d] = rest % window[d].output;
      }
      FoldRows<Reducer>(x.data<float>() + plane * in_area, window, outer, row);
      PoolRow<Reducer>(row, window.back(), out);
      finish(out, outer);
    }
  }
  return y;
}

Window ResolvePool(const WindowAttributes& attributes, const Tensor& x) {
  CheckFloat(x, "input");
  return ResolveWindow(attributes, x.shape(), attributes.kernel_shape);
}

}  // namespace

KernelFunction CreateMaxPool(const KernelSpec& spec) {
  CheckArity(spec.node, 1, 1);
  const WindowAttributes attributes = ReadPoolAttributes(spec.node);
  return [attributes](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Window window = ResolvePool(attributes, *inputs[0]);
    return {Pool<MaxOf>(*inputs[0], window, [](float*, const std::vector<int64_t>&) {})};
  };
}

KernelFunction CreateAveragePool(const KernelSpec& spec) {
  CheckArity(spec.node, 1, 1);
  const WindowAttributes attributes = ReadPoolAttributes(spec.node);
  const bool include_pad = spec.node.GetInt("count_include_pad", 0) != 0;
  return [attributes, include_pad](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Window window = ResolvePool(attributes, *inputs[0]);
    const auto divide = [&](float* out, const std::vector<int64_t>& outer) {
      // In double: with huge kernels the product leaves the integers.
      double outer_taps = 1.0;
      for (size_t d = 0; d < outer.size(); ++d) {
        outer_taps *= static_cast<double>(AveragedTaps(window[d], outer[d], include_pad));
      }
      for (int64_t x = 0; x < window.back().output; ++x) {
        const double taps =
            outer_taps * static_cast<double>(AveragedTaps(window.back(), x, include_pad));
        // A window wholly inside the padding averages nothing: zero rather than 0 / 0.
        out[x] /= static_cast<float>(std::max(1.0, taps));
      }
    };
    return {Pool<SumOf>(*inputs[0], window, divide)};
  };
}

}  // namespace adaround::kernels
