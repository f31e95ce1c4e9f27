// Poolings, by direct loops over windows.
#include <algorithm>
#include <cmath>

#include "runtime/gradients/gradient_util.h"
#include "runtime/gradients/gradients.h"
#include "runtime/kernels/window.h"

namespace adaround::gradients {
namespace {

using kernels::Taps;
using kernels::Window;
using kernels::WindowAxis;

// Calls visit(position in the input plane) for each tap of the window at `output` that lies inside
// the input, in row-major order.
template <typename Visit>
void VisitTaps(const Window& window, const std::vector<int64_t>& output, Visit visit) {
  const size_t rank = window.size();
  std::vector<Taps> taps(rank);
  std::vector<int64_t> tap(rank);
  for (size_t d = 0; d < rank; ++d) {
    taps[d] = kernels::TapsInside(window[d], output[d]);
    if (taps[d].begin >= taps[d].end) return;
    tap[d] = taps[d].begin;
  }
  while (true) {
    int64_t index = 0;
    for (size_t d = 0; d < rank; ++d) {
      const WindowAxis& axis = window[d];
      index =
          index * axis.input + output[d] * axis.stride - axis.pad_begin + tap[d] * axis.dilation;
    }
    visit(index);
    size_t d = rank;
    for (; d > 0; --d) {
      if (++tap[d - 1] < taps[d - 1].end) break;
      tap[d - 1] = taps[d - 1].begin;
    }
    if (d == 0) return;
  }
}

// spread(plane of x or nullptr, plane of dL/dx, window, output position, dL/dy there).
template <typename Spread>
GradientFunction PoolGradient(const GradientSpec& spec, Spread spread) {
  const kernels::WindowAttributes attributes = kernels::ReadPoolAttributes(spec.node);
  return [attributes, spread](const GradientCall& call) -> std::vector<Tensor> {
    const Shape& shape = call.input_shapes[0];
    const Window window = kernels::ResolveWindow(attributes, shape, attributes.kernel_shape);
    const Tensor& of_output = *call.output_gradients[0];
    Tensor gradient = Tensor::Zeros(DType::kFloat32, shape);
    const int64_t in_area = kernels::ProductOf(shape, 2, static_cast<int64_t>(shape.size()));
    const int64_t out_area = kernels::ProductOf(of_output.shape(), 2, of_output.rank());
    std::vector<int64_t> output(window.size());
    for (int64_t i = 0; i < of_output.num_elements(); ++i) {
      const int64_t plane = i / out_area;
      int64_t rest = i % out_area;
      for (size_t d = output.size(); d-- > 0; rest /= window[d].output) {
        output[d] = rest % window[d].output;
      }
      const float* x =
          call.inputs[0] != nullptr ? call.inputs[0]->data<float>() + plane * in_area : nullptr;
      spread(x, gradient.mutable_data<float>() + plane * in_area, window, output,
             of_output.data<float>()[i]);
    }
    std::vector<Tensor> gradients = NoGradients(call);
    gradients[0] = std::move(gradient);
    return gradients;
  };
}

// dL/dx of a pooling of whole planes: fill(x plane or nullptr, dL/dy, dL/dx plane, area).
template <typename Fill>
GradientFunction GlobalPoolGradient(Fill fill) {
  return [fill](const GradientCall& call) -> std::vector<Tensor> {
    const Shape& shape = call.input_shapes[0];
    const Tensor& of_output = *call.output_gradients[0];
    const int64_t area = kernels::ProductOf(shape, 2, static_cast<int64_t>(shape.size()));
    Tensor gradient(DType::kFloat32, shape);
    for (int64_t plane = 0; plane < of_output.num_elements(); ++plane) {
      fill(call.inputs[0] != nullptr ? call.inputs[0]->data<float>() + plane * area : nullptr,
           of_output.data<float>()[plane], gradient.mutable_data<float>() + plane * area, area);
    }
    std::vector<Tensor> gradients = NoGradients(call);
    gradients[0] = std::move(gradient);
    return gradients;
  };
}

}  // namespace

GradientFunction CreateMaxPool(const GradientSpec& spec) {
  return PoolGradient(spec, [](const float* x, float* gradient, const Window& window,
                               const std::vector<int64_t>& output, float of_output) {
    int64_t best = -1;
    VisitTaps(window, output, [&](int64_t index) {
      if (best < 0 || x[index] > x[best]) best = index;
    });
    if (best >= 0) gradient[best] += of_output;
  });
}

GradientFunction CreateAveragePool(const GradientSpec& spec) {
  const bool include_pad = spec.node.GetInt("count_include_pad", 0) != 0;
  return PoolGradient(spec, [include_pad](const float*, float* gradient, const Window& window,
                                          const std::vector<int64_t>& output, float of_output) {
    double taps = 1.0;
    for (size_t d = 0; d < window.size(); ++d) {
      taps *= static_cast<double>(kernels::AveragedTaps(window[d], output[d], include_pad));
    }
    const float share = of_output / static_cast<float>(std::max(1.0, taps));
    VisitTaps(window, output, [&](int64_t index) { gradient[index] += share; });
  });
}

GradientFunction CreateGlobalAveragePool(const GradientSpec&) {
  return GlobalPoolGradient([](const float*, float of_output, float* gradient, int64_t area) {
    std::fill(gradient, gradient + area, of_output / static_cast<float>(area));
  });
}

GradientFunction CreateGlobalMaxPool(const GradientSpec&) {
  return GlobalPoolGradient([](const float* x, float of_output, float* gradient, int64_t area) {
    std::fill(gradient, gradient + area, 0.0F);
    gradient[std::max_element(x, x + area) - x] = of_output;
  });
}

}  // namespace adaround::gradients
