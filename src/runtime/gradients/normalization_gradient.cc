// Normalizations, sums in double.
#include <algorithm>
#include <cmath>

#include "runtime/gradients/gradient_util.h"
#include "runtime/gradients/gradients.h"

namespace adaround::gradients {
namespace {

Tensor FromDoubles(const std::vector<double>& values, const Shape& shape) {
  Tensor tensor(DType::kFloat32, shape);
  for (size_t i = 0; i < values.size(); ++i) {
    tensor.mutable_data<float>()[i] = static_cast<float>(values[i]);
  }
  return tensor;
}

bool IsWanted(const GradientCall& call, size_t input) {
  return input < call.wanted.size() && call.wanted[input];
}

// y = scale n + bias for n = (x - mean) / sqrt(variance + epsilon) of each slice of `slice`
// elements. With h = g scale:  dL/dx = (h - mean(h) - n mean(h n)) / sqrt(variance + epsilon).
// `by_scale` and `by_bias` receive g n and g, in x's shape, where they are not null.
Tensor NormalizationGradient(const Tensor& x, const Tensor& of_output, const Tensor& scale,
                             int64_t slice, double epsilon, float* by_scale, float* by_bias) {
  Tensor gradient(DType::kFloat32, x.shape());
  std::vector<double> normal(static_cast<size_t>(slice));
  const auto count = static_cast<double>(slice);
  for (int64_t start = 0; start < x.num_elements(); start += slice) {
    const float* in = x.data<float>() + start;
    const float* g = of_output.data<float>() + start;
    const float* s = scale.data<float>() + start;
    double mean = 0.0;
    for (int64_t i = 0; i < slice; ++i) mean += static_cast<double>(in[i]);
    mean /= count;
    double variance = 0.0;
    for (int64_t i = 0; i < slice; ++i) {
      const double difference = static_cast<double>(in[i]) - mean;
      variance += difference * difference;
    }
    const double inverse = 1.0 / std::sqrt(variance / count + epsilon);
    double sum = 0.0;
    double sum_normal = 0.0;
    for (int64_t i = 0; i < slice; ++i) {
      const double n = (static_cast<double>(in[i]) - mean) * inverse;
      const double h = static_cast<double>(g[i]) * static_cast<double>(s[i]);
      normal[static_cast<size_t>(i)] = n;
      sum += h;
      sum_normal += h * n;
    }
    float* out = gradient.mutable_data<float>() + start;
    for (int64_t i = 0; i < slice; ++i) {
      const double n = normal[static_cast<size_t>(i)];
      const double h = static_cast<double>(g[i]) * static_cast<double>(s[i]);
      out[i] = static_cast<float>((h - sum / count - n * sum_normal / count) * inverse);
      if (by_scale != nullptr)
        by_scale[start + i] = static_cast<float>(static_cast<double>(g[i]) * n);
      if (by_bias != nullptr) by_bias[start + i] = g[i];
    }
  }
  return gradient;
}

// The derivatives of a call from x's: `scale` as broadcast to x's shape from `parameter_shape`.
std::vector<Tensor> NormalizationGradients(const GradientCall& call, const Shape& parameter_shape,
                                           int64_t slice, double epsilon) {
  const Tensor& x = *call.inputs[0];
  kernels::CheckFloat(x, "input");
  Tensor by_scale(DType::kFloat32, x.shape());
  Tensor by_bias(DType::kFloat32, x.shape());
  const Tensor scale = BroadcastTo(call.inputs[1]->Reshaped(parameter_shape), x.shape());
  std::vector<Tensor> gradients = NoGradients(call);
  Tensor by_input =
      NormalizationGradient(x, *call.output_gradients[0], scale, slice, epsilon,
                            by_scale.mutable_data<float>(), by_bias.mutable_data<float>());
  if (call.wanted[0]) gradients[0] = std::move(by_input);
  if (IsWanted(call, 1)) {
    gradients[1] = SumToShape(by_scale, parameter_shape).Reshaped(call.input_shapes[1]);
  }
  if (IsWanted(call, 2)) {
    gradients[2] = SumToShape(by_bias, parameter_shape).Reshaped(call.input_shapes[2]);
  }
  return gradients;
}

}  // namespace

// By x, scale, bias, mean and variance: y = (x - mean) r scale + bias, r = 1 / sqrt(variance +
// epsilon).
GradientFunction CreateBatchNormalization(const GradientSpec& spec) {
  const double epsilon = spec.node.GetFloat("epsilon", 1e-5);
  return [epsilon](const GradientCall& call) -> std::vector<Tensor> {
    const Shape& shape = call.input_shapes[0];
    const auto rank = static_cast<int64_t>(shape.size());
    const int64_t channels = rank == 1 ? 1 : shape[1];
    const int64_t area = kernels::ProductOf(shape, 2, rank);
    const Tensor& of_output = *call.output_gradients[0];
    const auto parameter = [&](size_t input, int64_t c) {
      return static_cast<double>(call.inputs[input]->data<float>()[c]);
    };
    // Per channel: sums of g and of g (x - mean).
    const auto size = static_cast<size_t>(channels);
    std::vector<double> sum(size, 0.0);
    std::vector<double> sum_centred(size, 0.0);
    std::vector<double> inverse(size);
    for (int64_t c = 0; c < channels; ++c) {
      inverse[static_cast<size_t>(c)] = 1.0 / std::sqrt(parameter(4, c) + epsilon);
    }
    const bool needs_x = IsWanted(call, 1) || IsWanted(call, 4);
    std::vector<Tensor> gradients = NoGradients(call);
    if (call.wanted[0]) gradients[0] = Tensor(DType::kFloat32, shape);
    const int64_t planes = of_output.num_elements() == 0 ? 0 : of_output.num_elements() / area;
    for (int64_t plane = 0; plane < planes; ++plane) {
      const int64_t channel = plane % channels;
      const auto c = static_cast<size_t>(channel);
      const float* g = of_output.data<float>() + plane * area;
      const double factor = parameter(1, channel) * inverse[c];
      const double mean = needs_x ? parameter(3, channel) : 0.0;
      for (int64_t i = 0; i < area; ++i) {
        sum[c] += static_cast<double>(g[i]);
        if (needs_x) {
          const double x = static_cast<double>(call.inputs[0]->data<float>()[plane * area + i]);
          sum_centred[c] += static_cast<double>(g[i]) * (x - mean);
        }
        if (call.wanted[0]) {
          gradients[0].mutable_data<float>()[plane * area + i] =
              static_cast<float>(static_cast<double>(g[i]) * factor);
        }
      }
    }
    const auto per_channel = [&](size_t input, auto value) {
      if (!IsWanted(call, input)) return;
      std::vector<double> values;
      for (int64_t c = 0; c < channels; ++c) values.push_back(value(static_cast<size_t>(c), c));
      gradients[input] = FromDoubles(values, call.input_shapes[input]);
    };
    per_channel(1, [&](size_t c, int64_t) { return sum_centred[c] * inverse[c]; });
    per_channel(2, [&](size_t c, int64_t) { return sum[c]; });
    per_channel(3, [&](size_t c, int64_t at) { return -sum[c] * parameter(1, at) * inverse[c]; });
    per_channel(4, [&](size_t c, int64_t at) {
      return -0.5 * sum_centred[c] * parameter(1, at) * inverse[c] * inverse[c] * inverse[c];
    });
    return gradients;
  };
}

GradientFunction CreateInstanceNormalization(const GradientSpec& spec) {
  const double epsilon = spec.node.GetFloat("epsilon", 1e-5);
  return [epsilon](const GradientCall& call) {
    const Shape& shape = call.input_shapes[0];
    Shape channels(shape.size() - 1, 1);
    channels[0] = shape[1];
    const int64_t slice = kernels::ProductOf(shape, 2, static_cast<int64_t>(shape.size()));
    return NormalizationGradients(call, channels, slice, epsilon);
  };
}

// Of the first output; mean and deviation are for training.
GradientFunction CreateLayerNormalization(const GradientSpec& spec) {
  const std::vector<std::string>& outputs = spec.node.outputs;
  const bool names_statistics = std::any_of(outputs.begin() + 1, outputs.end(),
                                            [](const auto& name) { return !name.empty(); });
  if (names_statistics) kernels::Unsupported("its mean and deviation are outputs too");
  const int64_t stated_axis = spec.node.GetInt("axis", -1);
  const double epsilon = spec.node.GetFloat("epsilon", 1e-5);
  return [stated_axis, epsilon](const GradientCall& call) {
    const Shape& shape = call.input_shapes[0];
    const auto rank = static_cast<int64_t>(shape.size());
    const int64_t axis = kernels::NormalizeAxis(stated_axis, rank);
    return NormalizationGradients(call, call.input_shapes[1], kernels::ProductOf(shape, axis, rank),
                                  epsilon);
  };
}

// y_c = x_c s_c^-beta, s_c = bias + alpha / size * sum of x_k^2 over the channels k around c:
//   dL/dx_c = g_c s_c^-beta - 2 alpha beta / size * x_c * sum of g_k x_k s_k^(-beta - 1)
// over the channels k whose window holds c.
GradientFunction CreateLRN(const GradientSpec& spec) {
  const int64_t size = spec.node.GetInt("size", 0);
  const double alpha = spec.node.GetFloat("alpha", 1e-4) / static_cast<double>(size);
  const double beta = spec.node.GetFloat("beta", 0.75);
  const double bias = spec.node.GetFloat("bias", 1.0);
  return [=](const GradientCall& call) -> std::vector<Tensor> {
    const Tensor& x = *call.inputs[0];
    kernels::CheckFloat(x, "input");
    const int64_t channels = x.dim(1);
    const int64_t area = kernels::ProductOf(x.shape(), 2, x.rank());
    const int64_t before = std::min((size - 1) / 2, channels);
    const int64_t behind = std::min(size - 1 - (size - 1) / 2, channels);
    const Tensor& of_output = *call.output_gradients[0];
    Tensor gradient(DType::kFloat32, x.shape());
    std::vector<double> s(static_cast<size_t>(channels));
    std::vector<double> inner(static_cast<size_t>(channels));
    for (int64_t n = 0; n < x.dim(0); ++n) {
      for (int64_t i = 0; i < area; ++i) {
        const int64_t first = n * channels * area + i;
        const auto value = [&](const Tensor& tensor, int64_t c) {
          return static_cast<double>(tensor.data<float>()[first + c * area]);
        };
        for (int64_t c = 0; c < channels; ++c) {
          double squares = 0.0;
          for (int64_t k = std::max<int64_t>(0, c - before);
               k <= std::min(channels - 1, c + behind); ++k) {
            squares += value(x, k) * value(x, k);
          }
          const auto at = static_cast<size_t>(c);
          s[at] = bias + alpha * squares;
          inner[at] = value(of_output, c) * value(x, c) * std::pow(s[at], -beta - 1.0);
        }
        for (int64_t c = 0; c < channels; ++c) {
          double sum = 0.0;
          for (int64_t k = std::max<int64_t>(0, c - behind);
               k <= std::min(channels - 1, c + before); ++k) {
            sum += inner[static_cast<size_t>(k)];
          }
          gradient.mutable_data<float>()[first + c * area] =
              static_cast<float>(value(of_output, c) * std::pow(s[static_cast<size_t>(c)], -beta) -
                                 2.0 * alpha * beta * value(x, c) * sum);
        }
      }
    }
    std::vector<Tensor> gradients = NoGradients(call);
    gradients[0] = std::move(gradient);
    return gradients;
  };
}

}  // namespace adaround::gradients
