#include <algorithm>
#include <cstring>

#include "base/checked_math.h"
#include "runtime/kernels/kernels.h"
#include "runtime/kernels/kernel_util.h"

namespace adaround::kernels {
namespace {

enum class PadMode { kConstant, kReflect, kEdge, kWrap };

constexpr int64_t kOutside = -1;

int64_t FloorModulo(int64_t value, int64_t modulus) {
  const int64_t rest = value % modulus;
  return rest < 0 ? rest + modulus : rest;
}

// Where output position `index` (relative to the input's first element) reads from.
int64_t SourceIndex(PadMode mode, int64_t index, int64_t extent) {
  if (index >= 0 && index < extent) return index;
  switch (mode) {
    case PadMode::kConstant: return kOutside;
    case PadMode::kEdge: return std::clamp<int64_t>(index, 0, extent - 1);
    case PadMode::kWrap: return FloorModulo(index, extent);
    case PadMode::kReflect: break;
  }
  if (extent == 1) return 0;
  const int64_t period = 2 * (extent - 1);
  const int64_t position = FloorModulo(index, period);
  return std::min(position, period - position);
}

// Pads given for some axes, spread over all: begins, then ends.
std::vector<int64_t> SpreadPads(const std::vector<int64_t>& pads, const Tensor* axes_tensor,
                                int64_t rank) {
  std::vector<int64_t> axes(static_cast<size_t>(rank));
  for (size_t d = 0; d < axes.size(); ++d) axes[d] = static_cast<int64_t>(d);
  if (axes_tensor != nullptr) axes = ReadInts(*axes_tensor, "axes");
  NormalizeAxes(axes, rank);
  if (pads.size() != 2 * axes.size()) {
    Malformed("pads has " + std::to_string(pads.size()) + " entries, wanted " +
              std::to_string(2 * axes.size()));
  }
  std::vector<int64_t> all(static_cast<size_t>(2 * rank), 0);
  for (size_t i = 0; i < axes.size(); ++i) {
    const int64_t axis = NormalizeAxis(axes[i], rank);
    all[static_cast<size_t>(axis)] = pads[i];
    all[static_cast<size_t>(axis + rank)] = pads[i + axes.size()];
  }
  return all;
}

// `sources[d][i]`: where output index i of axis d reads. Rows along the last axis are filled one by
// one; T is any type of the element's size.
template <typename T>
void FillRows(const Tensor& x, const std::vector<std::vector<int64_t>>& sources, const void* value,
              Tensor& y) {
  T fill;
  std::memcpy(&fill, value, sizeof(T));
  const T* in = reinterpret_cast<const T*>(x.raw());
  T* out = reinterpret_cast<T*>(y.mutable_raw());
  const Shape x_strides = Strides(x.shape());
  const Shape y_strides = Strides(y.shape());
  const std::vector<int64_t>& last = sources.back();
  const int64_t width = static_cast<int64_t>(last.size());
  for (int64_t start = 0; start < y.num_elements(); start += width) {
    int64_t offset = 0;
    bool outside = false;
    for (size_t d = 0; d + 1 < sources.size() && !outside; ++d) {
      const int64_t index = sources[d][static_cast<size_t>(start / y_strides[d] % y.shape()[d])];
      outside = index == kOutside;
      offset += index * x_strides[d];
    }
    for (int64_t i = 0; i < width; ++i) {
      const int64_t index = last[static_cast<size_t>(i)];
      out[start + i] = outside || index == kOutside ? fill : in[offset + index];
    }
  }
}

Tensor Pad(const Tensor& x, const std::vector<int64_t>& pads, PadMode mode, const Tensor* value) {
  Shape shape = x.shape();
  const size_t rank = shape.size();
  for (size_t d = 0; d < rank; ++d) {
    const std::optional<int64_t> both = CheckedAdd(pads[d], pads[d + rank]);
    const std::optional<int64_t> extent = both ? CheckedAdd(shape[d], *both) : std::nullopt;
    // A crop that starts beyond the input is an error even where the other side pads.
    if (!extent || *extent < 0 || *extent > kMaxOutputElements || pads[d] < -shape[d] ||
        pads[d + rank] < -shape[d]) {
      Malformed("pads " + std::to_string(pads[d]) + " and " + std::to_string(pads[d + rank]) +
                " do not fit axis " + std::to_string(d) + " of shape " + ShapeToString(x.shape()));
    }
    if (shape[d] == 0 && *extent > 0 && mode != PadMode::kConstant) {
      Malformed("axis " + std::to_string(d) + " of shape " + ShapeToString(x.shape()) +
                " has no element to repeat");
    }
    shape[d] = *extent;
  }
  Tensor y = NewOutput(x.dtype(), shape);
  if (y.num_elements() == 0) return y;
  if (rank == 0) return x;
  std::vector<std::vector<int64_t>> sources(rank);
  for (size_t d = 0; d < rank; ++d) {
    for (int64_t i = 0; i < shape[d]; ++i) {
      sources[d].push_back(SourceIndex(mode, i - pads[d], x.shape()[d]));
    }
  }
  const uint64_t zero = 0;
  const void* fill = value != nullptr ? static_cast<const void*>(value->raw()) : &zero;
  switch (DTypeSize(x.dtype())) {
    case 1: FillRows<uint8_t>(x, sources, fill, y); break;
    case 2: FillRows<uint16_t>(x, sources, fill, y); break;
    case 4: FillRows<uint32_t>(x, sources, fill, y); break;
    default: FillRows<uint64_t>(x, sources, fill, y); break;
  }
  return y;
}

PadMode ParseMode(const std::string& text, int64_t opset) {
  constexpr int64_t kFirstWithWrap = 19;
  if (opset >= kFirstWithWrap) {
    CheckOneOf(text, {"constant", "reflect", "edge", "wrap"}, "mode");
  } else {
    CheckOneOf(text, {"constant", "reflect", "edge"}, "mode");
  }
  if (text == "constant") return PadMode::kConstant;
  if (text == "reflect") return PadMode::kReflect;
  return text == "edge" ? PadMode::kEdge : PadMode::kWrap;
}

}  // namespace

// Before opset 11: pads and the constant are attributes.
KernelFunction CreatePad2(const KernelSpec& spec) {
  CheckArity(spec.node, 1, 1);
  const PadMode mode = ParseMode(spec.node.GetString("mode", "constant"), spec.opset);
  const std::vector<int64_t> pads = spec.node.GetInts("pads", {});
  const Tensor value = Tensor::Scalar(static_cast<float>(spec.node.GetFloat("value", 0.0)));
  return [mode, pads, value](const KernelInputs& inputs) -> std::vector<Tensor> {
    CheckFloat(*inputs[0], "input");
    return {Pad(*inputs[0], SpreadPads(pads, nullptr, inputs[0]->rank()), mode, &value)};
  };
}

// From opset 11: pads are an input; from 18 the axes too.
KernelFunction CreatePad(const KernelSpec& spec) {
  constexpr int64_t kFirstWithAxes = 18;
  CheckArity(spec.node, 2, spec.opset >= kFirstWithAxes ? 4 : 3);
  const PadMode mode = ParseMode(spec.node.GetString("mode", "constant"), spec.opset);
  return [mode](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    const Tensor* value = OptionalInput(inputs, 2);
    if (value != nullptr) {
      CheckSameDType(x, *value);
      if (value->num_elements() != 1) {
        Malformed("constant_value has shape " + ShapeToString(value->shape()) +
                  ", wanted a scalar");
      }
    }
    const std::vector<int64_t> pads =
        SpreadPads(ReadInts(*inputs[1], "pads"), OptionalInput(inputs, 3), x.rank());
    return {Pad(x, pads, mode, value)};
  };
}

}  // namespace adaround::kernels
