// Operators that only move, repeat or drop elements. Their forward kernel is run on the elements'
// indices; what it makes of them says where each element of the result came from, and the
// derivative goes back there, summed in double where an element was repeated.
#include <algorithm>
#include <numeric>

#include "runtime/gradients/gradient_util.h"
#include "runtime/gradients/gradients.h"
#include "runtime/kernels/onnx_dtype.h"

namespace adaround::gradients {
namespace {

bool Moves(InputSet moved, const GradientCall& call, size_t input) {
  return Holds(moved, input) && input < call.input_shapes.size();
}

// `moved`: the inputs whose elements are moved; the others are parameters.
GradientFunction MovementGradient(const GradientSpec& spec, InputSet moved) {
  const Node node = spec.node;
  const KernelFunction kernel =
      CreateKernel({node, spec.opset, KernelInputs(node.inputs.size(), nullptr)});
  return [kernel, moved](const GradientCall& call) -> std::vector<Tensor> {
    // Indices count on from one moved input to the next.
    std::vector<Tensor> indices(call.inputs.size());
    std::vector<int64_t> first(call.inputs.size(), 0);
    KernelInputs inputs = call.inputs;
    int64_t total = 0;
    for (size_t i = 0; i < call.inputs.size(); ++i) {
      if (!Moves(moved, call, i)) continue;
      indices[i] = Tensor(DType::kInt64, call.input_shapes[i]);
      int64_t* out = indices[i].mutable_data<int64_t>();
      std::iota(out, out + indices[i].num_elements(), total);
      first[i] = total;
      total += indices[i].num_elements();
      inputs[i] = &indices[i];
    }
    const std::vector<Tensor> sources = kernel(inputs);
    std::vector<double> sums(static_cast<size_t>(total), 0.0);
    for (size_t o = 0; o < call.output_gradients.size(); ++o) {
      const Tensor* of_output = call.output_gradients[o];
      if (of_output == nullptr) continue;
      const int64_t* source = sources[o].data<int64_t>();
      for (int64_t i = 0; i < of_output->num_elements(); ++i) {
        sums[static_cast<size_t>(source[i])] += static_cast<double>(of_output->data<float>()[i]);
      }
    }
    std::vector<Tensor> gradients = NoGradients(call);
    for (size_t i = 0; i < call.inputs.size(); ++i) {
      if (!call.wanted[i]) continue;
      gradients[i] = Tensor(DType::kFloat32, call.input_shapes[i]);
      for (int64_t e = 0; e < gradients[i].num_elements(); ++e) {
        gradients[i].mutable_data<float>()[e] =
            static_cast<float>(sums[static_cast<size_t>(first[i] + e)]);
      }
    }
    return gradients;
  };
}

// The first output has the input's elements in their order.
std::vector<Tensor> ReshapeBack(const GradientCall& call) {
  std::vector<Tensor> gradients = NoGradients(call);
  const Tensor* of_output = call.output_gradients[0];
  gradients[0] = of_output != nullptr ? of_output->Reshaped(call.input_shapes[0])
                                      : Tensor::Zeros(DType::kFloat32, call.input_shapes[0]);
  return gradients;
}

// Of constant padding: padding by the negative, which crops what was added.
GradientFunction PadGradient(const GradientSpec& spec, bool pads_are_input) {
  const std::string mode = spec.node.GetString("mode", "constant");
  if (mode != "constant") kernels::Unsupported("mode " + Printable(mode));
  Node node = spec.node;
  const int64_t opset = spec.opset;
  if (!pads_are_input) {
    std::vector<int64_t> pads = node.GetInts("pads", {});
    for (int64_t& pad : pads) pad = -pad;
    node.attributes["pads"] = pads;
    node.attributes["value"] = 0.0;
  }
  const KernelFunction kernel =
      CreateKernel({node, opset, KernelInputs(node.inputs.size(), nullptr)});
  return [kernel, pads_are_input](const GradientCall& call) -> std::vector<Tensor> {
    KernelInputs inputs = call.inputs;
    inputs[0] = call.output_gradients[0];
    Tensor negative;
    if (pads_are_input) {
      std::vector<int64_t> pads = ToInt64Vector(*call.inputs[1]);
      for (int64_t& pad : pads) pad = -pad;
      negative = Tensor::FromVector<int64_t>({static_cast<int64_t>(pads.size())}, pads);
      inputs[1] = &negative;
      if (inputs.size() > 2) inputs[2] = nullptr;  // the constant: zero
    }
    std::vector<Tensor> gradients = NoGradients(call);
    gradients[0] = kernel(inputs)[0];
    return gradients;
  };
}

}  // namespace

GradientFunction CreateReshaped(const GradientSpec&) {
  return ReshapeBack;
}
GradientFunction CreateMoved(const GradientSpec& spec) {
  return MovementGradient(spec, kFirstInput);
}
GradientFunction CreateConcat(const GradientSpec& spec) {
  return MovementGradient(spec, kAllInputs);
}
GradientFunction CreateWhere(const GradientSpec& spec) {
  return MovementGradient(spec, kChoicesOfWhere);
}
GradientFunction CreatePad2(const GradientSpec& spec) {
  return PadGradient(spec, false);
}
GradientFunction CreatePad(const GradientSpec& spec) {
  return PadGradient(spec, true);
}

// From float32 to float32; other types are refused, as nothing else is differentiated.
GradientFunction CreateCast(const GradientSpec& spec) {
  const DType to = kernels::DTypeFromOnnx(spec.node.GetInt("to", 1));
  if (to != DType::kFloat32) {
    kernels::Unsupported("to " + std::string(DTypeName(to)) + ", only float32 is differentiated");
  }
  return ReshapeBack;
}

}  // namespace adaround::gradients
