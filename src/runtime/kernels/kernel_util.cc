#include "runtime/kernels/kernel_util.h"

#include <algorithm>

#include "runtime/output_limit.h"

namespace adaround::kernels {

void Malformed(const std::string& message) {
  throw Error(ErrorCode::kMalformed, message);
}
void Unsupported(const std::string& message) {
  throw Error(ErrorCode::kUnsupported, message);
}

void CheckInputCount(const Node& node, size_t min, size_t max) {
  const size_t count = node.inputs.size();
  if (count < min || count > max) {
    Malformed("found " + std::to_string(count) + " inputs, wanted " + std::to_string(min) +
              (min == max ? "" : " to " + std::to_string(max)));
  }
  for (size_t i = 0; i < min; ++i) {
    if (node.inputs[i].empty()) Malformed("required input " + std::to_string(i) + " is left out");
  }
}

void CheckOutputCount(const Node& node, size_t supported) {
  if (node.outputs.empty()) Malformed("names no output");
  for (size_t i = supported; i < node.outputs.size(); ++i) {
    if (node.outputs[i].empty()) continue;
    Unsupported("output " + std::to_string(i) + " ('" + Printable(node.outputs[i]) +
                "') is not supported; only the first " + std::to_string(supported) + " can be had");
  }
}

void CheckArity(const Node& node, size_t min_inputs, size_t max_inputs) {
  CheckInputCount(node, min_inputs, max_inputs);
  CheckOutputCount(node);
}

const Tensor* OptionalInput(const KernelInputs& inputs, size_t index) {
  return index < inputs.size() ? inputs[index] : nullptr;
}

void UnsupportedDType(DType dtype, std::string_view what) {
  Unsupported(std::string(what) + " of dtype " + std::string(DTypeName(dtype)) +
              " is not supported");
}

void CheckDType(const Tensor& tensor, DType dtype, std::string_view what) {
  if (tensor.dtype() == dtype) return;
  Unsupported(std::string(what) + " has dtype " + std::string(DTypeName(tensor.dtype())) +
              ", only " + std::string(DTypeName(dtype)) + " is supported");
}

void CheckSameDType(const Tensor& a, const Tensor& b) {
  if (a.dtype() == b.dtype()) return;
  Malformed("inputs have different dtypes, " + std::string(DTypeName(a.dtype())) + " and " +
            std::string(DTypeName(b.dtype())));
}

void CheckRankAtLeast(const Tensor& tensor, int64_t rank, std::string_view what) {
  if (tensor.rank() >= rank) return;
  Malformed(std::string(what) + " has shape " + ShapeToString(tensor.shape()) +
            ", wanted at least " + std::to_string(rank) + " dimensions");
}

void CheckOutputShape(const Shape& shape) {
  if (shape.size() > kMaxRank) {
    Unsupported("output of " + std::to_string(shape.size()) + " dimensions, at most " +
                std::to_string(kMaxRank) + " are supported");
  }
  for (const int64_t extent : shape) {
    if (extent < 0) Malformed("output shape " + ShapeToString(shape) + " has a negative extent");
  }
  const std::optional<int64_t> count = CheckedNumElements(shape);
  if (!count || *count > kMaxOutputElements) {
    Unsupported("output of shape " + ShapeToString(shape) + " is larger than " +
                std::to_string(kMaxOutputElements) + " elements");
  }
}

Tensor NewOutput(DType dtype, Shape shape) {
  CheckOutputShape(shape);
  if (!ScopedOutputLimit::Admits(static_cast<size_t>(NumElements(shape)) * DTypeSize(dtype))) {
    Unsupported("output of shape " + ShapeToString(shape) + " is larger than allowed here");
  }
  return Tensor(dtype, std::move(shape));
}

int64_t NormalizeAxis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank) {
    Malformed("axis " + std::to_string(axis) + " is not in [" + std::to_string(-rank) + ", " +
              std::to_string(rank - 1) + "]");
  }
  return axis < 0 ? axis + rank : axis;
}

std::vector<int64_t> NormalizeAxes(std::vector<int64_t> axes, int64_t rank) {
  for (int64_t& axis : axes) axis = NormalizeAxis(axis, rank);
  std::sort(axes.begin(), axes.end());
  const auto twice = std::adjacent_find(axes.begin(), axes.end());
  if (twice != axes.end()) Malformed("axis " + std::to_string(*twice) + " is named twice");
  return axes;
}

std::vector<int64_t> ReadInts(const Tensor& tensor, std::string_view what) {
  if (tensor.dtype() != DType::kInt64 && tensor.dtype() != DType::kInt32) {
    Malformed(std::string(what) + " has dtype " + std::string(DTypeName(tensor.dtype())) +
              ", wanted int64 or int32");
  }
  if (tensor.rank() > 1) {
    Malformed(std::string(what) + " has shape " + ShapeToString(tensor.shape()) +
              ", wanted one dimension");
  }
  return ToInt64Vector(tensor);
}

std::vector<int64_t> ReadIndices(const Tensor& tensor, int64_t extent) {
  if (tensor.dtype() != DType::kInt64 && tensor.dtype() != DType::kInt32) {
    UnsupportedDType(tensor.dtype(), "indices");
  }
  std::vector<int64_t> indices = ToInt64Vector(tensor);
  for (int64_t& index : indices) {
    if (index < -extent || index >= extent) {
      Malformed("index " + std::to_string(index) + " is outside an axis of " +
                std::to_string(extent) + " elements");
    }
    if (index < 0) index += extent;
  }
  return indices;
}

double ReadScalar(const Tensor& tensor, std::string_view what) {
  if (tensor.num_elements() != 1) {
    Malformed(std::string(what) + " has shape " + ShapeToString(tensor.shape()) +
              ", wanted one element");
  }
  return ConvertTo(tensor, DType::kFloat64).data<double>()[0];
}

KernelFunction WithNarrowIntegers(KernelFunction kernel) {
  return [kernel = std::move(kernel)](const KernelInputs& inputs) -> std::vector<Tensor> {
    const DType dtype = inputs[0]->dtype();
    const bool narrow = dtype == DType::kInt8 || dtype == DType::kUInt8 || dtype == DType::kInt16 ||
                        dtype == DType::kUInt16 || dtype == DType::kUInt32;
    if (!narrow) return kernel(inputs);
    std::vector<Tensor> wide;
    wide.reserve(inputs.size());
    KernelInputs wide_inputs = inputs;
    for (const Tensor*& input : wide_inputs) {
      if (input == nullptr || input->dtype() != dtype) continue;
      wide.push_back(ConvertTo(*input, DType::kInt64));
      input = &wide.back();
    }
    std::vector<Tensor> outputs = kernel(wide_inputs);
    if (outputs[0].dtype() == DType::kInt64) outputs[0] = ConvertTo(outputs[0], dtype);
    return outputs;
  };
}

int64_t ProductOf(const Shape& shape, int64_t begin, int64_t end) {
  int64_t product = 1;
  for (int64_t i = begin; i < end; ++i) product *= shape[static_cast<size_t>(i)];
  return product;
}

void CheckOneOf(const std::string& value, std::initializer_list<std::string_view> allowed,
                std::string_view what) {
  std::string list;
  for (const std::string_view option : allowed) {
    if (option == value) return;
    list += (list.empty() ? "" : ", ") + std::string(option);
  }
  Malformed("attribute '" + std::string(what) + "' is '" + Printable(value) + "', wanted one of " +
            list);
}

}  // namespace adaround::kernels
