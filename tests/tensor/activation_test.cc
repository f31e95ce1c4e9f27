#include "tensor/activation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/rounding_testing.h"

namespace adaround {
namespace {

using testing::NaiveActivation;

struct ActivationCase {
  Activation function;
  std::vector<float> kinks;  // where the derivative jumps
};

std::vector<ActivationCase> AllActivations() {
  std::vector<ActivationCase> cases = {
      {Activation{}, {}},
      {MakeRelu(), {0.0F}},
      {MakeClip(0.0F, 6.0F), {0.0F, 6.0F}},
      {MakeClip(-1.5F, 2.0F), {-1.5F, 2.0F}},
      {MakeLeakyRelu(0.1F), {0.0F}},
      {MakeLeakyRelu(-0.5F), {0.0F}},
  };
  for (const Activation::Kind kind :
       {Activation::Kind::kSigmoid, Activation::Kind::kHardSwish, Activation::Kind::kTanh,
        Activation::Kind::kGelu, Activation::Kind::kGeluTanh, Activation::Kind::kSilu,
        Activation::Kind::kMish}) {
    Activation activation;
    activation.kind = kind;
    cases.push_back({activation, {}});
  }
  Activation hard_sigmoid;
  hard_sigmoid.kind = Activation::Kind::kHardSigmoid;
  hard_sigmoid.alpha = 0.25F;
  hard_sigmoid.beta = 0.4F;
  cases.push_back({hard_sigmoid, {-1.6F, 2.4F}});
  for (ActivationCase& c : cases) {
    if (c.function.kind == Activation::Kind::kHardSwish) c.kinks = {-3.0F, 3.0F};
  }
  return cases;
}

std::vector<float> Points(const ActivationCase& c) {
  std::vector<float> points;
  for (float z = -8.0F; z <= 8.0F; z += 0.0371F) {
    bool near_kink = false;
    for (const float kink : c.kinks) near_kink = near_kink || std::abs(z - kink) < 1e-3F;
    if (!near_kink) points.push_back(z);
  }
  return points;
}

TEST(Activation, ValuesMatchTheirFormulas) {
  for (const ActivationCase& c : AllActivations()) {
    std::vector<float> z = Points(c);
    z.insert(z.end(), c.kinks.begin(), c.kinks.end());
    z.insert(z.end(), {0.0F, -50.0F, 50.0F});
    std::vector<float> values(z.size());
    c.function.Apply(z.data(), values.data(), static_cast<int64_t>(z.size()));
    for (size_t i = 0; i < z.size(); ++i) {
      const double wanted = NaiveActivation(c.function, static_cast<double>(z[i]));
      // A few float32 roundings of numbers of this size; the tails of x * sigmoid cancel.
      EXPECT_NEAR(values[i], wanted, 1e-6 + 1e-6 * std::abs(static_cast<double>(z[i])))
          << c.function.Name() << " at " << z[i];
    }
    std::vector<float> in_place = z;
    c.function.Apply(in_place.data(), in_place.data(), static_cast<int64_t>(z.size()));
    EXPECT_EQ(in_place, values) << c.function.Name();
  }
}

TEST(Activation, DerivativesMatchCentralDifferences) {
  for (const ActivationCase& c : AllActivations()) {
    const std::vector<float> z = Points(c);
    std::vector<float> derivatives(z.size());
    c.function.Derivative(z.data(), derivatives.data(), static_cast<int64_t>(z.size()));
    for (size_t i = 0; i < z.size(); ++i) {
      constexpr double kStep = 1e-5;
      const double at = z[i];
      const double wanted =
          (NaiveActivation(c.function, at + kStep) - NaiveActivation(c.function, at - kStep)) /
          (2 * kStep);
      EXPECT_NEAR(derivatives[i], wanted, 1e-5) << c.function.Name() << " at " << z[i];
    }
  }
}

TEST(Activation, DerivativeIsZeroAtAndBeyondABound) {
  const float z[] = {-1.0F, 0.0F, 6.0F, 7.0F};
  float derivatives[4];
  MakeClip(0.0F, 6.0F).Derivative(z, derivatives, 4);
  for (const float derivative : derivatives) EXPECT_EQ(derivative, 0.0F);
}

TEST(Activation, OnlyTheIdentityIsIdentity) {
  int num_identities = 0;
  for (const ActivationCase& c : AllActivations()) num_identities += c.function.IsIdentity();
  EXPECT_EQ(num_identities, 1);
  EXPECT_EQ(Activation{}.Name(), "identity");
  EXPECT_EQ(MakeRelu().Name(), "Relu");
  EXPECT_EQ(MakeClip(0, 6).Name(), "Clip(0, 6)");
}

}  // namespace
}  // namespace adaround
