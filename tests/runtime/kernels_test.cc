// What ONNX's node cases leave out: hostile inputs, opset differences, corners of dtypes.
#include "runtime/kernel_testing.h"
#include "runtime/op_macs.h"

namespace adaround {
namespace {

using Ints64 = std::vector<int64_t>;
constexpr int64_t kMin64 = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax64 = std::numeric_limits<int64_t>::max();

std::vector<int64_t> IntsOf(const Tensor& tensor) { return ToInt64Vector(tensor); }

TEST(KernelTable, UnknownOperatorsAndOpsetsAreUnsupported) {
  EXPECT_EQ(ErrorOf(MakeNode("NoSuchOperator", 1), {Ints({1})}), ErrorCode::kUnsupported);
  EXPECT_TRUE(HasKernel("HardSwish", 14));
  EXPECT_FALSE(HasKernel("HardSwish", 13));
  EXPECT_FALSE(HasKernel("Gelu", 19));
  EXPECT_TRUE(HasKernel("Conv", 21));
  EXPECT_FALSE(HasKernel("conv", 21));
}

TEST(KernelTable, OutputsLeftOutAreFilledUp) {
  Node node = MakeNode("Relu", 1, {}, 3);
  node.outputs[1].clear();
  node.outputs[2].clear();
  EXPECT_EQ(RunNode(node, {Floats({2}, {-1, 2})}).size(), 3U);
}

TEST(ArithmeticKernel, IntegersWrapAndDivisionTruncates) {
  const auto run = [](const char* op, const Ints64& a, const Ints64& b) {
    return IntsOf(RunNode(MakeNode(op, 2), {Ints(a), Ints(b)})[0]);
  };
  EXPECT_EQ(run("Div", {7, -7, 7, kMin64}, {2, 2, -2, -1}), (Ints64{3, -3, -3, kMin64}));
  EXPECT_EQ(run("Add", {kMax64}, {1}), (Ints64{kMin64}));
  EXPECT_EQ(run("Sub", {kMin64}, {1}), (Ints64{kMax64}));
  EXPECT_EQ(run("Mul", {kMin64, 3}, {-1, -5}), (Ints64{kMin64, -15}));
  EXPECT_EQ(run("Pow", {3, -2}, {4, 3}), (Ints64{81, -8}));
  EXPECT_EQ(ErrorOf(MakeNode("Div", 2), {Ints({1, 2}), Ints({1, 0})}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("Pow", 2), {Ints({1}), Ints({-1})}), ErrorCode::kMalformed);
  EXPECT_EQ(IntsOf(RunNode(MakeNode("Neg", 1), {Ints({kMin64, 5})})[0]), (Ints64{kMin64, -5}));
}

TEST(ArithmeticKernel, BroadcastsEveryPairOfAxes) {
  // All shapes over three axes of extent 1 or more, also with leading axes left out.
  const std::vector<Shape> shapes = {{},        {1},       {4},       {3, 1},    {3, 4},
                                     {1, 4},    {2, 1, 1}, {2, 3, 1}, {2, 1, 4}, {2, 3, 4},
                                     {1, 3, 4}, {1, 1, 1}};
  for (const Shape& a_shape : shapes) {
    for (const Shape& b_shape : shapes) {
      const Tensor a = RandomTensor(a_shape, 1);
      const Tensor b = RandomTensor(b_shape, 2);
      const Tensor y = RunNode(MakeNode("Sub", 2), {a, b})[0];
      const auto at = [](const Tensor& tensor, const Shape& index) {
        const Shape strides = Strides(tensor.shape());
        int64_t flat = 0;
        const size_t lead = index.size() - strides.size();
        for (size_t d = 0; d < strides.size(); ++d) {
          if (tensor.shape()[d] != 1) flat += strides[d] * index[lead + d];
        }
        return tensor.data<float>()[flat];
      };
      const Shape y_strides = Strides(y.shape());
      for (int64_t i = 0; i < y.num_elements(); ++i) {
        Shape index;
        for (size_t d = 0; d < y_strides.size(); ++d) {
          index.push_back(i / y_strides[d] % y.shape()[d]);
        }
        ASSERT_EQ(y.data<float>()[i], at(a, index) - at(b, index))
            << ShapeToString(a_shape) << " " << ShapeToString(b_shape);
      }
    }
  }
  EXPECT_EQ(ErrorOf(MakeNode("Add", 2), {Floats({2}, {1, 2}), Floats({3}, {1, 2, 3})}),
            ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("Add", 2), {Floats({1}, {1}), Ints({1})}), ErrorCode::kMalformed);
}

TEST(ElementKernel, NanPassesThroughAndInfinityPassesOpenBounds) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isnan(RunNode(MakeNode("Relu", 1), {Floats({1}, {nan})})[0].data<float>()[0]));
  const Tensor bound = Tensor::Scalar(0.0F);
  const Tensor clipped =
      RunNode(MakeNode("Clip", 2), {Floats({3}, {infinity, nan, -1}), bound})[0];
  EXPECT_EQ(clipped.data<float>()[0], infinity);
  EXPECT_TRUE(std::isnan(clipped.data<float>()[1]));
  EXPECT_EQ(clipped.data<float>()[2], 0.0F);
  const Tensor largest =
      RunNode(MakeNode("Max", 2), {Floats({2}, {nan, 1}), Floats({2}, {1, nan})})[0];
  EXPECT_TRUE(std::isnan(largest.data<float>()[0]));
  EXPECT_TRUE(std::isnan(largest.data<float>()[1]));
}

