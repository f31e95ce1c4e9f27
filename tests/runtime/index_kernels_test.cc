// Gathering, scattering, selecting and sorting against loops written from the definitions.
#include <algorithm>

#include "runtime/kernel_testing.h"

namespace adaround {
namespace {

using Ints64 = std::vector<int64_t>;

Tensor IntTensor(Shape shape, const Ints64& values) {
  return Tensor::FromVector<int64_t>(std::move(shape), values);
}

// Indices into an axis of `extent`, some counted from the end, no two the same along the axis.
Tensor RandomIndices(const Shape& shape, int64_t axis, int64_t extent, uint32_t seed) {
  std::mt19937 generator(seed);
  Tensor tensor(DType::kInt64, shape);
  const Shape strides = Strides(shape);
  const size_t at = static_cast<size_t>(axis);
  for (int64_t i = 0; i < tensor.num_elements(); ++i) {
    const int64_t rest = i - i / strides[at] % shape[at] * strides[at];
    // A rotation whose start depends on the other axes: distinct along the axis.
    const int64_t index = (i / strides[at] % shape[at] + rest * 7) % extent;
    tensor.mutable_data<int64_t>()[i] = generator() % 2 == 0 ? index : index - extent;
  }
  return tensor;
}

int64_t OffsetOf(const Shape& shape, const Shape& position) {
  int64_t offset = 0;
  for (size_t d = 0; d < shape.size(); ++d) offset = offset * shape[d] + position[d];
  return offset;
}

Shape PositionOf(const Shape& shape, int64_t offset) {
  Shape position(shape.size());
  for (size_t d = shape.size(); d-- > 0; offset /= shape[d]) position[d] = offset % shape[d];
  return position;
}

TEST(GatherElementsKernel, ReplacesTheIndexOfTheAxis) {
  const Shape shape = {3, 4, 5};
  const Tensor x = RandomTensor(shape, 1);
  for (int64_t axis = -3; axis < 3; ++axis) {
    const size_t at = static_cast<size_t>(axis < 0 ? axis + 3 : axis);
    Shape indices_shape = {2, 3, 4};
    const Tensor indices = RandomIndices(indices_shape, static_cast<int64_t>(at), shape[at], 2);
    const Tensor y =
        RunNode(MakeNode("GatherElements", 2, {{"axis", axis}}), {x, indices}, 13)[0];
    ASSERT_EQ(y.shape(), indices_shape);
    for (int64_t i = 0; i < y.num_elements(); ++i) {
      Shape position = PositionOf(indices_shape, i);
      const int64_t index = indices.data<int64_t>()[i];
      position[at] = index < 0 ? index + shape[at] : index;
      EXPECT_EQ(y.data<float>()[i], x.data<float>()[OffsetOf(shape, position)]);
    }
  }
}

TEST(ScatterElementsKernel, InvertsGatherElements) {
  const Shape shape = {3, 4, 5};
  const Tensor x = RandomTensor(shape, 1);
  for (int64_t axis = 0; axis < 3; ++axis) {
    const Shape updates_shape = {2, 3, 4};
    const Tensor updates = RandomTensor(updates_shape, 3);
    const Tensor indices =
        RandomIndices(updates_shape, axis, shape[static_cast<size_t>(axis)], 2);
    for (const char* reduction : {"none", "add", "mul", "min", "max"}) {
      const Node node = MakeNode("ScatterElements", 3,
                                 {{"axis", axis}, {"reduction", std::string(reduction)}});
      const Tensor y = RunNode(node, {x, indices, updates}, 18)[0];
      std::vector<float> wanted(x.data<float>(), x.data<float>() + 60);
      for (int64_t i = 0; i < updates.num_elements(); ++i) {
        Shape position = PositionOf(updates_shape, i);
        const size_t at = static_cast<size_t>(axis);
        const int64_t index = indices.data<int64_t>()[i];
        position[at] = index < 0 ? index + shape[at] : index;
        float& target = wanted[static_cast<size_t>(OffsetOf(shape, position))];
        const float update = updates.data<float>()[i];
        const std::string name = reduction;
        target = name == "none"  ? update
                 : name == "add" ? target + update
                 : name == "mul" ? target * update
                 : name == "min" ? std::min(target, update)
                                 : std::max(target, update);
      }
      EXPECT_EQ(MaxDifference(y, Floats(shape, wanted)), 0.0F) << reduction;
    }
  }
}

TEST(GatherNDKernel, TuplesNameSlices) {
  const Tensor x = RandomTensor({2, 3, 4}, 1);
  const Tensor pairs = IntTensor({3, 2}, {0, 1, -1, 2, 1, -3});
  const Tensor slices = RunNode(MakeNode("GatherND", 2), {x, pairs})[0];
  ASSERT_EQ(slices.shape(), (Shape{3, 4}));
  const int64_t starts[] = {0 * 12 + 1 * 4, 1 * 12 + 2 * 4, 1 * 12 + 0 * 4};
  for (int64_t i = 0; i < 12; ++i) {
    EXPECT_EQ(slices.data<float>()[i], x.data<float>()[starts[i / 4] + i % 4]);
  }
  // One axis goes along: each batch has its own index.
  const Node batched = MakeNode("GatherND", 2, {{"batch_dims", int64_t{1}}});
  const Tensor rows = RunNode(batched, {x, IntTensor({2, 1}, {2, 0})})[0];
  ASSERT_EQ(rows.shape(), (Shape{2, 4}));
  for (int64_t i = 0; i < 8; ++i) {
    EXPECT_EQ(rows.data<float>()[i], x.data<float>()[i < 4 ? 8 + i : 12 + i - 4]);
  }
  EXPECT_EQ(ErrorOf(MakeNode("GatherND", 2), {x, IntTensor({1, 2}, {0, 3})}),
            ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("GatherND", 2), {x, IntTensor({1, 4}, {0, 0, 0, 0})}),
            ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("GatherND", 2), {x, Tensor::Scalar<int64_t>(0)}),
            ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(batched, {x, IntTensor({3, 1}, {0, 0, 0})}), ErrorCode::kMalformed);
}

