#include <cmath>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/kernel_util.h"

namespace adaround::kernels {

// Inference only: y = (x - mean) / sqrt(variance + epsilon) * scale + bias, per channel.
KernelFunction CreateBatchNormalization(const KernelSpec& spec) {
  CheckArity(spec.node, 5, 5);
  if (spec.node.GetInt("training_mode", 0) != 0) {
    Unsupported("training_mode 1 is not supported; export the model for inference");
  }
  // Of opsets before 9: statistics for each position, not for each channel.
  if (spec.node.GetInt("spatial", 1) == 0) Unsupported("spatial 0 is not supported");
  const float epsilon = static_cast<float>(spec.node.GetFloat("epsilon", 1e-5));
  return [epsilon](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    CheckFloat(x, "input");
    CheckRankAtLeast(x, 1, "input");
    const int64_t channels = x.rank() == 1 ? 1 : x.dim(1);
    for (size_t i = 1; i < 5; ++i) {
      CheckFloat(*inputs[i], "parameter " + std::to_string(i));
      if (inputs[i]->shape() != Shape{channels}) {
        Malformed("parameter " + std::to_string(i) + " has shape " +
                  ShapeToString(inputs[i]->shape()) + ", wanted [" + std::to_string(channels) +
                  "]");
      }
    }
    Tensor y = NewOutput(DType::kFloat32, x.shape());
    if (y.num_elements() == 0) return {y};
    const int64_t area = ProductOf(x.shape(), 2, x.rank());
    const int64_t planes = x.num_elements() / area;
    for (int64_t plane = 0; plane < planes; ++plane) {
      const int64_t c = plane % channels;
      const float scale = inputs[1]->data<float>()[c] /
                          std::sqrt(inputs[4]->data<float>()[c] + epsilon);
      const float mean = inputs[3]->data<float>()[c];
      const float bias = inputs[2]->data<float>()[c];
      const float* in = x.data<float>() + plane * area;
      float* out = y.mutable_data<float>() + plane * area;
      for (int64_t i = 0; i < area; ++i) out[i] = (in[i] - mean) * scale + bias;
    }
    return {y};
  };
}

// Before opset 7 an attribute says whether the node is for inference.
KernelFunction CreateBatchNormalization6(const KernelSpec& spec) {
  if (spec.node.GetInt("is_test", 0) == 0) {
    Unsupported("is_test 0 is not supported; export the model for inference");
  }
  return CreateBatchNormalization(spec);
}

}  // namespace adaround::kernels