TEST(GemmKernel, MatchesNaiveLoopsForEveryLayout) {
  for (const int64_t m : {1, 5}) {
    for (const bool transpose_a : {false, true}) {
      for (const bool transpose_b : {false, true}) {
        const int64_t k = 7, n = 6;
        const Tensor a = RandomTensor(transpose_a ? Shape{k, m} : Shape{m, k}, 1);
        const Tensor b = RandomTensor(transpose_b ? Shape{n, k} : Shape{k, n}, 2);
        for (const Shape& c_shape : {Shape{}, Shape{n}, Shape{m, 1}, Shape{1, n}, Shape{m, n}}) {
          const Tensor c = RandomTensor(c_shape, 3);
          const Tensor y = RunNode(MakeNode("Gemm", 3,
                                            {{"transA", int64_t{transpose_a}},
                                             {"transB", int64_t{transpose_b}},
                                             {"alpha", 0.5},
                                             {"beta", 2.0}}),
                                   {a, b, c})[0];
          ASSERT_EQ(y.shape(), (Shape{m, n}));
          for (int64_t i = 0; i < m; ++i) {
            for (int64_t j = 0; j < n; ++j) {
              float sum = 0.0F;
              for (int64_t l = 0; l < k; ++l) {
                sum += a.data<float>()[transpose_a ? l * m + i : i * k + l] *
                       b.data<float>()[transpose_b ? j * k + l : l * n + j];
              }
              const int64_t columns = c_shape.empty() ? 1 : c_shape.back();
              const int64_t rows = c_shape.size() == 2 ? c_shape[0] : 1;
              const float c_value =
                  c.data<float>()[(rows == 1 ? 0 : i) * columns + (columns == 1 ? 0 : j)];
              // Seven products in another order.
              ASSERT_NEAR(y.data<float>()[i * n + j], 0.5F * sum + 2.0F * c_value, 1e-5F);
            }
          }
        }
      }
    }
  }
  EXPECT_EQ(ErrorOf(MakeNode("Gemm", 2), {RandomTensor({2, 3}, 1), RandomTensor({4, 2}, 2)}),
            ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("Gemm", 2), {RandomTensor({3}, 1), RandomTensor({3, 2}, 2)}),
            ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("Gemm", 3),
                    {RandomTensor({2, 3}, 1), RandomTensor({3, 2}, 2), RandomTensor({3, 2}, 3)}),
            ErrorCode::kMalformed);
}

