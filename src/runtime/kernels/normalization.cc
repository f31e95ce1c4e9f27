// Normalizations of slices of the input by their own statistics.
#include <algorithm>
#include <cmath>

#include "runtime/kernels/broadcast.h"
#include "runtime/kernels/kernels.h"

namespace adaround::kernels {
namespace {

struct Moments {
  float mean;
  float inverse_deviation;  // 1 / sqrt(variance + epsilon)
};

// In double, and the variance from the differences: slices are long, means may be large.
Moments MomentsOf(const float* values, int64_t count, double epsilon) {
  double sum = 0.0;
  for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(values[i]);
  const double mean = sum / static_cast<double>(count);
  double squares = 0.0;
  for (int64_t i = 0; i < count; ++i) {
    const double difference = static_cast<double>(values[i]) - mean;
    squares += difference * difference;
  }
  const double variance = squares / static_cast<double>(count);
  return {static_cast<float>(mean), static_cast<float>(1.0 / std::sqrt(variance + epsilon))};
}

Tensor Normalize(const Tensor& x, int64_t slice, double epsilon, std::vector<Moments>* moments) {
  Tensor y = NewOutput(DType::kFloat32, x.shape());
  for (int64_t start = 0; start < x.num_elements(); start += slice) {
    const float* in = x.data<float>() + start;
    float* out = y.mutable_data<float>() + start;
    const Moments of = MomentsOf(in, slice, epsilon);
    for (int64_t i = 0; i < slice; ++i) out[i] = (in[i] - of.mean) * of.inverse_deviation;
    moments->push_back(of);
  }
  return y;
}

Tensor Scale(const Tensor& x, const Tensor& scale, const Tensor* bias) {
  const Tensor scaled = ApplyBinary<float, float>(x, scale, [](float a, float b) { return a * b; });
  if (bias == nullptr) return scaled;
  return ApplyBinary<float, float>(scaled, *bias, [](float a, float b) { return a + b; });
}

void CheckBroadcastsTo(const Tensor& parameter, const Shape& shape, const char* what) {
  CheckFloat(parameter, what);
  if (BroadcastShape(parameter.shape(), shape) != shape) {
    Malformed(std::string(what) + " of shape " + ShapeToString(parameter.shape()) +
              " does not broadcast to " + ShapeToString(shape));
  }
}

}  // namespace

KernelFunction CreateInstanceNormalization(const KernelSpec& spec) {
  CheckArity(spec.node, 3, 3);
  const double epsilon = spec.node.GetFloat("epsilon", 1e-5);
  return [epsilon](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    CheckFloat(x, "input");
    CheckRankAtLeast(x, 3, "input");
    // Per channel: as broadcast along the axes behind it.
    Shape channels(x.shape().size() - 1, 1);
    channels[0] = x.dim(1);
    for (size_t i = 1; i < 3; ++i) {
      CheckFloat(*inputs[i], "parameter");
      if (inputs[i]->shape() != Shape{x.dim(1)}) {
        Malformed("parameter " + std::to_string(i) + " has shape " +
                  ShapeToString(inputs[i]->shape()) + ", wanted [" + std::to_string(x.dim(1)) +
                  "]");
      }
    }
    if (x.num_elements() == 0) return {x};
    std::vector<Moments> moments;
    const Tensor normal = Normalize(x, ProductOf(x.shape(), 2, x.rank()), epsilon, &moments);
    const Tensor bias = inputs[2]->Reshaped(channels);
    return {Scale(normal, inputs[1]->Reshaped(channels), &bias)};
  };
}

// Outputs: y and, where the node names them, the mean and 1 / deviation of each slice.
KernelFunction CreateLayerNormalization(const KernelSpec& spec) {
  CheckInputCount(spec.node, 2, 3);
  CheckOutputCount(spec.node, 3);
  const size_t num_outputs = spec.node.outputs.size();
  const int64_t stated_axis = spec.node.GetInt("axis", -1);
  const double epsilon = spec.node.GetFloat("epsilon", 1e-5);
  return [=](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    const Tensor* bias = OptionalInput(inputs, 2);
    CheckFloat(x, "input");
    const int64_t axis = NormalizeAxis(stated_axis, x.rank());
    const Shape slice_shape(x.shape().begin() + axis, x.shape().end());
    CheckBroadcastsTo(*inputs[1], slice_shape, "scale");
    if (bias != nullptr) CheckBroadcastsTo(*bias, slice_shape, "bias");
    const int64_t slice = NumElements(slice_shape);
    if (slice < 1) Malformed("shape " + ShapeToString(x.shape()) + " has nothing to normalize");
    std::vector<Moments> moments;
    const Tensor normal = Normalize(x, slice, epsilon, &moments);
    Shape moments_shape = x.shape();
    std::fill(moments_shape.begin() + axis, moments_shape.end(), 1);
    Tensor mean(DType::kFloat32, moments_shape);
    Tensor deviation(DType::kFloat32, moments_shape);
    for (size_t i = 0; i < moments.size(); ++i) {
      mean.mutable_data<float>()[i] = moments[i].mean;
      deviation.mutable_data<float>()[i] = moments[i].inverse_deviation;
    }
    std::vector<Tensor> outputs = {Scale(normal, *inputs[1], bias), mean, deviation};
    outputs.resize(num_outputs);
    return outputs;
  };
}

// The channels in groups, each group one slice. Scale and bias are given for each group at opset
// 18, for each channel from 21 on.
KernelFunction CreateGroupNormalization(const KernelSpec& spec) {
  constexpr int64_t kFirstPerChannel = 21;
  CheckArity(spec.node, 3, 3);
  const bool per_channel = spec.opset >= kFirstPerChannel;
  const double epsilon = spec.node.GetFloat("epsilon", 1e-5);
  const int64_t groups = spec.node.GetInt("num_groups", 0);
  if (groups < 1) Malformed("attribute 'num_groups' is " + std::to_string(groups));
  return [=](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    CheckFloat(x, "input");
    CheckRankAtLeast(x, 2, "input");
    const int64_t channels = x.dim(1);
    if (channels % groups != 0) {
      Malformed("attribute 'num_groups' is " + std::to_string(groups) + ", the input has " +
                std::to_string(channels) + " channels");
    }
    const Shape wanted = {per_channel ? channels : groups};
    for (size_t i = 1; i < 3; ++i) {
      CheckFloat(*inputs[i], "parameter");
      if (inputs[i]->shape() != wanted) {
        Malformed("parameter " + std::to_string(i) + " has shape " +
                  ShapeToString(inputs[i]->shape()) + ", wanted " + ShapeToString(wanted));
      }
    }
    if (x.num_elements() == 0) return {x};
    const int64_t area = ProductOf(x.shape(), 2, x.rank());
    std::vector<Moments> moments;
    const Tensor normal = Normalize(x, channels / groups * area, epsilon, &moments);
    // Read as [N, sets of parameters, elements of one], scale and bias broadcast.
    const Shape view = {x.dim(0), wanted[0], channels / wanted[0] * area};
    const Tensor bias = inputs[2]->Reshaped({wanted[0], 1});
    return {Scale(normal.Reshaped(view), inputs[1]->Reshaped({wanted[0], 1}), &bias)
                .Reshaped(x.shape())};
  };
}

}  // namespace adaround::kernels