TEST(ScatterNDKernel, WritesSlicesOneAfterTheOther) {
  const Tensor x = RandomTensor({4, 3}, 1);
  const Tensor updates = RandomTensor({3, 3}, 2);
  const Tensor indices = IntTensor({3, 1}, {2, -4, 2});
  for (const std::string reduction : {"none", "add"}) {
    const Node node = MakeNode("ScatterND", 3, {{"reduction", reduction}});
    const Tensor y = RunNode(node, {x, indices, updates}, 16)[0];
    std::vector<float> wanted(x.data<float>(), x.data<float>() + 12);
    const int64_t rows[] = {2, 0, 2};
    for (int64_t i = 0; i < 9; ++i) {
      float& target = wanted[static_cast<size_t>(rows[i / 3] * 3 + i % 3)];
      target = (reduction == "add" ? target : 0.0F) + updates.data<float>()[i];
    }
    EXPECT_EQ(MaxDifference(y, Floats({4, 3}, wanted)), 0.0F);
  }
  // Before opset 16 nothing is reduced, whatever the attribute says; the input stays as it was.
  EXPECT_EQ(MaxDifference(x, RandomTensor({4, 3}, 1)), 0.0F);
  EXPECT_EQ(ErrorOf(MakeNode("ScatterND", 3), {x, indices, RandomTensor({3}, 1)}),
            ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("ScatterND", 3, {{"reduction", std::string("max")}}),
                    {x, indices, updates}, 16),
            ErrorCode::kMalformed);
}

TEST(ScatterElementsKernel, HostileIndicesAreErrors) {
  const Tensor x = RandomTensor({2, 3}, 1);
  const Node node = MakeNode("ScatterElements", 3, {{"axis", int64_t{1}}});
  EXPECT_EQ(ErrorOf(node, {x, IntTensor({1, 1}, {3}), RandomTensor({1, 1}, 1)}),
            ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(node, {x, IntTensor({3, 1}, {0, 0, 0}), RandomTensor({3, 1}, 1)}),
            ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(node, {x, IntTensor({1}, {0}), RandomTensor({1}, 1)}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(node, {x, IntTensor({1, 1}, {0}), RandomTensor({1, 2}, 1)}),
            ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(node, {x, Floats({1, 1}, {0}), RandomTensor({1, 1}, 1)}),
            ErrorCode::kUnsupported);
}

TEST(TopKKernel, AgreesWithAFullSort) {
  const Tensor x = RandomTensor({2, 7, 3}, 1);
  for (const int64_t largest : {0, 1}) {
    const Node node = MakeNode("TopK", 2, {{"axis", int64_t{1}}, {"largest", largest}}, 2);
    const std::vector<Tensor> outputs = RunNode(node, {x, Ints({4})}, 11);
    ASSERT_EQ(outputs[0].shape(), (Shape{2, 4, 3}));
    for (int64_t o = 0; o < 2; ++o) {
      for (int64_t i = 0; i < 3; ++i) {
        std::vector<float> line;
        for (int64_t k = 0; k < 7; ++k) line.push_back(x.data<float>()[(o * 7 + k) * 3 + i]);
        std::vector<float> sorted = line;
        std::sort(sorted.begin(), sorted.end());
        if (largest == 1) std::reverse(sorted.begin(), sorted.end());
        for (int64_t r = 0; r < 4; ++r) {
          const int64_t at = (o * 4 + r) * 3 + i;
          EXPECT_EQ(outputs[0].data<float>()[at], sorted[static_cast<size_t>(r)]);
          EXPECT_EQ(line[static_cast<size_t>(outputs[1].data<int64_t>()[at])],
                    sorted[static_cast<size_t>(r)]);
        }
      }
    }
  }
}

TEST(TopKKernel, EqualElementsKeepTheirOrderAndTheAttributeSetsKBeforeOpset10) {
  const Tensor x = Floats({5}, {2, 1, 2, 3, 2});
  const Node node = MakeNode("TopK", 1, {{"k", int64_t{3}}}, 2);
  const std::vector<Tensor> outputs = RunNode(node, {x}, 9);
  EXPECT_EQ(MaxDifference(outputs[0], Floats({3}, {3, 2, 2})), 0.0F);
  EXPECT_EQ(ToInt64Vector(outputs[1]), (Ints64{3, 0, 2}));
  EXPECT_EQ(ErrorOf(MakeNode("TopK", 2), {x, Ints({6})}, 11), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("TopK", 2), {x, Ints({-1})}, 11), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("TopK", 1), {x}, 9), ErrorCode::kMalformed);
}

