#include "runtime/kernel_testing.h"

namespace adaround {
namespace {

struct PoolCase {
  int64_t extent, kernel, stride, dilation, pad_begin, pad_end;
  bool ceil_mode;
};

int64_t OutputExtent(const PoolCase& c) {
  const int64_t room = c.extent + c.pad_begin + c.pad_end - c.dilation * (c.kernel - 1) - 1;
  int64_t output = room / c.stride + 1;
  if (c.ceil_mode && room % c.stride != 0) {
    // Only windows that start inside the input or the padding before it count.
    if (output * c.stride < c.extent + c.pad_begin) ++output;
  }
  return output;
}

// The same attributes along both axes; every quantity by its definition, position by position.
void ExpectMatchesNaive(const PoolCase& c) {
  SCOPED_TRACE("extent " + std::to_string(c.extent) + " kernel " + std::to_string(c.kernel) +
               " stride " + std::to_string(c.stride) + " dilation " + std::to_string(c.dilation) +
               " pads " + std::to_string(c.pad_begin) + " " + std::to_string(c.pad_end) +
               " ceil " + std::to_string(c.ceil_mode));
  const Tensor x = RandomTensor({2, 3, c.extent, c.extent}, 1);
  const int64_t output = OutputExtent(c);
  Tensor max(DType::kFloat32, {2, 3, output, output});
  Tensor mean(DType::kFloat32, max.shape());
  Tensor mean_with_pad(DType::kFloat32, max.shape());
  for (int64_t plane = 0; plane < 6; ++plane) {
    for (int64_t oy = 0; oy < output; ++oy) {
      for (int64_t ox = 0; ox < output; ++ox) {
        float largest = -std::numeric_limits<float>::infinity();
        double sum = 0.0;
        int inside = 0;
        int inside_padding = 0;
        for (int64_t ky = 0; ky < c.kernel; ++ky) {
          for (int64_t kx = 0; kx < c.kernel; ++kx) {
            const int64_t y = oy * c.stride - c.pad_begin + ky * c.dilation;
            const int64_t z = ox * c.stride - c.pad_begin + kx * c.dilation;
            if (y < c.extent + c.pad_end && z < c.extent + c.pad_end) ++inside_padding;
            if (y < 0 || z < 0 || y >= c.extent || z >= c.extent) continue;
            const float value = x.data<float>()[(plane * c.extent + y) * c.extent + z];
            largest = std::max(largest, value);
            sum += static_cast<double>(value);
            ++inside;
          }
        }
        const int64_t at = (plane * output + oy) * output + ox;
        max.mutable_data<float>()[at] = largest;
        mean.mutable_data<float>()[at] = static_cast<float>(sum / std::max(1, inside));
        mean_with_pad.mutable_data<float>()[at] =
            static_cast<float>(sum / std::max(1, inside_padding));
      }
    }
  }
  std::map<std::string, Attribute> attributes = {
      {"kernel_shape", std::vector<int64_t>{c.kernel, c.kernel}},
      {"strides", std::vector<int64_t>{c.stride, c.stride}},
      {"dilations", std::vector<int64_t>{c.dilation, c.dilation}},
      {"pads", std::vector<int64_t>{c.pad_begin, c.pad_begin, c.pad_end, c.pad_end}},
      {"ceil_mode", int64_t{c.ceil_mode}}};
  EXPECT_EQ(MaxDifference(RunNode(MakeNode("MaxPool", 1, attributes), {x})[0], max), 0.0F);
  // Sums of a few numbers below one in another order.
  EXPECT_LE(MaxDifference(RunNode(MakeNode("AveragePool", 1, attributes), {x}, 19)[0], mean),
            1e-6F);
  attributes["count_include_pad"] = int64_t{1};
  EXPECT_LE(
      MaxDifference(RunNode(MakeNode("AveragePool", 1, attributes), {x}, 19)[0], mean_with_pad),
      1e-6F);
}

TEST(PoolKernel, MatchesNaiveLoops) {
  for (const int64_t extent : {5, 8, 13}) {
    for (const int64_t kernel : {1, 2, 3}) {
      for (const int64_t stride : {1, 2, 3}) {
        for (const int64_t dilation : {1, 2}) {
          for (const int64_t pad_begin : {0, 1}) {
            for (const int64_t pad_end : {0, 1}) {
              for (const bool ceil_mode : {false, true}) {
                ExpectMatchesNaive(
                    {extent, kernel, stride, dilation, pad_begin, pad_end, ceil_mode});
              }
            }
          }
        }
      }
    }
  }
}

TEST(PoolKernel, WorksIn1DAnd3D) {
  const Tensor line = Floats({1, 1, 5}, {1, 5, 2, 4, 3});
  const Node line_node = MakeNode("MaxPool", 1, {{"kernel_shape", std::vector<int64_t>{2}}});
  EXPECT_EQ(MaxDifference(RunNode(line_node, {line})[0], Floats({1, 1, 4}, {5, 5, 4, 4})), 0.0F);
  const Tensor cube = Floats({1, 1, 2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  const Node cube_node =
      MakeNode("AveragePool", 1, {{"kernel_shape", std::vector<int64_t>{2, 1, 2}}});
  EXPECT_EQ(MaxDifference(RunNode(cube_node, {cube})[0], Floats({1, 1, 1, 2, 1}, {3.5F, 5.5F})),
            0.0F);
}

TEST(PoolKernel, HostileNodesAreErrors) {
  using Ints64 = std::vector<int64_t>;
  const Tensor x = RandomTensor({1, 2, 4, 4}, 1);
  for (const char* op : {"MaxPool", "AveragePool"}) {
    const auto code = [&](std::map<std::string, Attribute> attributes) {
      return ErrorOf(MakeNode(op, 1, std::move(attributes)), {x});
    };
    EXPECT_EQ(code({}), ErrorCode::kMalformed);
    EXPECT_EQ(code({{"kernel_shape", Ints64{}}}), ErrorCode::kMalformed);
    EXPECT_EQ(code({{"kernel_shape", Ints64{2}}}), ErrorCode::kMalformed);
    EXPECT_EQ(code({{"kernel_shape", Ints64{0, 2}}}), ErrorCode::kMalformed);
    EXPECT_EQ(code({{"kernel_shape", Ints64{5, 5}}}), ErrorCode::kMalformed);
    EXPECT_EQ(code({{"kernel_shape", Ints64{2, 2}}, {"strides", Ints64{0, 0}}}),
              ErrorCode::kMalformed);
    EXPECT_EQ(code({{"kernel_shape", Ints64{2, 2}}, {"pads", Ints64{-1, 0, 0, 0}}}),
              ErrorCode::kMalformed);
    EXPECT_EQ(code({{"kernel_shape", Ints64{1, 1}},
                    {"pads", Ints64{1 << 29, 1 << 29, 0, 0}}}),
              ErrorCode::kUnsupported);
    EXPECT_EQ(ErrorOf(MakeNode(op, 1, {{"kernel_shape", Ints64{2, 2}}}),
                      {ConvertTo(x, DType::kInt8)}),
              ErrorCode::kUnsupported);
  }
  EXPECT_EQ(ErrorOf(MakeNode("MaxPool", 1, {{"kernel_shape", Ints64{2, 2}}}, 2), {x}),
            ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace adaround
