// The meanings that operators had in old opsets.
#include "runtime/kernel_testing.h"

namespace adaround {
namespace {

using Ints64 = std::vector<int64_t>;
const float kInfinity = std::numeric_limits<float>::infinity();

TEST(LegacyBroadcast, MatchesAxesFromTheAttributeOn) {
  const Tensor a = RandomTensor({2, 3, 4}, 1);
  const Tensor b = RandomTensor({2, 3}, 2);
  const Node node = MakeNode("Sub", 2, {{"broadcast", int64_t{1}}, {"axis", int64_t{0}}});
  const Tensor y = RunNode(node, {a, b}, 6)[0];
  ASSERT_EQ(y.shape(), a.shape());
  for (int64_t i = 0; i < 24; ++i) {
    EXPECT_EQ(y.data<float>()[i], a.data<float>()[i] - b.data<float>()[i / 4]);
  }
}

TEST(LegacyBroadcast, WithoutAxisMatchesTheLastAxes) {
  const Tensor a = RandomTensor({2, 3, 4}, 1);
  const Tensor b = RandomTensor({3, 4}, 2);
  for (const char* op : {"Add", "Mul", "Div"}) {
    const Tensor y = RunNode(MakeNode(op, 2, {{"broadcast", int64_t{1}}}), {a, b}, 6)[0];
    for (int64_t i = 0; i < 24; ++i) {
      const float left = a.data<float>()[i];
      const float right = b.data<float>()[i % 12];
      const float wanted = op[0] == 'A' ? left + right : op[0] == 'M' ? left * right : left / right;
      EXPECT_EQ(y.data<float>()[i], wanted) << op;
    }
  }
}

TEST(LegacyBroadcast, TakesOneElementAndRefusesWhatDoesNotFit) {
  const Tensor a = RandomTensor({2, 3}, 1);
  const Node broadcasting = MakeNode("Mul", 2, {{"broadcast", int64_t{1}}});
  const Tensor y = RunNode(broadcasting, {a, Floats({1}, {3.0F})}, 6)[0];
  for (int64_t i = 0; i < 6; ++i) EXPECT_EQ(y.data<float>()[i], 3.0F * a.data<float>()[i]);
  EXPECT_EQ(ErrorOf(MakeNode("Mul", 2), {a, Floats({1}, {3.0F})}, 6), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(broadcasting, {a, RandomTensor({2}, 1)}, 6), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(broadcasting, {a, RandomTensor({2, 2, 3}, 1)}, 6), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("Mul", 2, {{"broadcast", int64_t{1}}, {"axis", int64_t{7}}}),
                    {a, RandomTensor({2}, 1)}, 6),
            ErrorCode::kMalformed);
}

TEST(LegacyPRelu, OneSlopePerChannel) {
  const Tensor x = RandomTensor({1, 3, 2, 2}, 1);
  const Tensor slope = Floats({3}, {0.1F, 0.2F, 0.3F});
  const Tensor y = RunNode(MakeNode("PRelu", 2), {x, slope}, 6)[0];
  for (int64_t i = 0; i < 12; ++i) {
    const float v = x.data<float>()[i];
    EXPECT_EQ(y.data<float>()[i], v < 0.0F ? v * slope.data<float>()[i / 4] : v);
  }
}

TEST(LegacyClip, BoundsAreAttributesAndMayBeInfinite) {
  const Tensor x = Floats({5}, {-kInfinity, -2.0F, 0.5F, 7.0F, kInfinity});
  const Tensor both = RunNode(MakeNode("Clip", 1, {{"min", -1.0}, {"max", 6.0}}), {x}, 6)[0];
  EXPECT_EQ(MaxDifference(both, Floats({5}, {-1.0F, -1.0F, 0.5F, 6.0F, 6.0F})), 0.0F);
  const Tensor low = RunNode(MakeNode("Clip", 1, {{"min", 0.0}}), {x}, 10)[0];
  EXPECT_EQ(MaxDifference(low, Floats({5}, {0.0F, 0.0F, 0.5F, 7.0F, kInfinity})), 0.0F);
  const Tensor open = RunNode(MakeNode("Clip", 3),
                              {x, Tensor::Scalar(-kInfinity), Tensor::Scalar(kInfinity)}, 13)[0];
  EXPECT_EQ(MaxDifference(open, x), 0.0F);
}

TEST(LegacyPad, PadsAndValueAreAttributes) {
  const Node node = MakeNode("Pad", 1, {{"pads", Ints64{0, 1, 1, 0}}, {"value", 9.0}});
  const Tensor y = RunNode(node, {Floats({1, 2}, {1, 2})}, 10)[0];
  EXPECT_EQ(MaxDifference(y, Floats({2, 3}, {9, 1, 2, 9, 9, 9})), 0.0F);
  EXPECT_EQ(ErrorOf(MakeNode("Pad", 1), {Floats({1, 2}, {1, 2})}, 10), ErrorCode::kMalformed);
}

TEST(LegacySlice, StartsAndEndsAreAttributes) {
  const Tensor x = Floats({2, 3}, {1, 2, 3, 4, 5, 6});
  const Node all_axes = MakeNode("Slice", 1, {{"starts", Ints64{1, 0}}, {"ends", Ints64{2, -1}}});
  EXPECT_EQ(MaxDifference(RunNode(all_axes, {x}, 9)[0], Floats({1, 2}, {4, 5})), 0.0F);
  const Node one_axis = MakeNode(
      "Slice", 1, {{"starts", Ints64{1}}, {"ends", Ints64{1000}}, {"axes", Ints64{1}}});
  EXPECT_EQ(MaxDifference(RunNode(one_axis, {x}, 9)[0], Floats({2, 2}, {2, 3, 5, 6})), 0.0F);
}

TEST(LegacySplit, LengthsAreAnAttribute) {
  const Tensor x = Floats({5}, {1, 2, 3, 4, 5});
  const Node node = MakeNode("Split", 1, {{"split", Ints64{2, 3}}}, 2);
  const std::vector<Tensor> parts = RunNode(node, {x}, 11);
  EXPECT_EQ(MaxDifference(parts[0], Floats({2}, {1, 2})), 0.0F);
  EXPECT_EQ(MaxDifference(parts[1], Floats({3}, {3, 4, 5})), 0.0F);
  EXPECT_EQ(ErrorOf(MakeNode("Split", 1, {{"split", Ints64{2, 2}}}, 2), {x}, 11),
            ErrorCode::kMalformed);
}

TEST(LegacySqueeze, AxesAreAnAttribute) {
  const Tensor x = RandomTensor({1, 3, 1}, 1);
  EXPECT_EQ(RunNode(MakeNode("Squeeze", 1, {{"axes", Ints64{-1}}}), {x}, 11)[0].shape(),
            (Shape{1, 3}));
  EXPECT_EQ(RunNode(MakeNode("Squeeze", 1), {x}, 11)[0].shape(), (Shape{3}));
  EXPECT_EQ(RunNode(MakeNode("Unsqueeze", 1, {{"axes", Ints64{0, 4}}}), {x}, 11)[0].shape(),
            (Shape{1, 1, 3, 1, 1}));
  EXPECT_EQ(ErrorOf(MakeNode("Unsqueeze", 1), {x}, 11), ErrorCode::kMalformed);
}

TEST(LegacySoftmax, NormalisesEverythingFromTheAxisOn) {
  const Tensor x = RandomTensor({2, 3, 4}, 1);
  for (const char* op : {"Softmax", "LogSoftmax", "Hardmax"}) {
    const Tensor y = RunNode(MakeNode(op, 1), {x}, 11)[0];
    for (int64_t row = 0; row < 2; ++row) {
      double sum = 0.0;
      float largest = -kInfinity;
      for (int64_t i = 0; i < 12; ++i) {
        sum += std::exp(static_cast<double>(x.data<float>()[row * 12 + i]));
        largest = std::max(largest, x.data<float>()[row * 12 + i]);
      }
      for (int64_t i = 0; i < 12; ++i) {
        const float in = x.data<float>()[row * 12 + i];
        const double softmax = std::exp(static_cast<double>(in)) / sum;
        const double wanted = op[0] == 'S' ? softmax : op[0] == 'L' ? std::log(softmax)
                                                                    : (in == largest ? 1.0 : 0.0);
        // Rounding of a sum of twelve terms.
        EXPECT_NEAR(y.data<float>()[row * 12 + i], wanted, 2e-6) << op;
      }
    }
  }
}

TEST(SoftmaxKernel, MaskedElementsGetNothing) {
  const Tensor scores = Floats({2, 2}, {1.0F, 2.0F, 3.0F, 4.0F});
  const Tensor mask = Floats({2, 2}, {0.0F, -kInfinity, 0.0F, 0.0F});
  const Tensor masked = RunNode(MakeNode("Add", 2), {scores, mask})[0];
  const Tensor y = RunNode(MakeNode("Softmax", 1), {masked})[0];
  EXPECT_EQ(y.data<float>()[0], 1.0F);
  EXPECT_EQ(y.data<float>()[1], 0.0F);
  EXPECT_NEAR(y.data<float>()[2], 1.0 / (1.0 + std::exp(1.0)), 1e-6);
  EXPECT_NEAR(y.data<float>()[3], 1.0 / (1.0 + std::exp(-1.0)), 1e-6);
}

TEST(LegacyInferenceFlag, TrainingIsRefused) {
  const Tensor x = RandomTensor({1, 2, 3}, 1);
  EXPECT_EQ(ErrorOf(MakeNode("Dropout", 1), {x}, 6), ErrorCode::kUnsupported);
  const Tensor y = RunNode(MakeNode("Dropout", 1, {{"is_test", int64_t{1}}}), {x}, 6)[0];
  EXPECT_EQ(MaxDifference(x, y), 0.0F);
  const Tensor one = Floats({2}, {1, 1});
  const Tensor zero = Floats({2}, {0, 0});
  const std::vector<Tensor> inputs = {x, one, zero, zero, one};
  EXPECT_EQ(ErrorOf(MakeNode("BatchNormalization", 5), inputs, 6), ErrorCode::kUnsupported);
  EXPECT_EQ(ErrorOf(MakeNode("BatchNormalization", 5, {{"spatial", int64_t{0}}}), inputs, 7),
            ErrorCode::kUnsupported);
  const Tensor normal = RunNode(
      MakeNode("BatchNormalization", 5, {{"is_test", int64_t{1}}, {"epsilon", 0.0}}), inputs, 6)[0];
  EXPECT_EQ(MaxDifference(x, normal), 0.0F);
}

TEST(DropoutKernel, TrainingWithRatioZeroIsTheIdentity) {
  const Tensor x = RandomTensor({2, 3}, 1);
  const Tensor yes = Tensor::FromVector<bool>({}, {true});
  const Node node = MakeNode("Dropout", 3);
  EXPECT_EQ(MaxDifference(RunNode(node, {x, Tensor::Scalar(0.0F), yes})[0], x), 0.0F);
  EXPECT_EQ(ErrorOf(node, {x, Tensor::Scalar(0.5F), yes}), ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace adaround
