// Operators about which elements there are: NonZero, Compress, OneHot, EyeLike, Trilu, CumSum and
// ReverseSequence.
#include <algorithm>
#include <cstring>
#include <optional>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/onnx_dtype.h"

namespace adaround::kernels {
namespace {

// Whether each element differs from zero.
std::vector<bool> NonZeroElements(const Tensor& x) {
  const Tensor flags = x.dtype() == DType::kBool ? x : ConvertTo(x, DType::kBool);
  const bool* values = flags.data<bool>();
  return std::vector<bool>(values, values + flags.num_elements());
}

template <typename T>
void CumulateLine(const T* in, T* out, int64_t count, int64_t stride, bool exclusive) {
  T sum{0};
  for (int64_t i = 0; i < count; ++i) {
    T next{};
    if constexpr (std::is_floating_point_v<T>) {
      next = sum + in[i * stride];
    } else {
      using U = std::make_unsigned_t<T>;
      next = static_cast<T>(static_cast<U>(sum) + static_cast<U>(in[i * stride]));
    }
    out[i * stride] = exclusive ? sum : next;
    sum = next;
  }
}

}  // namespace

// The result is [rank, elements that are not zero]; a scalar counts as a list of one.
KernelFunction CreateNonZero(const KernelSpec& spec) {
  CheckArity(spec.node, 1, 1);
  return [](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    const Shape shape = x.rank() == 0 ? Shape{1} : x.shape();
    const std::vector<bool> flags = NonZeroElements(x);
    const int64_t rank = static_cast<int64_t>(shape.size());
    const int64_t count = std::count(flags.begin(), flags.end(), true);
    Tensor y = NewOutput(DType::kInt64, {rank, count});
    const Shape strides = Strides(shape);
    int64_t column = 0;
    for (int64_t i = 0; i < x.num_elements(); ++i) {
      if (!flags[static_cast<size_t>(i)]) continue;
      for (int64_t d = 0; d < rank; ++d) {
        const size_t axis = static_cast<size_t>(d);
        y.mutable_data<int64_t>()[d * count + column] = i / strides[axis] % shape[axis];
      }
      ++column;
    }
    return {y};
  };
}

// Without an axis the input is read as a list.
KernelFunction CreateCompress(const KernelSpec& spec) {
  CheckArity(spec.node, 2, 2);
  std::optional<int64_t> stated_axis;
  if (spec.node.HasAttribute("axis")) stated_axis = spec.node.GetInt("axis", 0);
  return [stated_axis](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor x = stated_axis ? *inputs[0] : inputs[0]->Reshaped({inputs[0]->num_elements()});
    const Tensor& condition = *inputs[1];
    CheckDType(condition, DType::kBool, "condition");
    const int64_t axis = NormalizeAxis(stated_axis.value_or(0), x.rank());
    const int64_t extent = x.dim(axis);
    if (condition.rank() != 1 || condition.num_elements() > extent) {
      Malformed("condition has shape " + ShapeToString(condition.shape()) + ", wanted at most [" +
                std::to_string(extent) + "]");
    }
    std::vector<int64_t> kept;
    for (int64_t i = 0; i < condition.num_elements(); ++i) {
      if (condition.data<bool>()[i]) kept.push_back(i);
    }
    Shape shape = x.shape();
    shape[static_cast<size_t>(axis)] = static_cast<int64_t>(kept.size());
    Tensor y = NewOutput(x.dtype(), shape);
    const int64_t outer = ProductOf(shape, 0, axis);
    const size_t run =
        static_cast<size_t>(ProductOf(shape, axis + 1, x.rank())) * DTypeSize(x.dtype());
    uint8_t* out = y.mutable_raw();
    for (int64_t o = 0; o < outer; ++o) {
      for (const int64_t index : kept) {
        std::memcpy(out, x.raw() + static_cast<size_t>(o * extent + index) * run, run);
        out += run;
      }
    }
    return {y};
  };
}

namespace {

// Inputs indices, depth and [off, on]; an index outside the depth gives all off.
KernelFunction MakeOneHot(const KernelSpec& spec, bool negatives_count_from_the_end) {
  CheckArity(spec.node, 3, 3);
  const int64_t stated_axis = spec.node.GetInt("axis", -1);
  return [stated_axis,
          negatives_count_from_the_end](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& indices = *inputs[0];
    const Tensor& values = *inputs[2];
    const double stated_depth = ReadScalar(*inputs[1], "depth");
    if (!(stated_depth >= 1.0 && stated_depth <= static_cast<double>(kMaxOutputElements))) {
      Malformed("depth is " + std::to_string(stated_depth));
    }
    const int64_t depth = static_cast<int64_t>(stated_depth);
    if (values.shape() != Shape{2}) {
      Malformed("values have shape " + ShapeToString(values.shape()) + ", wanted [2]");
    }
    const int64_t axis = NormalizeAxis(stated_axis, indices.rank() + 1);
    Shape shape = indices.shape();
    shape.insert(shape.begin() + axis, depth);
    Tensor y = NewOutput(values.dtype(), shape);
    const Tensor positions = ConvertTo(indices, DType::kFloat64);
    const int64_t inner = ProductOf(shape, axis + 1, y.rank());
    const size_t size = DTypeSize(values.dtype());
    for (int64_t i = 0; i < y.num_elements(); ++i) {
      const int64_t k = i / inner % depth;
      const int64_t source = i / (inner * depth) * inner + i % inner;
      double position = positions.data<double>()[source];
      if (position < 0.0 && negatives_count_from_the_end) position += static_cast<double>(depth);
      const bool on = position == static_cast<double>(k);
      std::memcpy(y.mutable_raw() + static_cast<size_t>(i) * size, values.raw() + (on ? size : 0),
                  size);
    }
    return {y};
  };
}

}  // namespace

KernelFunction CreateOneHot9(const KernelSpec& spec) {
  return MakeOneHot(spec, false);
}

KernelFunction CreateOneHot(const KernelSpec& spec) {
  return MakeOneHot(spec, true);
}

KernelFunction CreateEyeLike(const KernelSpec& spec) {
  CheckArity(spec.node, 1, 1);
  const int64_t diagonal = spec.node.GetInt("k", 0);
  std::optional<DType> stated;
  if (spec.node.HasAttribute("dtype")) stated = DTypeFromOnnx(spec.node.GetInt("dtype", 1));
  return [diagonal, stated](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    if (x.rank() != 2) {
      Malformed("input has shape " + ShapeToString(x.shape()) + ", wanted a matrix");
    }
    Tensor y = NewOutput(DType::kFloat32, x.shape());
    const int64_t columns = x.dim(1);
    for (int64_t i = 0; i < y.num_elements(); ++i) {
      const bool on = i % columns - i / columns == diagonal;
      y.mutable_data<float>()[i] = on ? 1.0F : 0.0F;
    }
    return {ConvertTo(y, stated.value_or(x.dtype()))};
  };
}

// Keeps the upper or lower triangle of each matrix, from the k-th diagonal on.
KernelFunction CreateTrilu(const KernelSpec& spec) {
  CheckArity(spec.node, 1, 2);
  const bool upper = spec.node.GetInt("upper", 1) != 0;
  return [upper](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    CheckRankAtLeast(x, 2, "input");
    int64_t diagonal = 0;
    if (const Tensor* k = OptionalInput(inputs, 1)) {
      const std::vector<int64_t> values = ReadInts(*k, "k");
      if (values.size() != 1) Malformed("k has shape " + ShapeToString(k->shape()));
      diagonal = values[0];
    }
    const int64_t rows = x.dim(x.rank() - 2);
    const int64_t columns = x.dim(x.rank() - 1);
    // Beyond the corners all diagonals are alike, and the differences below cannot overflow.
    diagonal = std::clamp(diagonal, -rows - 1, columns + 1);
    Tensor y = x.Clone();
    const size_t size = DTypeSize(x.dtype());
    for (int64_t start = 0; start < x.num_elements(); start += columns) {
      const int64_t row = start / columns % rows;
      // Columns [begin, end) are cleared.
      const int64_t edge = std::clamp<int64_t>(row + diagonal + (upper ? 0 : 1), 0, columns);
      const int64_t begin = upper ? 0 : edge;
      const int64_t end = upper ? edge : columns;
      std::memset(y.mutable_raw() + static_cast<size_t>(start + begin) * size, 0,
                  static_cast<size_t>(end - begin) * size);
    }
    return {y};
  };
}

KernelFunction CreateCumSum(const KernelSpec& spec) {
  CheckArity(spec.node, 2, 2);
  const bool exclusive = spec.node.GetInt("exclusive", 0) != 0;
  const bool reverse = spec.node.GetInt("reverse", 0) != 0;
  return [exclusive, reverse](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    const std::vector<int64_t> stated = ReadInts(*inputs[1], "axis");
    if (stated.size() != 1) Malformed("axis has shape " + ShapeToString(inputs[1]->shape()));
    const int64_t axis = NormalizeAxis(stated[0], x.rank());
    const int64_t count = x.dim(axis);
    const int64_t inner = ProductOf(x.shape(), axis + 1, x.rank());
    Tensor y = NewOutput(x.dtype(), x.shape());
    if (y.num_elements() == 0) return {y};
    const int64_t outer = ProductOf(x.shape(), 0, axis);
    VisitArithmetic(x.dtype(), "input", [&](auto zero) {
      using T = decltype(zero);
      for (int64_t o = 0; o < outer; ++o) {
        for (int64_t i = 0; i < inner; ++i) {
          const int64_t first = (o * count + (reverse ? count - 1 : 0)) * inner + i;
          CumulateLine(x.data<T>() + first, y.mutable_data<T>() + first, count,
                       reverse ? -inner : inner, exclusive);
        }
      }
    });
    return {y};
  };
}

// Reverses the first sequence_lens[b] steps of the time axis for each index b of the batch axis.
KernelFunction CreateReverseSequence(const KernelSpec& spec) {
  CheckArity(spec.node, 2, 2);
  const int64_t time_axis = spec.node.GetInt("time_axis", 0);
  const int64_t batch_axis = spec.node.GetInt("batch_axis", 1);
  if (time_axis + batch_axis != 1 || time_axis * batch_axis != 0) {
    Malformed("attributes 'time_axis' and 'batch_axis' must be 0 and 1 or 1 and 0");
  }
  return [time_axis](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    CheckRankAtLeast(x, 2, "input");
    const int64_t steps = x.dim(time_axis);
    const int64_t batches = x.dim(1 - time_axis);
    const std::vector<int64_t> lengths = ReadInts(*inputs[1], "sequence_lens");
    if (static_cast<int64_t>(lengths.size()) != batches) {
      Malformed("sequence_lens has shape " + ShapeToString(inputs[1]->shape()) + ", wanted [" +
                std::to_string(batches) + "]");
    }
    Tensor y = NewOutput(x.dtype(), x.shape());
    const size_t run =
        static_cast<size_t>(ProductOf(x.shape(), 2, x.rank())) * DTypeSize(x.dtype());
    for (int64_t b = 0; b < batches; ++b) {
      const int64_t length = lengths[static_cast<size_t>(b)];
      if (length < 0 || length > steps) {
        Malformed("sequence_lens holds " + std::to_string(length) + ", there are " +
                  std::to_string(steps) + " steps");
      }
      for (int64_t t = 0; t < steps; ++t) {
        const int64_t source = t < length ? length - 1 - t : t;
        const int64_t to = time_axis == 0 ? t * batches + b : b * steps + t;
        const int64_t from = time_axis == 0 ? source * batches + b : b * steps + source;
        std::memcpy(y.mutable_raw() + static_cast<size_t>(to) * run,
                    x.raw() + static_cast<size_t>(from) * run, run);
      }
    }
    return {y};
  };
}

}  // namespace adaround::kernels