TEST(CumSumKernel, EveryDirection) {
  const Tensor x = Ints({1, 2, 3});
  const auto run = [&](int64_t exclusive, int64_t reverse) {
    const Node node =
        MakeNode("CumSum", 2, {{"exclusive", exclusive}, {"reverse", reverse}});
    return ToInt64Vector(RunNode(node, {x, Tensor::Scalar<int64_t>(0)})[0]);
  };
  EXPECT_EQ(run(0, 0), (Ints64{1, 3, 6}));
  EXPECT_EQ(run(1, 0), (Ints64{0, 1, 3}));
  EXPECT_EQ(run(0, 1), (Ints64{6, 5, 3}));
  EXPECT_EQ(run(1, 1), (Ints64{5, 3, 0}));
  const Tensor matrix = Floats({2, 2}, {1, 2, 4, 8});
  const Tensor down = RunNode(MakeNode("CumSum", 2), {matrix, Ints({0})})[0];
  EXPECT_EQ(MaxDifference(down, Floats({2, 2}, {1, 2, 5, 10})), 0.0F);
  EXPECT_EQ(ErrorOf(MakeNode("CumSum", 2), {matrix, Ints({2})}), ErrorCode::kMalformed);
}

TEST(TriluKernel, KeepsOneSideOfTheDiagonal) {
  const Tensor x = RandomTensor({2, 3, 4}, 1);
  constexpr int64_t kFar = std::numeric_limits<int64_t>::max();
  for (const int64_t upper : {0, 1}) {
    for (const int64_t k : {-kFar, int64_t{-2}, int64_t{0}, int64_t{1}, int64_t{3}, kFar}) {
      const Tensor y = RunNode(MakeNode("Trilu", 2, {{"upper", upper}}),
                               {x, Tensor::Scalar(k)}, 14)[0];
      for (int64_t i = 0; i < 24; ++i) {
        const int64_t diagonal = i % 4 - i / 4 % 3;
        const bool kept = upper == 1 ? diagonal >= k : diagonal <= k;
        EXPECT_EQ(y.data<float>()[i], kept ? x.data<float>()[i] : 0.0F) << k;
      }
    }
  }
}