TEST(MatMulKernel, BroadcastsBatches) {
  const Tensor a = RandomTensor({2, 1, 3, 4}, 1);
  const Tensor b = RandomTensor({5, 4, 2}, 2);
  const Tensor y = RunNode(MakeNode("MatMul", 2), {a, b})[0];
  ASSERT_EQ(y.shape(), (Shape{2, 5, 3, 2}));
  for (int64_t i = 0; i < y.num_elements(); ++i) {
    const int64_t column = i % 2, row = i / 2 % 3, batch_b = i / 6 % 5, batch_a = i / 30;
    float sum = 0.0F;
    for (int64_t k = 0; k < 4; ++k) {
      sum += a.data<float>()[(batch_a * 3 + row) * 4 + k] *
             b.data<float>()[(batch_b * 4 + k) * 2 + column];
    }
    ASSERT_NEAR(y.data<float>()[i], sum, 1e-5F);
  }
  EXPECT_EQ(RunNode(MakeNode("MatMul", 2), {RandomTensor({4}, 1), RandomTensor({4}, 2)})[0].rank(),
            0);
  EXPECT_EQ(ErrorOf(MakeNode("MatMul", 2), {RandomTensor({2, 3}, 1), RandomTensor({2, 3}, 1)}),
            ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("MatMul", 2), {Tensor::Scalar(1.0F), Tensor::Scalar(1.0F)}),
            ErrorCode::kMalformed);
}

TEST(ShapeKernels, ShareTheBuffer) {
  const Tensor x = RandomTensor({2, 3, 1}, 1);
  EXPECT_EQ(RunNode(MakeNode("Reshape", 2), {x, Ints({-1, 2})})[0].raw(), x.raw());
  EXPECT_EQ(RunNode(MakeNode("Flatten", 1), {x})[0].raw(), x.raw());
  EXPECT_EQ(RunNode(MakeNode("Squeeze", 2), {x, Ints({-1})})[0].raw(), x.raw());
  EXPECT_EQ(RunNode(MakeNode("Unsqueeze", 2), {x, Ints({0, 4})})[0].raw(), x.raw());
  EXPECT_EQ(RunNode(MakeNode("Identity", 1), {x})[0].raw(), x.raw());
  EXPECT_EQ(RunNode(MakeNode("Dropout", 1), {x})[0].raw(), x.raw());
}

TEST(ShapeKernels, HostileInputsAreErrors) {
  const Tensor x = RandomTensor({2, 3}, 1);
  const auto reshape = [&](const Ints64& shape) {
    return ErrorOf(MakeNode("Reshape", 2), {x, Ints(shape)});
  };
  EXPECT_EQ(reshape({4, 2}), ErrorCode::kMalformed);
  EXPECT_EQ(reshape({-1, -1}), ErrorCode::kMalformed);
  EXPECT_EQ(reshape({-2, 3}), ErrorCode::kMalformed);
  EXPECT_EQ(reshape({-1, 4}), ErrorCode::kMalformed);
  EXPECT_EQ(reshape({2, 3, 0}), ErrorCode::kMalformed);
  EXPECT_EQ(reshape({kMax64, kMax64, -1}), ErrorCode::kMalformed);
  EXPECT_EQ(reshape({1, 1, 1, 1, 1, 1, 1, 2, 3}), ErrorCode::kUnsupported);
  EXPECT_EQ(ErrorOf(MakeNode("Reshape", 2, {{"allowzero", int64_t{1}}}), {x, Ints({0, -1})}, 14),
            ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("Reshape", 2), {x, x}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("Squeeze", 2), {x, Ints({0})}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("Squeeze", 2), {x, Ints({2})}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("Unsqueeze", 2), {x, Ints({0, 0})}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("Unsqueeze", 2), {x, Ints({kMin64})}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("Flatten", 1, {{"axis", int64_t{3}}}), {x}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("Transpose", 1, {{"perm", Ints64{0, 0}}}), {x}),
            ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("Transpose", 1, {{"perm", Ints64{0}}}), {x}), ErrorCode::kMalformed);
}

