// Operators of two (or, for Min, Max, Sum and Mean, any number of) tensors under broadcasting: the
// derivative at every element of the result, summed over what was stretched.
#include <cmath>
#include <functional>
#include <utility>

#include "runtime/gradients/gradient_util.h"
#include "runtime/gradients/gradients.h"
#include "runtime/kernels/broadcast.h"

namespace adaround::gradients {
namespace {

// Shapes that broadcast as the operator means it, where they differ from the inputs' own.
using AlignSecond = std::function<Shape(const Shape& a, const Shape& b)>;

Shape AsItIs(const Shape&, const Shape& b) {
  return b;
}

// Before opset 7.
AlignSecond LegacyAlignment(const GradientSpec& spec) {
  const auto align = kernels::LegacyAlignment(spec.node);
  return [align](const Shape& a, const Shape& b) { return align(a, b); };
}

// by_a(a, b), by_b(a, b): derivatives of the result's element, in double.
template <typename ByA, typename ByB>
GradientFunction BinaryGradient(AlignSecond align, ByA by_a, ByB by_b) {
  return [align, by_a, by_b](const GradientCall& call) -> std::vector<Tensor> {
    const Tensor& of_output = *call.output_gradients[0];
    const Shape& shape = of_output.shape();
    const Shape b_shape = align(call.input_shapes[0], call.input_shapes[1]);
    Tensor a;
    Tensor b;
    if (call.inputs[0] != nullptr) a = BroadcastTo(*call.inputs[0], shape);
    if (call.inputs[1] != nullptr) b = BroadcastTo(call.inputs[1]->Reshaped(b_shape), shape);
    for (size_t i = 0; i < 2; ++i) {
      if (call.inputs[i] != nullptr) kernels::CheckFloat(*call.inputs[i], "input");
    }
    const int64_t count = of_output.num_elements();
    const float* g = of_output.data<float>();
    const float* pa = call.inputs[0] != nullptr ? a.data<float>() : nullptr;
    const float* pb = call.inputs[1] != nullptr ? b.data<float>() : nullptr;
    const auto value = [](const float* values, int64_t i) {
      return values == nullptr ? 0.0 : static_cast<double>(values[i]);
    };
    std::vector<Tensor> gradients = NoGradients(call);
    const auto fill = [&](size_t input, const Shape& aligned, auto derivative) {
      if (!call.wanted[input]) return;
      Tensor full(DType::kFloat32, shape);
      float* out = full.mutable_data<float>();
      for (int64_t i = 0; i < count; ++i) {
        out[i] =
            static_cast<float>(static_cast<double>(g[i]) * derivative(value(pa, i), value(pb, i)));
      }
      gradients[input] = SumToShape(full, aligned).Reshaped(call.input_shapes[input]);
    };
    fill(0, call.input_shapes[0], by_a);
    fill(1, b_shape, by_b);
    return gradients;
  };
}

GradientFunction AddGradient(AlignSecond align) {
  const auto one = [](double, double) { return 1.0; };
  return BinaryGradient(std::move(align), one, one);
}
GradientFunction SubGradient(AlignSecond align) {
  return BinaryGradient(
      std::move(align), [](double, double) { return 1.0; }, [](double, double) { return -1.0; });
}
GradientFunction MulGradient(AlignSecond align) {
  return BinaryGradient(
      std::move(align), [](double, double b) { return b; }, [](double a, double) { return a; });
}
GradientFunction DivGradient(AlignSecond align) {
  return BinaryGradient(
      std::move(align), [](double, double b) { return 1.0 / b; },
      [](double a, double b) { return -a / (b * b); });
}

// Of the base alone; the exponent is a parameter. 0^0 and 0^negative follow b x^(b-1).
GradientFunction PowGradient(AlignSecond align) {
  const GradientFunction gradient = BinaryGradient(
      std::move(align),
      [](double a, double b) { return b == 0.0 ? 0.0 : b * std::pow(a, b - 1.0); },
      [](double, double) { return 0.0; });
  return [gradient](const GradientCall& call) {
    GradientCall converted = call;
    const Tensor exponent = ConvertTo(*call.inputs[1], DType::kFloat32);
    converted.inputs[1] = &exponent;
    return gradient(converted);
  };
}

GradientFunction PReluGradient(AlignSecond align) {
  return BinaryGradient(
      std::move(align), [](double x, double slope) { return x > 0.0 ? 1.0 : slope; },
      [](double x, double) { return x < 0.0 ? x : 0.0; });
}

// The derivative goes to the inputs that equal the result, in equal parts.
GradientFunction ExtremeGradient(bool largest) {
  return [largest](const GradientCall& call) -> std::vector<Tensor> {
    const Tensor& of_output = *call.output_gradients[0];
    const Shape& shape = of_output.shape();
    const auto count = static_cast<size_t>(of_output.num_elements());
    std::vector<Tensor> inputs;
    for (const Tensor* input : call.inputs) {
      kernels::CheckFloat(*input, "input");
      inputs.push_back(BroadcastTo(*input, shape));
    }
    std::vector<float> extreme(inputs[0].data<float>(), inputs[0].data<float>() + count);
    for (const Tensor& input : inputs) {
      for (size_t i = 0; i < count; ++i) {
        const float value = input.data<float>()[i];
        if (largest ? value > extreme[i] : value < extreme[i]) extreme[i] = value;
      }
    }
    std::vector<float> num_equal(count, 0.0F);
    for (const Tensor& input : inputs) {
      for (size_t i = 0; i < count; ++i) {
        if (input.data<float>()[i] == extreme[i]) num_equal[i] += 1.0F;
      }
    }
    std::vector<Tensor> gradients = NoGradients(call);
    for (size_t k = 0; k < inputs.size(); ++k) {
      if (!call.wanted[k]) continue;
      Tensor full(DType::kFloat32, shape);
      for (size_t i = 0; i < count; ++i) {
        const bool takes = inputs[k].data<float>()[i] == extreme[i];
        full.mutable_data<float>()[i] = takes ? of_output.data<float>()[i] / num_equal[i] : 0.0F;
      }
      gradients[k] = SumToShape(full, call.input_shapes[k]);
    }
    return gradients;
  };
}

GradientFunction SumGradient(double factor) {
  return [factor](const GradientCall& call) -> std::vector<Tensor> {
    const Tensor& of_output = *call.output_gradients[0];
    Tensor scaled = of_output;
    if (factor != 1.0) {
      scaled = Tensor(DType::kFloat32, of_output.shape());
      for (int64_t i = 0; i < scaled.num_elements(); ++i) {
        scaled.mutable_data<float>()[i] =
            static_cast<float>(factor * static_cast<double>(of_output.data<float>()[i]));
      }
    }
    std::vector<Tensor> gradients = NoGradients(call);
    for (size_t k = 0; k < gradients.size(); ++k) {
      if (call.wanted[k]) gradients[k] = SumToShape(scaled, call.input_shapes[k]);
    }
    return gradients;
  };
}

}  // namespace

GradientFunction CreateAdd6(const GradientSpec& spec) {
  return AddGradient(LegacyAlignment(spec));
}
GradientFunction CreateAdd(const GradientSpec&) {
  return AddGradient(AsItIs);
}
GradientFunction CreateSub6(const GradientSpec& spec) {
  return SubGradient(LegacyAlignment(spec));
}
GradientFunction CreateSub(const GradientSpec&) {
  return SubGradient(AsItIs);
}
GradientFunction CreateMul6(const GradientSpec& spec) {
  return MulGradient(LegacyAlignment(spec));
}
GradientFunction CreateMul(const GradientSpec&) {
  return MulGradient(AsItIs);
}
GradientFunction CreateDiv6(const GradientSpec& spec) {
  return DivGradient(LegacyAlignment(spec));
}
GradientFunction CreateDiv(const GradientSpec&) {
  return DivGradient(AsItIs);
}
GradientFunction CreatePow1(const GradientSpec& spec) {
  return PowGradient(LegacyAlignment(spec));
}
GradientFunction CreatePow(const GradientSpec&) {
  return PowGradient(AsItIs);
}
GradientFunction CreatePRelu(const GradientSpec&) {
  return PReluGradient(AsItIs);
}

// Before opset 7: one slope, or one for each channel.
GradientFunction CreatePRelu6(const GradientSpec&) {
  return PReluGradient([](const Shape& x, const Shape& slope) -> Shape {
    if (slope.size() != 1 || slope[0] == 1 || x.size() < 2) return slope;
    Shape channels(x.size() - 1, 1);
    channels[0] = slope[0];
    return channels;
  });
}

GradientFunction CreateMax(const GradientSpec&) {
  return ExtremeGradient(true);
}
GradientFunction CreateMin(const GradientSpec&) {
  return ExtremeGradient(false);
}
GradientFunction CreateSum(const GradientSpec&) {
  return SumGradient(1.0);
}
GradientFunction CreateMean(const GradientSpec& spec) {
  return SumGradient(1.0 / static_cast<double>(spec.node.inputs.size()));
}

}  // namespace adaround::gradients
