// Operators that give the same elements another shape: the results share the input's buffer.
#include <algorithm>

#include "base/checked_math.h"
#include "runtime/kernels/kernels.h"
#include "runtime/kernels/kernel_util.h"

namespace adaround::kernels {
namespace {

Tensor WithShape(const Tensor& x, const Shape& shape) {
  CheckOutputShape(shape);
  if (NumElements(shape) != x.num_elements()) {
    Malformed("shape " + ShapeToString(x.shape()) + " does not reshape to " +
              ShapeToString(shape));
  }
  return x.Reshaped(shape);
}

Tensor Reshape(const Tensor& x, const Tensor& wanted, bool allow_zero) {
  Shape shape = ReadInts(wanted, "shape");
  const std::string stated = ShapeToString(shape);
  int64_t* inferred = nullptr;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0 && !allow_zero) {
      if (i >= x.shape().size()) {
        Malformed("shape " + stated + " copies axis " + std::to_string(i) + " of an input of " +
                  std::to_string(x.rank()) + " dimensions");
      }
      shape[i] = x.shape()[i];
    } else if (shape[i] == -1) {
      if (inferred != nullptr) Malformed("shape " + stated + " infers more than one axis");
      inferred = &shape[i];
    } else if (shape[i] < 0) {
      Malformed("shape " + stated + " has a negative extent");
    }
  }
  if (inferred != nullptr) {
    *inferred = 1;
    const std::optional<int64_t> rest = CheckedNumElements(shape);
    if (!rest || *rest == 0 || x.num_elements() % *rest != 0) {
      Malformed("shape " + ShapeToString(x.shape()) + " does not reshape to " + stated);
    }
    *inferred = x.num_elements() / *rest;
  }
  return WithShape(x, shape);
}

// Axes as an input (from opset 13), or nothing.
std::optional<std::vector<int64_t>> AxesInput(const KernelInputs& inputs) {
  const Tensor* axes = OptionalInput(inputs, 1);
  if (axes == nullptr) return std::nullopt;
  return ReadInts(*axes, "axes");
}

Tensor Squeeze(const Tensor& x, const std::optional<std::vector<int64_t>>& stated) {
  Shape shape;
  if (!stated) {
    std::copy_if(x.shape().begin(), x.shape().end(), std::back_inserter(shape),
                 [](int64_t extent) { return extent != 1; });
    return WithShape(x, shape);
  }
  const std::vector<int64_t> axes = NormalizeAxes(*stated, x.rank());
  for (int64_t d = 0; d < x.rank(); ++d) {
    if (!std::binary_search(axes.begin(), axes.end(), d)) {
      shape.push_back(x.dim(d));
    } else if (x.dim(d) != 1) {
      Malformed("axis " + std::to_string(d) + " of shape " + ShapeToString(x.shape()) +
                " cannot be squeezed");
    }
  }
  return WithShape(x, shape);
}

Tensor Unsqueeze(const Tensor& x, const std::vector<int64_t>& stated) {
  const int64_t rank = x.rank() + static_cast<int64_t>(stated.size());
  Shape shape = x.shape();
  for (const int64_t axis : NormalizeAxes(stated, rank)) shape.insert(shape.begin() + axis, 1);
  return WithShape(x, shape);
}

KernelFunction PassThrough(const KernelSpec& spec, size_t max_inputs) {
  CheckArity(spec.node, 1, max_inputs);
  return [](const KernelInputs& inputs) -> std::vector<Tensor> { return {*inputs[0]}; };
}

}  // namespace

KernelFunction CreateReshape(const KernelSpec& spec) {
  CheckArity(spec.node, 2, 2);
  const bool allow_zero = spec.node.GetInt("allowzero", 0) != 0;
  return [allow_zero](const KernelInputs& inputs) -> std::vector<Tensor> {
    return {Reshape(*inputs[0], *inputs[1], allow_zero)};
  };
}

KernelFunction CreateFlatten(const KernelSpec& spec) {
  CheckArity(spec.node, 1, 1);
  const int64_t stated_axis = spec.node.GetInt("axis", 1);
  return [stated_axis](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    // One past the last axis is allowed here.
    const int64_t axis =
        stated_axis == x.rank() ? stated_axis : NormalizeAxis(stated_axis, x.rank());
    const Shape head(x.shape().begin(), x.shape().begin() + axis);
    const Shape tail(x.shape().begin() + axis, x.shape().end());
    return {WithShape(x, {NumElements(head), NumElements(tail)})};
  };
}

KernelFunction CreateSqueeze(const KernelSpec& spec) {
  CheckArity(spec.node, 1, 2);
  return [](const KernelInputs& inputs) -> std::vector<Tensor> {
    return {Squeeze(*inputs[0], AxesInput(inputs))};
  };
}

KernelFunction CreateUnsqueeze(const KernelSpec& spec) {
  CheckArity(spec.node, 2, 2);
  return [](const KernelInputs& inputs) -> std::vector<Tensor> {
    return {Unsqueeze(*inputs[0], *AxesInput(inputs))};
  };
}

// Before opset 13: axes are an attribute.
KernelFunction CreateSqueeze1(const KernelSpec& spec) {
  CheckArity(spec.node, 1, 1);
  std::optional<std::vector<int64_t>> axes;
  if (spec.node.HasAttribute("axes")) axes = spec.node.GetInts("axes", {});
  return [axes](const KernelInputs& inputs) -> std::vector<Tensor> {
    return {Squeeze(*inputs[0], axes)};
  };
}

KernelFunction CreateUnsqueeze1(const KernelSpec& spec) {
  CheckArity(spec.node, 1, 1);
  if (!spec.node.HasAttribute("axes")) Malformed("attribute 'axes' is missing");
  const std::vector<int64_t> axes = spec.node.GetInts("axes", {});
  return [axes](const KernelInputs& inputs) -> std::vector<Tensor> {
    return {Unsqueeze(*inputs[0], axes)};
  };
}

KernelFunction CreateIdentity(const KernelSpec& spec) { return PassThrough(spec, 1); }

// Inference: nothing is dropped, and the mask, where the node names it, is all true.
KernelFunction CreateDropout(const KernelSpec& spec) {
  CheckInputCount(spec.node, 1, 3);
  CheckOutputCount(spec.node, 2);
  const bool wants_mask = spec.node.outputs.size() > 1;
  return [wants_mask](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor* training = OptionalInput(inputs, 2);
    // Training with a ratio of zero drops nothing either; the ratio left out is one half.
    const Tensor* ratio = OptionalInput(inputs, 1);
    const bool drops = ratio == nullptr || ReadScalar(*ratio, "ratio") != 0.0;
    if (training != nullptr && ReadScalar(*training, "training_mode") != 0.0 && drops) {
      Unsupported("training_mode true is not supported; export the model for inference");
    }
    std::vector<Tensor> outputs = {*inputs[0]};
    if (wants_mask) {
      Tensor mask = NewOutput(DType::kBool, inputs[0]->shape());
      std::fill_n(mask.mutable_data<bool>(), mask.num_elements(), true);
      outputs.push_back(mask);
    }
    return outputs;
  };
}

// Before opset 7 an attribute says whether the node is for inference.
KernelFunction CreateDropout6(const KernelSpec& spec) {
  if (spec.node.GetInt("is_test", 0) == 0) {
    Unsupported("is_test 0 is not supported; export the model for inference");
  }
  return CreateDropout(spec);
}

}  // namespace adaround::kernels
