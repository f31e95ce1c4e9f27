#include <functional>
#include <thread>

#include "runtime/kernel_testing.h"

namespace adaround {
namespace {

struct ConvCase {
  std::vector<int64_t> input;         // spatial extents
  std::vector<int64_t> kernel;
  std::vector<int64_t> strides;
  std::vector<int64_t> dilations;
  std::vector<int64_t> pads;          // begins, then ends
  int64_t groups;
  int64_t group_inputs;
  int64_t group_outputs;
  std::vector<int64_t> output_padding;  // transposed only
};

// Sums of at most some thousand products of numbers below one, in another order than oneDNN's.
constexpr float kTolerance = 2e-4F;

// Calls visit for every index in the box.
void ForEachIndex(const std::vector<int64_t>& extents,
                  const std::function<void(const std::vector<int64_t>&)>& visit) {
  std::vector<int64_t> index(extents.size(), 0);
  while (true) {
    visit(index);
    size_t d = extents.size();
    for (; d > 0; --d) {
      if (++index[d - 1] < extents[d - 1]) break;
      index[d - 1] = 0;
    }
    if (d == 0) return;
  }
}

int64_t Flatten(const std::vector<int64_t>& index, const std::vector<int64_t>& extents) {
  int64_t flat = 0;
  for (size_t d = 0; d < index.size(); ++d) flat = flat * extents[d] + index[d];
  return flat;
}

std::vector<int64_t> ConvOutput(const ConvCase& c) {
  std::vector<int64_t> output;
  for (size_t d = 0; d < c.input.size(); ++d) {
    output.push_back((c.input[d] + c.pads[d] + c.pads[d + c.input.size()] -
                      c.dilations[d] * (c.kernel[d] - 1) - 1) / c.strides[d] + 1);
  }
  return output;
}

std::vector<int64_t> TransposedOutput(const ConvCase& c) {
  std::vector<int64_t> output;
  for (size_t d = 0; d < c.input.size(); ++d) {
    output.push_back((c.input[d] - 1) * c.strides[d] + c.output_padding[d] +
                     c.dilations[d] * (c.kernel[d] - 1) + 1 - c.pads[d] -
                     c.pads[d + c.input.size()]);
  }
  return output;
}

// Both operators relate positions of a dense side, `wide`, and a strided side, `narrow`:
// wide = narrow * stride - pad + tap * dilation. Calls visit(narrow, wide, tap) where inside.
void ForEachPair(const ConvCase& c, const std::vector<int64_t>& narrow,
                 const std::vector<int64_t>& wide,
                 const std::function<void(int64_t, int64_t, int64_t)>& visit) {
  ForEachIndex(narrow, [&](const std::vector<int64_t>& n) {
    ForEachIndex(c.kernel, [&](const std::vector<int64_t>& tap) {
      std::vector<int64_t> w(n.size());
      for (size_t d = 0; d < n.size(); ++d) {
        w[d] = n[d] * c.strides[d] - c.pads[d] + tap[d] * c.dilations[d];
        if (w[d] < 0 || w[d] >= wide[d]) return;
      }
      visit(Flatten(n, narrow), Flatten(w, wide), Flatten(tap, c.kernel));
    });
  });
}

Shape WithSpatial(int64_t n, int64_t c, const std::vector<int64_t>& spatial) {
  Shape shape = {n, c};
  shape.insert(shape.end(), spatial.begin(), spatial.end());
  return shape;
}

std::map<std::string, Attribute> AttributesOf(const ConvCase& c) {
  std::map<std::string, Attribute> attributes = {{"kernel_shape", c.kernel},
                                                 {"strides", c.strides},
                                                 {"dilations", c.dilations},
                                                 {"pads", c.pads},
                                                 {"group", c.groups}};
  if (!c.output_padding.empty()) attributes["output_padding"] = c.output_padding;
  return attributes;
}

void ExpectMatchesNaive(const ConvCase& c, bool transposed) {
  SCOPED_TRACE("input " + ShapeToString(c.input) + " kernel " + ShapeToString(c.kernel) +
               " strides " + ShapeToString(c.strides) + " dilations " +
               ShapeToString(c.dilations) + " pads " + ShapeToString(c.pads) + " groups " +
               std::to_string(c.groups) + " in " + std::to_string(c.group_inputs) + " out " +
               std::to_string(c.group_outputs));
  constexpr int64_t kBatch = 2;
  const std::vector<int64_t> output = transposed ? TransposedOutput(c) : ConvOutput(c);
  const int64_t in_channels = c.groups * c.group_inputs;
  const int64_t out_channels = c.groups * c.group_outputs;
  const Tensor x = RandomTensor(WithSpatial(kBatch, in_channels, c.input), 1);
  const Tensor weight = RandomTensor(
      transposed ? WithSpatial(in_channels, c.group_outputs, c.kernel)
                 : WithSpatial(out_channels, c.group_inputs, c.kernel),
      2);
  const Tensor bias = RandomTensor({out_channels}, 3);
  const int64_t in_area = NumElements(c.input);
  const int64_t out_area = NumElements(output);
  const int64_t taps = NumElements(c.kernel);
  std::vector<double> wanted(static_cast<size_t>(kBatch * out_channels * out_area));
  for (size_t i = 0; i < wanted.size(); ++i) {
    wanted[i] = bias.data<float>()[static_cast<int64_t>(i) / out_area % out_channels];
  }
  const auto add = [&](int64_t n, int64_t g, int64_t i, int64_t o, int64_t in, int64_t out,
                       int64_t tap) {
    const int64_t ic = g * c.group_inputs + i;
    const int64_t oc = g * c.group_outputs + o;
    const int64_t w = transposed ? (ic * c.group_outputs + o) * taps + tap
                                 : (oc * c.group_inputs + i) * taps + tap;
    wanted[static_cast<size_t>((n * out_channels + oc) * out_area + out)] +=
        static_cast<double>(x.data<float>()[(n * in_channels + ic) * in_area + in]) *
        static_cast<double>(weight.data<float>()[w]);
  };
  for (int64_t n = 0; n < kBatch; ++n) {
    for (int64_t g = 0; g < c.groups; ++g) {
      for (int64_t i = 0; i < c.group_inputs; ++i) {
        for (int64_t o = 0; o < c.group_outputs; ++o) {
          if (transposed) {
            ForEachPair(c, c.input, output, [&](int64_t narrow, int64_t wide, int64_t tap) {
              add(n, g, i, o, narrow, wide, tap);
            });
          } else {
            ForEachPair(c, output, c.input, [&](int64_t narrow, int64_t wide, int64_t tap) {
              add(n, g, i, o, wide, narrow, tap);
            });
          }
        }
      }
    }
  }
  const Node node = MakeNode(transposed ? "ConvTranspose" : "Conv", 3, AttributesOf(c));
  for (const size_t first_constant : {size_t{1}, size_t{3}}) {
    const Tensor y = RunNode(node, {x, weight, bias}, 13, first_constant)[0];
    ASSERT_EQ(y.shape(), WithSpatial(kBatch, out_channels, output));
    double largest = 0.0;
    for (size_t i = 0; i < wanted.size(); ++i) {
      largest = std::max(largest, std::abs(wanted[i] - static_cast<double>(y.data<float>()[i])));
    }
    EXPECT_LE(largest, static_cast<double>(kTolerance));
  }
}

TEST(ConvKernel, MatchesNaiveLoopsIn2D) {
  struct Channels {
    int64_t groups, inputs, outputs;
  };
  const Channels channels[] = {{1, 3, 5}, {1, 16, 16}, {1, 17, 32}, {2, 3, 4},
                               {4, 16, 16}, {16, 1, 1}, {5, 1, 1}, {6, 1, 2}};
  for (const Channels& ch : channels) {
    for (const std::vector<int64_t>& kernel : {std::vector<int64_t>{1, 1}, {3, 3}, {2, 5}}) {
      for (const int64_t stride : {1, 2, 3}) {
        for (const int64_t dilation : {1, 2}) {
          for (const std::vector<int64_t>& pads :
               {std::vector<int64_t>{0, 0, 0, 0}, {1, 1, 1, 1}, {0, 1, 2, 0}, {3, 4, 0, 2}}) {
            ExpectMatchesNaive({{9, 11}, kernel, {stride, 1 + stride / 2}, {dilation, 1}, pads,
                                ch.groups, ch.inputs, ch.outputs, {}},
                               false);
          }
        }
      }
    }
  }
}

TEST(ConvKernel, MatchesNaiveLoopsIn1DAnd3D) {
  for (const int64_t channels : {3, 16}) {
    ExpectMatchesNaive({{20}, {3}, {1}, {1}, {1, 1}, 1, channels, 16, {}}, false);
    ExpectMatchesNaive({{20}, {4}, {2}, {2}, {0, 3}, 2, channels, 4, {}}, false);
    ExpectMatchesNaive({{20}, {5}, {1}, {1}, {2, 2}, channels, 1, 1, {}}, false);
    ExpectMatchesNaive({{5, 6, 7}, {3, 2, 3}, {1, 2, 1}, {1, 1, 2}, {1, 0, 2, 0, 1, 1}, 1,
                        channels, 8, {}},
                       false);
    ExpectMatchesNaive({{4, 4, 4}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1, 1, 1, 1}, channels,
                        1, 1, {}},
                       false);
  }
}

TEST(ConvKernel, MatchesNaiveLoopsForPointwiseOverManyPositions) {
  ExpectMatchesNaive({{13, 12}, {1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1, 24, 40, {}}, false);
  ExpectMatchesNaive({{5, 5}, {1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1, 24, 40, {}}, false);
}

TEST(ConvKernel, AutoPadKeepsTheExtentOverTheStride) {
  const Tensor x = Floats({1, 1, 4}, {1, 2, 3, 4});
  const Tensor w = Floats({1, 1, 2}, {1, 10});
  const auto run = [&](const char* auto_pad) {
    return RunNode(MakeNode("Conv", 2, {{"auto_pad", std::string(auto_pad)}}), {x, w})[0];
  };
  EXPECT_EQ(MaxDifference(run("SAME_UPPER"), Floats({1, 1, 4}, {21, 32, 43, 4})), 0.0F);
  EXPECT_EQ(MaxDifference(run("SAME_LOWER"), Floats({1, 1, 4}, {10, 21, 32, 43})), 0.0F);
  EXPECT_EQ(MaxDifference(run("VALID"), Floats({1, 1, 3}, {21, 32, 43})), 0.0F);
}

// The prepared primitive and the packed weights are shared between threads; scratch is not.
TEST(ConvKernel, GivesTheSameBitsFromConcurrentThreads) {
  const Tensor x = RandomTensor({1, 16, 20, 20}, 1);
  const Tensor w = RandomTensor({32, 16, 3, 3}, 2);
  const Node node = MakeNode("Conv", 2, {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  const KernelFunction kernel = CreateKernel(KernelSpec{node, 13, {nullptr, &w}});
  const Tensor wanted = kernel({&x, &w})[0];
  std::vector<std::thread> threads;
  std::vector<float> differences(4, 1.0F);
  for (float& difference : differences) {
    threads.emplace_back([&kernel, &x, &w, &wanted, &difference] {
      difference = 0.0F;
      for (int i = 0; i < 20; ++i) {
        difference = std::max(difference, MaxDifference(kernel({&x, &w})[0], wanted));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const float difference : differences) EXPECT_EQ(difference, 0.0F);
}

TEST(ConvKernel, WeightsThatAreNotConstantMayChangeBetweenCalls) {
  const Tensor x = RandomTensor({1, 4, 6, 6}, 1);
  const Node node = MakeNode("Conv", 2);
  const KernelFunction kernel = CreateKernel(KernelSpec{node, 13, {nullptr, nullptr}});
  for (const Shape& shape : {Shape{8, 4, 3, 3}, Shape{8, 4, 2, 3}, Shape{3, 4, 3, 3}}) {
    const Tensor w = RandomTensor(shape, 2);
    EXPECT_LE(MaxDifference(kernel({&x, &w})[0], RunNode(node, {x, w})[0]), 1e-5F);
  }
}

TEST(ConvKernel, HostileNodesAreErrors) {
  using Ints64 = std::vector<int64_t>;
  constexpr int64_t kHuge = int64_t{1} << 62;
  const Tensor x = RandomTensor({1, 4, 6, 6}, 1);
  const Tensor w = RandomTensor({8, 4, 3, 3}, 2);
  const auto code = [&](std::map<std::string, Attribute> attributes) {
    return ErrorOf(MakeNode("Conv", 2, std::move(attributes)), {x, w});
  };
  EXPECT_EQ(code({{"strides", Ints64{0, 1}}}), ErrorCode::kMalformed);
  EXPECT_EQ(code({{"strides", Ints64{-1, 1}}}), ErrorCode::kMalformed);
  EXPECT_EQ(code({{"strides", Ints64{1}}}), ErrorCode::kMalformed);
  EXPECT_EQ(code({{"strides", Ints64{1, 1, 1}}}), ErrorCode::kMalformed);
  EXPECT_EQ(code({{"dilations", Ints64{0, 1}}}), ErrorCode::kMalformed);
  EXPECT_EQ(code({{"dilations", Ints64{kHuge, kHuge}}}), ErrorCode::kMalformed);
  EXPECT_EQ(code({{"dilations", Ints64{9, 9}}}), ErrorCode::kMalformed);
  EXPECT_EQ(code({{"pads", Ints64{1, 1}}}), ErrorCode::kMalformed);
  EXPECT_EQ(code({{"pads", Ints64{-1, 0, 0, 0}}}), ErrorCode::kMalformed);
  EXPECT_EQ(code({{"pads", Ints64{kHuge, 0, kHuge, 0}}}), ErrorCode::kMalformed);
  EXPECT_EQ(code({{"pads", Ints64{1 << 29, 1 << 29, 1 << 29, 1 << 29}}}),
            ErrorCode::kUnsupported);
  EXPECT_EQ(code({{"kernel_shape", Ints64{3, 2}}}), ErrorCode::kMalformed);
  EXPECT_EQ(code({{"kernel_shape", Ints64{3}}}), ErrorCode::kMalformed);
  EXPECT_EQ(code({{"group", int64_t{0}}}), ErrorCode::kMalformed);
  EXPECT_EQ(code({{"group", int64_t{3}}}), ErrorCode::kMalformed);
  EXPECT_EQ(code({{"group", kHuge}}), ErrorCode::kMalformed);
  EXPECT_EQ(code({{"auto_pad", std::string("SAME")}}), ErrorCode::kMalformed);
  EXPECT_EQ(code({{"strides", std::string("1")}}), ErrorCode::kMalformed);

  const Node node = MakeNode("Conv", 3);
  const Tensor bias = RandomTensor({8}, 3);
  EXPECT_EQ(ErrorOf(node, {x, w, RandomTensor({7}, 3)}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(node, {x, w, Tensor::Scalar(1.0F)}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(node, {x, RandomTensor({8, 3, 3, 3}, 2), bias}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(node, {x, RandomTensor({8, 4, 3}, 2), bias}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(node, {x, RandomTensor({8, 4, 7, 3}, 2), bias}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(node, {x, RandomTensor({0, 4, 3, 3}, 2), bias}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(node, {x, RandomTensor({8, 4, 0, 3}, 2), bias}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(node, {x, Tensor::Scalar(1.0F), bias}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(node, {Tensor::Scalar(1.0F), w, bias}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(node, {RandomTensor({1, 4, 0, 6}, 1), w, bias}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(node, {ConvertTo(x, DType::kFloat64), w, bias}), ErrorCode::kUnsupported);
  EXPECT_EQ(ErrorOf(node, {x, ConvertTo(w, DType::kInt32), bias}), ErrorCode::kUnsupported);
  EXPECT_EQ(ErrorOf(MakeNode("Conv", 1), {x}), ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("Conv", 2, {}, 2), {x, w}), ErrorCode::kUnsupported);
  EXPECT_EQ(ErrorOf(MakeNode("Conv", 2, {}, 0), {x, w}), ErrorCode::kMalformed);
}

TEST(ConvTransposeKernel, MatchesNaiveLoops) {
  struct Channels {
    int64_t groups, inputs, outputs;
  };
  const Channels channels[] = {{1, 3, 5}, {1, 16, 16}, {1, 20, 32}, {2, 3, 4}, {2, 16, 16},
                               {16, 1, 1}};
  for (const Channels& ch : channels) {
    for (const std::vector<int64_t>& kernel : {std::vector<int64_t>{2, 2}, {3, 3}, {4, 3}}) {
      for (const int64_t stride : {1, 2, 3}) {
        for (const int64_t dilation : {1, 2}) {
          for (const int64_t padding : {0, 1}) {
            if (padding >= stride) continue;
            for (const std::vector<int64_t>& pads :
                 {std::vector<int64_t>{0, 0, 0, 0}, {1, 1, 1, 1}, {0, 1, 1, 0}}) {
              ExpectMatchesNaive({{4, 5}, kernel, {stride, stride}, {dilation, dilation}, pads,
                                  ch.groups, ch.inputs, ch.outputs, {padding, 0}},
                                 true);
            }
          }
        }
      }
    }
  }
  ExpectMatchesNaive({{7}, {4}, {2}, {1}, {1, 1}, 1, 16, 8, {0}}, true);
  ExpectMatchesNaive({{7}, {3}, {2}, {2}, {0, 1}, 2, 3, 4, {1}}, true);
  ExpectMatchesNaive({{3, 4, 3}, {2, 3, 2}, {2, 2, 1}, {1, 1, 1}, {0, 1, 0, 0, 1, 0}, 1, 4, 3,
                      {1, 1, 0}},
                     true);
}

TEST(ConvTransposeKernel, HostileNodesAreErrors) {
  using Ints64 = std::vector<int64_t>;
  constexpr int64_t kHuge = int64_t{1} << 62;
  const Tensor x = RandomTensor({1, 4, 3, 3}, 1);
  const Tensor w = RandomTensor({4, 2, 3, 3}, 2);
  const auto code = [&](std::map<std::string, Attribute> attributes) {
    return ErrorOf(MakeNode("ConvTranspose", 2, std::move(attributes)), {x, w});
  };
  EXPECT_EQ(code({{"output_padding", Ints64{-1, 0}}}), ErrorCode::kMalformed);
  EXPECT_EQ(code({{"output_padding", Ints64{0}}}), ErrorCode::kMalformed);
  EXPECT_EQ(code({{"output_padding", Ints64{kHuge, 0}}}), ErrorCode::kMalformed);
  EXPECT_EQ(code({{"output_shape", Ints64{0, 3}}}), ErrorCode::kMalformed);
  EXPECT_EQ(code({{"output_shape", Ints64{5}}}), ErrorCode::kMalformed);
  EXPECT_EQ(code({{"output_shape", Ints64{50, 50}}}), ErrorCode::kUnsupported);
  EXPECT_EQ(code({{"output_padding", Ints64{1, 0}}, {"dilations", Ints64{2, 2}}}),
            ErrorCode::kUnsupported);
  EXPECT_EQ(code({{"pads", Ints64{3, 3, 3, 3}}}), ErrorCode::kMalformed);
  EXPECT_EQ(code({{"strides", Ints64{1 << 28, 1 << 28}}}), ErrorCode::kUnsupported);
  EXPECT_EQ(code({{"group", int64_t{3}}}), ErrorCode::kMalformed);
  EXPECT_EQ(code({{"group", kHuge}}), ErrorCode::kMalformed);
}

}  // namespace
}  // namespace adaround
