// Functions of single elements against their formulas in double.
#include <functional>

#include "runtime/kernel_testing.h"

namespace adaround {
namespace {

struct Formula {
  const char* op;
  int64_t opset;
  double low;
  double high;
  std::function<double(double)> f;
  std::map<std::string, Attribute> attributes = {};
};

const std::vector<Formula>& Formulas() {
  static const std::vector<Formula> formulas = {
      {"Acos", 7, -1, 1, [](double x) { return std::acos(x); }},
      {"Acosh", 9, 1, 9, [](double x) { return std::acosh(x); }},
      {"Asin", 7, -1, 1, [](double x) { return std::asin(x); }},
      {"Asinh", 9, -9, 9, [](double x) { return std::asinh(x); }},
      {"Atan", 7, -9, 9, [](double x) { return std::atan(x); }},
      {"Atanh", 9, -0.9, 0.9, [](double x) { return std::atanh(x); }},
      {"Celu", 12, -4, 4,
       [](double x) {
         return std::max(0.0, x) + std::min(0.0, 2.0 * (std::exp(x / 2.0) - 1.0));
       },
       {{"alpha", 2.0}}},
      {"Cos", 7, -9, 9, [](double x) { return std::cos(x); }},
      {"Cosh", 9, -4, 4, [](double x) { return std::cosh(x); }},
      {"Mish", 18, -9, 9, [](double x) { return x * std::tanh(std::log(1.0 + std::exp(x))); }},
      {"Round", 11, -9, 9, [](double x) { return std::nearbyint(x); }},
      {"Selu", 6, -4, 4,
       [](double x) { return 1.5 * (x > 0 ? x : 2.0 * (std::exp(x) - 1.0)); },
       {{"alpha", 2.0}, {"gamma", 1.5}}},
      {"Shrink", 9, -3, 3,
       [](double x) { return x < -1.0 ? x + 0.5 : x > 1.0 ? x - 0.5 : 0.0; },
       {{"lambd", 1.0}, {"bias", 0.5}}},
      {"Sign", 9, -3, 3, [](double x) { return x < 0 ? -1.0 : x > 0 ? 1.0 : 0.0; }},
      {"Sin", 7, -9, 9, [](double x) { return std::sin(x); }},
      {"Sinh", 9, -4, 4, [](double x) { return std::sinh(x); }},
      {"Softsign", 1, -9, 9, [](double x) { return x / (1.0 + std::abs(x)); }},
      {"Tan", 7, -1.5, 1.5, [](double x) { return std::tan(x); }},
      {"ThresholdedRelu", 10, -3, 3, [](double x) { return x > 1.5 ? x : 0.0; },
       {{"alpha", 1.5}}},
  };
  return formulas;
}

TEST(ElementKernels, AgreeWithTheirFormulas) {
  for (const Formula& formula : Formulas()) {
    SCOPED_TRACE(formula.op);
    Tensor x = RandomTensor({3, 67}, 1);
    for (int64_t i = 0; i < x.num_elements(); ++i) {
      float& value = x.mutable_data<float>()[i];
      value = static_cast<float>(formula.low + (formula.high - formula.low) *
                                                   (static_cast<double>(value) + 1.0) / 2.0);
    }
    const Tensor y = RunNode(MakeNode(formula.op, 1, formula.attributes), {x}, formula.opset)[0];
    ASSERT_EQ(y.shape(), x.shape());
    for (int64_t i = 0; i < x.num_elements(); ++i) {
      const double wanted = formula.f(static_cast<double>(x.data<float>()[i]));
      // A few roundings of float32 around the result, more where the function is steep.
      EXPECT_NEAR(y.data<float>()[i], wanted, 2e-6 * (1.0 + std::abs(wanted)));
    }
    EXPECT_FALSE(HasKernel(formula.op, formula.opset - 1) && formula.opset > 6);
  }
}

TEST(ElementKernels, RoundHalfToEvenAndSignOfIntegers) {
  const Tensor y = RunNode(MakeNode("Round", 1), {Floats({4}, {0.5F, 1.5F, -2.5F, 2.6F})}, 11)[0];
  EXPECT_EQ(MaxDifference(y, Floats({4}, {0.0F, 2.0F, -2.0F, 3.0F})), 0.0F);
  EXPECT_EQ(ToInt64Vector(RunNode(MakeNode("Sign", 1), {Ints({-7, 0, 9})}, 13)[0]),
            (std::vector<int64_t>{-1, 0, 1}));
}

TEST(ElementKernels, SizesMayBeComputedInDouble) {
  const Tensor x = Tensor::FromVector<double>({2}, {7.75, 1e15 + 0.5});
  const Tensor floor = RunNode(MakeNode("Floor", 1), {x})[0];
  EXPECT_EQ(floor.data<double>()[0], 7.0);
  EXPECT_EQ(floor.data<double>()[1], 1e15);
  const Tensor product = RunNode(MakeNode("Mul", 2), {x, x})[0];
  EXPECT_EQ(product.data<double>()[0], 7.75 * 7.75);
}

TEST(ModKernel, SignFollowsTheDivisorOrTheDividend) {
  const Tensor a = Ints({7, -7, 7, -7, 6});
  const Tensor b = Ints({3, 3, -3, -3, 3});
  EXPECT_EQ(ToInt64Vector(RunNode(MakeNode("Mod", 2), {a, b})[0]),
            (std::vector<int64_t>{1, 2, -2, -1, 0}));
  EXPECT_EQ(ToInt64Vector(RunNode(MakeNode("Mod", 2, {{"fmod", int64_t{1}}}), {a, b})[0]),
            (std::vector<int64_t>{1, -1, 1, -1, 0}));
  const Tensor floats = RunNode(MakeNode("Mod", 2, {{"fmod", int64_t{1}}}),
                                {Floats({2}, {5.5F, -5.5F}), Floats({1}, {2.0F})})[0];
  EXPECT_EQ(MaxDifference(floats, Floats({2}, {1.5F, -1.5F})), 0.0F);
  EXPECT_EQ(ErrorOf(MakeNode("Mod", 2), {a, Ints({0})}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("Mod", 2), {floats, floats}), ErrorCode::kMalformed);
  const int64_t lowest = std::numeric_limits<int64_t>::min();
  EXPECT_EQ(ToInt64Vector(RunNode(MakeNode("Mod", 2), {Ints({lowest}), Ints({-1})})[0]),
            (std::vector<int64_t>{0}));
}

TEST(ArithmeticKernel, NarrowIntegersWrapAsTheirTypeDoes) {
  const Tensor a = Tensor::FromVector<uint8_t>({3}, {250, 3, 200});
  const Tensor b = Tensor::FromVector<uint8_t>({3}, {10, 5, 2});
  const Tensor sum = RunNode(MakeNode("Add", 2), {a, b})[0];
  const Tensor difference = RunNode(MakeNode("Sub", 2), {a, b})[0];
  const Tensor less = RunNode(MakeNode("Less", 2), {a, b})[0];
  for (int64_t i = 0; i < 3; ++i) {
    const uint8_t left = a.data<uint8_t>()[i];
    const uint8_t right = b.data<uint8_t>()[i];
    EXPECT_EQ(sum.data<uint8_t>()[i], static_cast<uint8_t>(left + right));
    EXPECT_EQ(difference.data<uint8_t>()[i], static_cast<uint8_t>(left - right));
    EXPECT_EQ(less.data<bool>()[i], left < right);
  }
  EXPECT_EQ(ErrorOf(MakeNode("Add", 2), {a, Tensor::FromVector<int8_t>({1}, {1})}),
            ErrorCode::kMalformed);
}

TEST(ArithmeticKernel, SumAndMeanTakeAnyNumberOfTensors) {
  const Tensor a = RandomTensor({2, 1, 3}, 1);
  const Tensor b = RandomTensor({4, 1}, 2);
  const Tensor c = RandomTensor({3}, 3);
  const Tensor sum = RunNode(MakeNode("Sum", 3), {a, b, c})[0];
  const Tensor mean = RunNode(MakeNode("Mean", 3), {a, b, c})[0];
  ASSERT_EQ(sum.shape(), (Shape{2, 4, 3}));
  for (int64_t i = 0; i < 24; ++i) {
    const float wanted = a.data<float>()[i / 12 * 3 + i % 3] + b.data<float>()[i / 3 % 4] +
                         c.data<float>()[i % 3];
    EXPECT_EQ(sum.data<float>()[i], wanted);
    EXPECT_EQ(mean.data<float>()[i], wanted / 3.0F);
  }
}

TEST(CompareKernel, SpecialNumbersAreFound) {
  const float infinity = std::numeric_limits<float>::infinity();
  const Tensor x = Floats({4}, {1.0F, std::nanf(""), infinity, -infinity});
  const auto run = [&](const Node& node) {
    const Tensor y = RunNode(node, {x})[0];
    return std::vector<bool>(y.data<bool>(), y.data<bool>() + 4);
  };
  EXPECT_EQ(run(MakeNode("IsNaN", 1)), (std::vector<bool>{false, true, false, false}));
  EXPECT_EQ(run(MakeNode("IsInf", 1)), (std::vector<bool>{false, false, true, true}));
  EXPECT_EQ(run(MakeNode("IsInf", 1, {{"detect_negative", int64_t{0}}})),
            (std::vector<bool>{false, false, true, false}));
  const Tensor equal = RunNode(MakeNode("LessOrEqual", 2), {Ints({1, 2, 3}), Ints({2})})[0];
  EXPECT_TRUE(equal.data<bool>()[0] && equal.data<bool>()[1] && !equal.data<bool>()[2]);
}

}  // namespace
}  // namespace adaround