TEST(SelectKernels, FollowTheirDefinitions) {
  const Tensor x = Floats({2, 3}, {0, 5, 0, 7, 0, 9});
  const Tensor found = RunNode(MakeNode("NonZero", 1), {x})[0];
  EXPECT_EQ(found.shape(), (Shape{2, 3}));
  EXPECT_EQ(ToInt64Vector(found), (Ints64{0, 1, 1, 1, 0, 2}));
  EXPECT_EQ(RunNode(MakeNode("NonZero", 1), {Floats({2}, {0, 0})})[0].shape(), (Shape{1, 0}));

  const Tensor flags = Tensor::FromVector<bool>({3}, {false, true, true});
  const Tensor columns =
      RunNode(MakeNode("Compress", 2, {{"axis", int64_t{1}}}), {x, flags})[0];
  EXPECT_EQ(MaxDifference(columns, Floats({2, 2}, {5, 0, 0, 9})), 0.0F);
  const Tensor flat = RunNode(MakeNode("Compress", 2), {x, flags})[0];
  EXPECT_EQ(MaxDifference(flat, Floats({2}, {5, 0})), 0.0F);

  const Tensor hot = RunNode(MakeNode("OneHot", 3), {Ints({1, -1, 7}), Ints({3}),
                                                     Floats({2}, {-1, 1})})[0];
  EXPECT_EQ(MaxDifference(hot, Floats({3, 3}, {-1, 1, -1, -1, -1, 1, -1, -1, -1})), 0.0F);
  // Only from opset 11 on do negative indices count from the end.
  const Tensor old =
      RunNode(MakeNode("OneHot", 3), {Ints({1, -1, 7}), Ints({3}), Floats({2}, {-1, 1})}, 10)[0];
  EXPECT_EQ(MaxDifference(old, Floats({3, 3}, {-1, 1, -1, -1, -1, -1, -1, -1, -1})), 0.0F);
  EXPECT_EQ(ErrorOf(MakeNode("OneHot", 3), {Ints({1}), Ints({int64_t{1} << 40}),
                                            Floats({2}, {0, 1})}),
            ErrorCode::kMalformed);

  const Tensor eye = RunNode(MakeNode("EyeLike", 1, {{"k", int64_t{1}}}), {x})[0];
  EXPECT_EQ(MaxDifference(eye, Floats({2, 3}, {0, 1, 0, 0, 0, 1})), 0.0F);

  const Node reverse = MakeNode("ReverseSequence", 2,
                                {{"time_axis", int64_t{1}}, {"batch_axis", int64_t{0}}});
  const Tensor reversed = RunNode(reverse, {x, Ints({2, 3})})[0];
  EXPECT_EQ(MaxDifference(reversed, Floats({2, 3}, {5, 0, 0, 9, 0, 7})), 0.0F);
  EXPECT_EQ(ErrorOf(reverse, {x, Ints({2, 4})}), ErrorCode::kMalformed);
}

TEST(ReduceKernels, AgreeWithTheirFormulas) {
  const Tensor x = RandomTensor({2, 3, 4}, 1);
  const auto check = [&](const char* op, auto start, auto step, auto finish) {
    const Tensor y = RunNode(MakeNode(op, 1, {{"axes", Ints64{0, 2}}}), {x}, 13)[0];
    ASSERT_EQ(y.shape(), (Shape{1, 3, 1}));
    for (int64_t k = 0; k < 3; ++k) {
      double value = start;
      for (int64_t i = 0; i < 8; ++i) {
        value = step(value, static_cast<double>(x.data<float>()[i / 4 * 12 + k * 4 + i % 4]));
      }
      // One rounding to float32, and a few of the logarithm's argument.
      EXPECT_NEAR(y.data<float>()[k], finish(value), 1e-6) << op;
    }
  };
  const auto same = [](double v) { return v; };
  check("ReduceMin", 9.0, [](double a, double b) { return std::min(a, b); }, same);
  check("ReduceProd", 1.0, [](double a, double b) { return a * b; }, same);
  check("ReduceL1", 0.0, [](double a, double b) { return a + std::abs(b); }, same);
  check("ReduceL2", 0.0, [](double a, double b) { return a + b * b; },
        [](double v) { return std::sqrt(v); });
  check("ReduceSumSquare", 0.0, [](double a, double b) { return a + b * b; }, same);
  check("ReduceLogSumExp", 0.0, [](double a, double b) { return a + std::exp(b); },
        [](double v) { return std::log(v); });
  const Tensor positive = Floats({3}, {1, 2, 4});
  EXPECT_NEAR(RunNode(MakeNode("ReduceLogSum", 1), {positive})[0].data<float>()[0], std::log(7.0),
              1e-6);
  EXPECT_EQ(ToInt64Vector(RunNode(MakeNode("ArgMin", 1), {Ints({3, 1, 2, 1})})[0]), (Ints64{1}));
  EXPECT_EQ(ToInt64Vector(RunNode(MakeNode("ReduceProd", 1), {Ints({3, -4})})[0]), (Ints64{-12}));
}

TEST(ReduceKernels, LargeNumbersDoNotOverflowOnTheWay) {
  const Tensor large = Floats({2}, {1000.0F, 1000.0F});
  EXPECT_NEAR(RunNode(MakeNode("ReduceLogSumExp", 1), {large})[0].data<float>()[0],
              1000.0 + std::log(2.0), 1e-4);
  const Tensor squares = Floats({2}, {3e30F, 4e30F});
  EXPECT_NEAR(RunNode(MakeNode("ReduceL2", 1), {squares})[0].data<float>()[0] / 5e30F, 1.0, 1e-6);
  EXPECT_EQ(ErrorOf(MakeNode("ReduceSumSquare", 1), {Ints({int64_t{1} << 40})}),
            ErrorCode::kMalformed);
}

}  // namespace
}  // namespace adaround