TEST(SliceKernel, ExtremeNumbersAreClamped) {
  const auto run = [](const Ints64& starts, const Ints64& ends, const Ints64& steps) {
    return IntsOf(RunNode(MakeNode("Slice", 5),
                          {Ints({0, 1, 2, 3, 4}), Ints(starts), Ints(ends), Ints({0}),
                           Ints(steps)})[0]);
  };
  EXPECT_EQ(run({0}, {kMax64}, {2}), (Ints64{0, 2, 4}));
  EXPECT_EQ(run({kMax64}, {kMin64}, {-1}), (Ints64{4, 3, 2, 1, 0}));
  EXPECT_EQ(run({kMin64}, {kMax64}, {kMax64}), (Ints64{0}));
  EXPECT_EQ(run({-1}, {kMin64}, {kMin64}), (Ints64{4}));
  EXPECT_EQ(run({3}, {1}, {1}), (Ints64{}));
  EXPECT_EQ(run({-2}, {5}, {1}), (Ints64{3, 4}));
  const Tensor x = Ints({1, 2});
  const auto code = [&](const Ints64& starts, const Ints64& axes, const Ints64& steps) {
    return ErrorOf(MakeNode("Slice", 5), {x, Ints(starts), Ints({2}), Ints(axes), Ints(steps)});
  };
  EXPECT_EQ(code({0}, {0}, {0}), ErrorCode::kMalformed);
  EXPECT_EQ(code({0}, {1}, {1}), ErrorCode::kMalformed);
  EXPECT_EQ(code({0, 0}, {0}, {1}), ErrorCode::kMalformed);
  const Tensor empty(DType::kFloat32, {0, int64_t{1} << 61});
  EXPECT_EQ(ErrorOf(MakeNode("Slice", 5), {empty, Ints({0}), Ints({5}), Ints({1}), Ints({4})}),
            std::nullopt);
}

TEST(PadKernel, FollowsTheModes) {
  const auto run = [](const char* mode, const Ints64& pads, int64_t opset) {
    return IntsOf(RunNode(MakeNode("Pad", 2, {{"mode", std::string(mode)}}),
                          {Ints({1, 2, 3}), Ints(pads)}, opset)[0]);
  };
  EXPECT_EQ(run("constant", {1, 2}, 13), (Ints64{0, 1, 2, 3, 0, 0}));
  EXPECT_EQ(run("constant", {-1, 1}, 13), (Ints64{2, 3, 0}));
  EXPECT_EQ(run("edge", {2, 1}, 13), (Ints64{1, 1, 1, 2, 3, 3}));
  EXPECT_EQ(run("reflect", {2, 1}, 13), (Ints64{3, 2, 1, 2, 3, 2}));
  EXPECT_EQ(run("wrap", {2, 4}, 19), (Ints64{2, 3, 1, 2, 3, 1, 2, 3, 1}));
  const Node with_axes = MakeNode("Pad", 4);
  const Tensor x = Floats({2, 1}, {1, 2});
  const Tensor padded =
      RunNode(with_axes, {x, Ints({0, 1}), Tensor::Scalar(9.0F), Ints({-1})}, 18)[0];
  EXPECT_EQ(MaxDifference(padded, Floats({2, 2}, {1, 9, 2, 9})), 0.0F);
}

TEST(PadKernel, HostileInputsAreErrors) {
  const Tensor x = Floats({2}, {1, 2});
  const auto code = [&](const Ints64& pads) {
    return ErrorOf(MakeNode("Pad", 2), {x, Ints(pads)});
  };
  EXPECT_EQ(code({1}), ErrorCode::kMalformed);
  EXPECT_EQ(code({-3, 5}), ErrorCode::kMalformed);
  EXPECT_EQ(code({-1, -2}), ErrorCode::kMalformed);
  EXPECT_EQ(code({kMax64, kMax64}), ErrorCode::kMalformed);
  EXPECT_EQ(code({kMin64, kMax64}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("Pad", 2, {{"mode", std::string("wrap")}}), {x, Ints({1, 1})}),
            ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("Pad", 4), {x, Ints({1, 1}), Tensor::Scalar(1.0F), Ints({0})}),
            ErrorCode::kMalformed);
}

TEST(DataMovementKernels, HostileInputsAreErrors) {
  const Tensor x = RandomTensor({2, 4}, 1);
  const auto concat = MakeNode("Concat", 2, {{"axis", int64_t{0}}});
  EXPECT_EQ(ErrorOf(concat, {x, RandomTensor({2, 3}, 1)}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(concat, {x, Ints({1})}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("Concat", 2), {x, x}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("Gather", 2), {x, Ints({2})}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("Gather", 2), {x, Ints({-3})}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("Gather", 2), {x, x}), ErrorCode::kUnsupported);
  EXPECT_EQ(ErrorOf(MakeNode("Tile", 2), {x, Ints({kMax64, 2})}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("Tile", 2), {x, Ints({1 << 30, 2})}), ErrorCode::kUnsupported);
  EXPECT_EQ(ErrorOf(MakeNode("Tile", 2), {x, Ints({-1, 2})}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("Expand", 2), {x, Ints({kMax64, kMax64, 2, 4})}),
            ErrorCode::kUnsupported);
  EXPECT_EQ(ErrorOf(MakeNode("Expand", 2), {x, Ints({-1, 4})}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("ConstantOfShape", 1), {Ints({kMax64, 2})}),
            ErrorCode::kUnsupported);
  EXPECT_EQ(ErrorOf(MakeNode("ConstantOfShape", 1), {Ints({-1})}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("DepthToSpace", 1, {{"blocksize", int64_t{0}}}),
                    {RandomTensor({1, 4, 1, 1}, 1)}),
            ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("Cast", 1, {{"to", int64_t{8}}}), {x}), ErrorCode::kUnsupported);
  EXPECT_EQ(ErrorOf(MakeNode("Cast", 1, {{"to", int64_t{7}}}), {Floats({1}, {1e30F})}),
            ErrorCode::kMalformed);
}

