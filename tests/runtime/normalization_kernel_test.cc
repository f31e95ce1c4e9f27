#include <algorithm>

#include "runtime/kernel_testing.h"

namespace adaround {
namespace {

TEST(LRNKernel, SumsSquaresOfNeighbouringChannels) {
  const Tensor x = RandomTensor({1, 5, 2, 3}, 1);
  for (const int64_t size : {1, 2, 3, 4, 100}) {
    const Node node =
        MakeNode("LRN", 1, {{"size", size}, {"alpha", 0.5}, {"beta", 0.6}, {"bias", 1.5}});
    const Tensor y = RunNode(node, {x})[0];
    for (int64_t c = 0; c < 5; ++c) {
      for (int64_t i = 0; i < 6; ++i) {
        double sum = 0.0;
        for (int64_t k = 0; k < 5; ++k) {
          // floor((size - 1) / 2) before, ceil((size - 1) / 2) behind
          if (k < c - (size - 1) / 2 || k > c + size / 2) continue;
          const double value = static_cast<double>(x.data<float>()[k * 6 + i]);
          sum += value * value;
        }
        const double wanted = static_cast<double>(x.data<float>()[c * 6 + i]) /
                              std::pow(1.5 + 0.5 / static_cast<double>(size) * sum, 0.6);
        EXPECT_NEAR(y.data<float>()[c * 6 + i], wanted, 1e-6) << size;
      }
    }
  }
  EXPECT_EQ(ErrorOf(MakeNode("LRN", 1), {x}), ErrorCode::kMalformed);
}

TEST(GroupNormalizationKernel, ParametersArePerGroupThenPerChannel) {
  const Tensor x = RandomTensor({2, 6, 2, 2}, 1);
  for (const int64_t opset : {18, 21}) {
    const int64_t sets = opset == 18 ? 3 : 6;
    const Tensor scale = RandomTensor({sets}, 2);
    const Tensor bias = RandomTensor({sets}, 3);
    const Node node =
        MakeNode("GroupNormalization", 3, {{"num_groups", int64_t{3}}, {"epsilon", 0.01}});
    const Tensor y = RunNode(node, {x, scale, bias}, opset)[0];
    ASSERT_EQ(y.shape(), x.shape());
    for (int64_t i = 0; i < 48; ++i) {
      const float* group = x.data<float>() + i / 8 * 8;
      double mean = 0.0;
      for (int64_t k = 0; k < 8; ++k) mean += static_cast<double>(group[k]) / 8.0;
      double variance = 0.0;
      for (int64_t k = 0; k < 8; ++k) {
        variance += std::pow(static_cast<double>(group[k]) - mean, 2.0) / 8.0;
      }
      const int64_t set = opset == 18 ? i / 8 % 3 : i / 4 % 6;
      const double wanted = (static_cast<double>(x.data<float>()[i]) - mean) /
                                std::sqrt(variance + 0.01) *
                                static_cast<double>(scale.data<float>()[set]) +
                            static_cast<double>(bias.data<float>()[set]);
      EXPECT_NEAR(y.data<float>()[i], wanted, 2e-6);
    }
    EXPECT_EQ(ErrorOf(MakeNode("GroupNormalization", 3, {{"num_groups", int64_t{4}}}),
                      {x, scale, bias}, opset),
              ErrorCode::kMalformed);
  }
}

TEST(LpNormalizationKernel, LinesHaveNormOne) {
  const Tensor x = RandomTensor({2, 3, 4}, 1);
  for (const int64_t p : {1, 2}) {
    const Node node = MakeNode("LpNormalization", 1, {{"axis", int64_t{1}}, {"p", p}});
    const Tensor y = RunNode(node, {x})[0];
    for (int64_t o = 0; o < 2; ++o) {
      for (int64_t i = 0; i < 4; ++i) {
        double norm = 0.0;
        for (int64_t k = 0; k < 3; ++k) {
          norm += std::pow(std::abs(static_cast<double>(x.data<float>()[o * 12 + k * 4 + i])), p);
        }
        norm = std::pow(norm, 1.0 / static_cast<double>(p));
        for (int64_t k = 0; k < 3; ++k) {
          const int64_t at = o * 12 + k * 4 + i;
          EXPECT_NEAR(y.data<float>()[at], static_cast<double>(x.data<float>()[at]) / norm, 1e-6);
        }
      }
    }
  }
  const Tensor zeros = Tensor::Zeros(DType::kFloat32, {2, 3});
  EXPECT_EQ(MaxDifference(RunNode(MakeNode("LpNormalization", 1), {zeros})[0], zeros), 0.0F);
  EXPECT_EQ(ErrorOf(MakeNode("LpNormalization", 1, {{"p", int64_t{3}}}), {x}),
            ErrorCode::kMalformed);
}

TEST(MeanVarianceNormalizationKernel, SlicesHaveMeanZeroAndVarianceOne) {
  const Tensor x = RandomTensor({2, 3, 4, 5}, 1);
  const Tensor y = RunNode(MakeNode("MeanVarianceNormalization", 1), {x})[0];
  for (int64_t c = 0; c < 3; ++c) {
    double mean = 0.0;
    double squares = 0.0;
    for (int64_t i = 0; i < 40; ++i) {
      const double value = static_cast<double>(y.data<float>()[i / 20 * 60 + c * 20 + i % 20]);
      mean += value / 40.0;
      squares += value * value / 40.0;
    }
    EXPECT_NEAR(mean, 0.0, 1e-6);
    EXPECT_NEAR(squares, 1.0, 1e-5);
  }
  // The order of elements stays: the map is increasing within a slice.
  EXPECT_EQ(x.data<float>()[0] < x.data<float>()[7], y.data<float>()[0] < y.data<float>()[7]);
}

}  // namespace
}  // namespace adaround
