// Functions of one float tensor, element by element: dL/dx = dL/dy f'(x), f' in double from the
// forward pass's input.
#include <cmath>
#include <limits>
#include <numbers>

#include "runtime/gradients/gradient_util.h"
#include "runtime/gradients/gradients.h"

namespace adaround::gradients {
namespace {

// derivative(x), both double.
template <typename Derivative>
GradientFunction ElementGradient(Derivative derivative) {
  return [derivative](const GradientCall& call) -> std::vector<Tensor> {
    const Tensor& x = *call.inputs[0];
    kernels::CheckFloat(x, "input");
    Tensor gradient(DType::kFloat32, x.shape());
    const float* in = x.data<float>();
    const float* of_output = call.output_gradients[0]->data<float>();
    float* out = gradient.mutable_data<float>();
    const Derivative local = derivative;
    for (int64_t i = 0; i < x.num_elements(); ++i) {
      out[i] =
          static_cast<float>(static_cast<double>(of_output[i]) * local(static_cast<double>(in[i])));
    }
    std::vector<Tensor> gradients = NoGradients(call);
    gradients[0] = std::move(gradient);
    return gradients;
  };
}

double Sigmoid(double x) {
  return 1.0 / (1.0 + std::exp(-x));
}

// As the forward kernels read it: rounded to float.
double FloatAttribute(const GradientSpec& spec, const char* name, double fallback) {
  return static_cast<double>(static_cast<float>(spec.node.GetFloat(name, fallback)));
}

// 1 strictly between the bounds.
GradientFunction ClipGradient(double low, double high) {
  return ElementGradient([low, high](double x) { return x > low && x < high ? 1.0 : 0.0; });
}

double BoundOr(const GradientCall& call, size_t input, double fallback) {
  const Tensor* bound = kernels::OptionalInput(call.inputs, input);
  return bound == nullptr ? fallback : kernels::ReadScalar(*bound, "bound");
}

}  // namespace

GradientFunction CreateAbs(const GradientSpec&) {
  return ElementGradient([](double x) { return x > 0.0 ? 1.0 : (x < 0.0 ? -1.0 : 0.0); });
}

GradientFunction CreateClip6(const GradientSpec& spec) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  return ClipGradient(FloatAttribute(spec, "min", -kInfinity),
                      FloatAttribute(spec, "max", kInfinity));
}

GradientFunction CreateClip(const GradientSpec&) {
  return [](const GradientCall& call) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    return ClipGradient(BoundOr(call, 1, -kInfinity), BoundOr(call, 2, kInfinity))(call);
  };
}

GradientFunction CreateCelu(const GradientSpec& spec) {
  const double alpha = FloatAttribute(spec, "alpha", 1.0);
  return ElementGradient([alpha](double x) { return x > 0.0 ? 1.0 : std::exp(x / alpha); });
}

GradientFunction CreateCos(const GradientSpec&) {
  return ElementGradient([](double x) { return -std::sin(x); });
}

GradientFunction CreateElu(const GradientSpec& spec) {
  const double alpha = FloatAttribute(spec, "alpha", 1.0);
  return ElementGradient([alpha](double x) { return x < 0.0 ? alpha * std::exp(x) : 1.0; });
}

GradientFunction CreateErf(const GradientSpec&) {
  return ElementGradient(
      [](double x) { return 2.0 * std::numbers::inv_sqrtpi_v<double> * std::exp(-x * x); });
}

GradientFunction CreateExp(const GradientSpec&) {
  return ElementGradient([](double x) { return std::exp(x); });
}

GradientFunction CreateGelu(const GradientSpec& spec) {
  if (spec.node.GetString("approximate", "none") == "tanh") {
    return ElementGradient([](double x) {
      constexpr double kScale = 0.797884560802865;  // sqrt(2 / pi)
      constexpr double kCubic = 0.044715;
      const double t = std::tanh(kScale * (x + kCubic * x * x * x));
      return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * kScale * (1.0 + 3.0 * kCubic * x * x);
    });
  }
  return ElementGradient([](double x) {
    const double density = 0.5 * std::numbers::sqrt2_v<double> *
                           std::numbers::inv_sqrtpi_v<double> * std::exp(-0.5 * x * x);
    return 0.5 * (1.0 + std::erf(x * std::numbers::sqrt2_v<double> / 2.0)) + x * density;
  });
}