TEST(SplitKernel, UnevenPartsComeWithOpset18) {
  const Tensor x = Ints({1, 2, 3, 4, 5});
  const Node node = MakeNode("Split", 1, {}, 2);
  EXPECT_EQ(ErrorOf(node, {x}, 13), ErrorCode::kMalformed);
  const std::vector<Tensor> parts = RunNode(node, {x}, 18);
  EXPECT_EQ(IntsOf(parts[0]), (Ints64{1, 2, 3}));
  EXPECT_EQ(IntsOf(parts[1]), (Ints64{4, 5}));
  const Node stated = MakeNode("Split", 2, {}, 2);
  EXPECT_EQ(ErrorOf(stated, {x, Ints({1, 3})}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(stated, {x, Ints({6, -1})}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(stated, {x, Ints({kMax64, kMax64})}), ErrorCode::kMalformed);
}

TEST(RangeKernel, CountsWithoutOverflow) {
  const auto run = [](int64_t start, int64_t limit, int64_t delta) {
    return IntsOf(RunNode(MakeNode("Range", 3), {Tensor::Scalar(start), Tensor::Scalar(limit),
                                                 Tensor::Scalar(delta)})[0]);
  };
  EXPECT_EQ(run(5, 0, -2), (Ints64{5, 3, 1}));
  EXPECT_EQ(run(kMin64, kMax64, int64_t{1} << 62).size(), 4U);
  EXPECT_EQ(run(kMax64, kMin64, 1).size(), 0U);
  const auto code = [](float start, float limit, float delta) {
    return ErrorOf(MakeNode("Range", 3),
                   {Tensor::Scalar(start), Tensor::Scalar(limit), Tensor::Scalar(delta)});
  };
  EXPECT_EQ(code(0, 1, 0), ErrorCode::kMalformed);
  EXPECT_EQ(code(0, 1e30F, 1), ErrorCode::kUnsupported);
  EXPECT_EQ(code(0, std::numeric_limits<float>::infinity(), 1), ErrorCode::kUnsupported);
  EXPECT_EQ(code(0, std::numeric_limits<float>::quiet_NaN(), 1), ErrorCode::kMalformed);
}

TEST(ReduceKernel, AxesMoveFromAttributeToInputWithOpset18) {
  const Tensor x = Floats({2, 3}, {1, 2, 3, 4, 5, 6});
  const Node by_attribute =
      MakeNode("ReduceMean", 1, {{"axes", Ints64{1}}, {"keepdims", int64_t{0}}});
  EXPECT_EQ(MaxDifference(RunNode(by_attribute, {x}, 13)[0], Floats({2}, {2, 5})), 0.0F);
  const Node by_input = MakeNode("ReduceMean", 2, {{"keepdims", int64_t{0}}});
  const Tensor columns = RunNode(by_input, {x, Ints({0})}, 18)[0];
  EXPECT_EQ(MaxDifference(columns, Floats({3}, {2.5F, 3.5F, 4.5F})), 0.0F);
  EXPECT_EQ(ErrorOf(by_input, {x, Ints({0})}, 13), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(by_input, {x, Ints({0, -2})}, 18), ErrorCode::kMalformed);
  const Tensor empty(DType::kFloat32, {0, 3});
  EXPECT_EQ(ErrorOf(by_input, {empty, Ints({0})}, 18), ErrorCode::kMalformed);
}

TEST(ResizeKernel, AlignCornersMapsTheEndsOntoEachOther) {
  const Node node = MakeNode("Resize", 4,
                             {{"mode", std::string("linear")},
                              {"coordinate_transformation_mode", std::string("align_corners")}});
  Node without_scales = node;
  without_scales.inputs[1].clear();
  without_scales.inputs[2].clear();
  const Tensor y = RunNode(without_scales, {Floats({1, 1, 1, 3}, {0, 2, 6}), Tensor(), Tensor(),
                                            Ints({1, 1, 1, 5})})[0];
  EXPECT_LE(MaxDifference(y, Floats({1, 1, 1, 5}, {0, 1, 2, 4, 6})), 1e-6F);
}

TEST(ResizeKernel, HostileInputsAreErrors) {
  const Tensor x = RandomTensor({1, 1, 2, 2}, 1);
  Node node = MakeNode("Resize", 3);
  node.inputs[1].clear();
  const auto code = [&](const std::vector<float>& scales) {
    return ErrorOf(node, {x, Tensor(), Floats({static_cast<int64_t>(scales.size())}, scales)});
  };
  EXPECT_EQ(code({1, 1, 0, 1}), ErrorCode::kMalformed);
  EXPECT_EQ(code({1, 1, -1, 1}), ErrorCode::kMalformed);
  EXPECT_EQ(code({1, 1, std::numeric_limits<float>::quiet_NaN(), 1}), ErrorCode::kMalformed);
  EXPECT_EQ(code({1, 1, 1e30F, 1}), ErrorCode::kMalformed);
  EXPECT_EQ(code({1, 1, 1e6F, 1e6F}), ErrorCode::kUnsupported);
  EXPECT_EQ(code({1, 1}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("Resize", 1), {x}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("Resize", 1, {{"keep_aspect_ratio_policy", std::string("fit")}}), {x},
                    18),
            ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("Resize", 1, {{"mode", std::string("area")}}), {x}),
            ErrorCode::kMalformed);
}

TEST(GeluKernel, BothFormsAgreeWithTheirFormulas) {
  const Tensor x = Floats({5}, {-3, -0.5F, 0, 0.7F, 4});
  const Tensor exact = RunNode(MakeNode("Gelu", 1), {x}, 20)[0];
  const Tensor tanh_form =
      RunNode(MakeNode("Gelu", 1, {{"approximate", std::string("tanh")}}), {x}, 20)[0];
  for (int64_t i = 0; i < 5; ++i) {
    const double v = static_cast<double>(x.data<float>()[i]);
    EXPECT_NEAR(exact.data<float>()[i], 0.5 * v * (1.0 + std::erf(v / std::sqrt(2.0))), 1e-6);
    const double inner = std::sqrt(2.0 / 3.14159265358979) * (v + 0.044715 * v * v * v);
    EXPECT_NEAR(tanh_form.data<float>()[i], 0.5 * v * (1.0 + std::tanh(inner)), 1e-6);
  }
}

TEST(CountMacs, FollowsTheShapes) {
  const auto count = [](const Node& node, const std::vector<Tensor>& inputs) {
    std::vector<const Tensor*> pointers;
    for (const Tensor& input : inputs) pointers.push_back(&input);
    return CountMacs(node, pointers, RunNode(node, inputs));
  };
  const Tensor x = RandomTensor({1, 4, 5, 5}, 1);
  EXPECT_EQ(count(MakeNode("Conv", 2, {{"group", int64_t{2}}}), {x, RandomTensor({6, 2, 3, 3}, 2)}),
            6 * 9 * 2 * 9);
  EXPECT_EQ(count(MakeNode("ConvTranspose", 2, {{"group", int64_t{2}}}),
                  {x, RandomTensor({4, 3, 2, 2}, 2)}),
            4 * 25 * 3 * 4);
  EXPECT_EQ(count(MakeNode("Gemm", 2, {{"transA", int64_t{1}}}),
                  {RandomTensor({7, 2}, 1), RandomTensor({7, 3}, 2)}),
            2 * 3 * 7);
  EXPECT_EQ(count(MakeNode("MatMul", 2), {RandomTensor({5, 2, 7}, 1), RandomTensor({7, 3}, 2)}),
            5 * 2 * 3 * 7);
  EXPECT_EQ(count(MakeNode("Relu", 1), {x}), 0);
}

}  // namespace
}  // namespace adaround