GradientFunction CreateHardSigmoid(const GradientSpec& spec) {
  const double alpha = FloatAttribute(spec, "alpha", 0.2);
  const double beta = FloatAttribute(spec, "beta", 0.5);
  return ElementGradient([alpha, beta](double x) {
    const double line = alpha * x + beta;
    return line > 0.0 && line < 1.0 ? alpha : 0.0;
  });
}

GradientFunction CreateHardSwish(const GradientSpec&) {
  return ElementGradient(
      [](double x) { return x <= -3.0 ? 0.0 : (x >= 3.0 ? 1.0 : x / 3.0 + 0.5); });
}

GradientFunction CreateLeakyRelu(const GradientSpec& spec) {
  const double alpha = FloatAttribute(spec, "alpha", 0.01);
  return ElementGradient([alpha](double x) { return x > 0.0 ? 1.0 : alpha; });
}

GradientFunction CreateLog(const GradientSpec&) {
  return ElementGradient([](double x) { return 1.0 / x; });
}

// x tanh(softplus(x))
GradientFunction CreateMish(const GradientSpec&) {
  return ElementGradient([](double x) {
    const double t = std::tanh((x > 0.0 ? x : 0.0) + std::log1p(std::exp(-std::fabs(x))));
    return t + x * (1.0 - t * t) * Sigmoid(x);
  });
}

GradientFunction CreateNeg(const GradientSpec&) {
  return [](const GradientCall& call) -> std::vector<Tensor> {
    std::vector<Tensor> gradients = NoGradients(call);
    const Tensor& of_output = *call.output_gradients[0];
    gradients[0] = Tensor(DType::kFloat32, of_output.shape());
    for (int64_t i = 0; i < of_output.num_elements(); ++i) {
      gradients[0].mutable_data<float>()[i] = -of_output.data<float>()[i];
    }
    return gradients;
  };
}

GradientFunction CreateReciprocal(const GradientSpec&) {
  return ElementGradient([](double x) { return -1.0 / (x * x); });
}

GradientFunction CreateRelu(const GradientSpec&) {
  return ElementGradient([](double x) { return x > 0.0 ? 1.0 : 0.0; });
}

GradientFunction CreateSelu(const GradientSpec& spec) {
  const double alpha = FloatAttribute(spec, "alpha", 1.67326319217681884765625);
  const double gamma = FloatAttribute(spec, "gamma", 1.05070102214813232421875);
  return ElementGradient(
      [alpha, gamma](double x) { return gamma * (x > 0.0 ? 1.0 : alpha * std::exp(x)); });
}

GradientFunction CreateSigmoid(const GradientSpec&) {
  return ElementGradient([](double x) {
    const double s = Sigmoid(x);
    return s * (1.0 - s);
  });
}

GradientFunction CreateSin(const GradientSpec&) {
  return ElementGradient([](double x) { return std::cos(x); });
}

GradientFunction CreateSoftplus(const GradientSpec&) {
  return ElementGradient([](double x) { return Sigmoid(x); });
}

GradientFunction CreateSoftsign(const GradientSpec&) {
  return ElementGradient([](double x) {
    const double base = 1.0 + std::fabs(x);
    return 1.0 / (base * base);
  });
}

GradientFunction CreateSqrt(const GradientSpec&) {
  return ElementGradient([](double x) { return 0.5 / std::sqrt(x); });
}

GradientFunction CreateTanh(const GradientSpec&) {
  return ElementGradient([](double x) {
    const double t = std::tanh(x);
    return 1.0 - t * t;
  });
}

}  // namespace adaround::gradients
