#include <algorithm>

#include "runtime/kernel_testing.h"

namespace adaround {
namespace {

double Filter(bool cubic, double d) {
  d = std::abs(d);
  if (!cubic) return std::max(0.0, 1.0 - d);
  const double a = -0.75;
  if (d <= 1.0) return (a + 2.0) * d * d * d - (a + 3.0) * d * d + 1.0;
  return d < 2.0 ? a * d * d * d - 5.0 * a * d * d + 8.0 * a * d - 4.0 * a : 0.0;
}

// One line shrunk with the filter stretched by 1 / scale: weights over all positions from far left
// to far right, normalised; positions outside read the edge or are left out.
std::vector<double> ShrinkLine(const std::vector<double>& line, int64_t output, bool cubic,
                               bool exclude_outside) {
  const int64_t input = static_cast<int64_t>(line.size());
  const double scale = static_cast<double>(output) / static_cast<double>(input);
  std::vector<double> result;
  for (int64_t o = 0; o < output; ++o) {
    const double x = (static_cast<double>(o) + 0.5) / scale - 0.5;
    double sum = 0.0;
    double weights = 0.0;
    for (int64_t i = -2 * input - 8; i < 3 * input + 8; ++i) {
      if (exclude_outside && (i < 0 || i >= input)) continue;
      const double weight = Filter(cubic, (static_cast<double>(i) - x) * scale);
      weights += weight;
      sum += weight * line[static_cast<size_t>(std::clamp<int64_t>(i, 0, input - 1))];
    }
    result.push_back(sum / weights);
  }
  return result;
}

TEST(ResizeKernel, AntialiasingStretchesTheFilter) {
  const Tensor x = RandomTensor({1, 1, 1, 13}, 1);
  std::vector<double> line;
  for (int64_t i = 0; i < 13; ++i) line.push_back(static_cast<double>(x.data<float>()[i]));
  for (const bool cubic : {false, true}) {
    for (const int64_t exclude_outside : {0, 1}) {
      for (const int64_t output : {1, 2, 5, 12}) {
        Node node = MakeNode("Resize", 4,
                             {{"mode", std::string(cubic ? "cubic" : "linear")},
                              {"antialias", int64_t{1}},
                              {"exclude_outside", exclude_outside}});
        node.inputs[1].clear();
        node.inputs[2].clear();
        const Tensor y =
            RunNode(node, {x, Tensor(), Tensor(), Ints({1, 1, 1, output})}, 18)[0];
        ASSERT_EQ(y.shape(), (Shape{1, 1, 1, output}));
        const std::vector<double> wanted =
            ShrinkLine(line, output, cubic, exclude_outside != 0);
        for (int64_t i = 0; i < output; ++i) {
          // Coordinates are computed in float: a few of its roundings at positions up to 13.
          EXPECT_NEAR(y.data<float>()[i], wanted[static_cast<size_t>(i)], 2e-5)
              << cubic << " " << exclude_outside << " " << output;
        }
      }
    }
  }
}

TEST(ResizeKernel, AntialiasingChangesNothingWhenEnlarging) {
  const Tensor x = RandomTensor({1, 2, 3, 4}, 1);
  const auto run = [&](int64_t antialias) {
    Node node = MakeNode("Resize", 3, {{"mode", std::string("linear")}, {"antialias", antialias}});
    node.inputs[1].clear();
    return RunNode(node, {x, Tensor(), Floats({4}, {1, 1, 2, 1.5F})}, 18)[0];
  };
  EXPECT_EQ(MaxDifference(run(0), run(1)), 0.0F);
}

TEST(ResizeKernel, AspectRatioIsKept) {
  const Tensor x = RandomTensor({1, 1, 4, 8}, 1);
  const auto shape = [&](const char* policy) {
    Node node = MakeNode("Resize", 4,
                         {{"keep_aspect_ratio_policy", std::string(policy)},
                          {"axes", std::vector<int64_t>{2, 3}}});
    node.inputs[1].clear();
    node.inputs[2].clear();
    return RunNode(node, {x, Tensor(), Tensor(), Ints({6, 10})}, 18)[0].shape();
  };
  EXPECT_EQ(shape("stretch"), (Shape{1, 1, 6, 10}));
  EXPECT_EQ(shape("not_larger"), (Shape{1, 1, 5, 10}));   // scale 1.25
  EXPECT_EQ(shape("not_smaller"), (Shape{1, 1, 6, 12}));  // scale 1.5
}

TEST(ResizeKernel, BeforeOpset11PositionsAreMultiplesOfTheInverseScale) {
  const Tensor x = Floats({1, 1, 2, 4}, {1, 2, 3, 4, 5, 6, 7, 8});
  const Tensor enlarged = Floats({1, 1, 4, 8}, {1, 1, 2, 2, 3, 3, 4, 4, 1, 1, 2, 2, 3, 3, 4, 4,
                                                5, 5, 6, 6, 7, 7, 8, 8, 5, 5, 6, 6, 7, 7, 8, 8});
  const Tensor twice = Floats({4}, {1, 1, 2, 2});
  EXPECT_EQ(MaxDifference(RunNode(MakeNode("Resize", 2), {x, twice}, 10)[0], enlarged), 0.0F);
  EXPECT_EQ(MaxDifference(RunNode(MakeNode("Upsample", 2), {x, twice}, 9)[0], enlarged), 0.0F);
  const Node attribute = MakeNode("Upsample", 1, {{"scales", std::vector<double>{1, 1, 2, 2}}});
  EXPECT_EQ(MaxDifference(RunNode(attribute, {x}, 8)[0], enlarged), 0.0F);
  // Linear: halfway between neighbours, the edge beyond the last.
  const Node linear = MakeNode("Resize", 2, {{"mode", std::string("linear")}});
  const Tensor row = RunNode(linear, {x, Floats({4}, {1, 1, 1, 2})}, 10)[0];
  EXPECT_EQ(MaxDifference(row, Floats({1, 1, 2, 8}, {1, 1.5F, 2, 2.5F, 3, 3.5F, 4, 4,
                                                     5, 5.5F, 6, 6.5F, 7, 7.5F, 8, 8})),
            0.0F);
  // ONNX's own case of opset 10: positions 0 and 1 / 0.6.
  const Tensor small = RunNode(MakeNode("Resize", 2), {x, Floats({4}, {1, 1, 0.6F, 0.6F})}, 10)[0];
  EXPECT_EQ(MaxDifference(small, Floats({1, 1, 1, 2}, {1, 3})), 0.0F);
  EXPECT_EQ(ErrorOf(MakeNode("Upsample", 1), {x}, 8), ErrorCode::kMalformed);
}

TEST(GridSampleKernel, TheIdentityGridGivesTheInput) {
  const Tensor x = RandomTensor({1, 2, 3, 4}, 1);
  for (const int64_t align_corners : {0, 1}) {
    std::vector<float> grid;
    for (int r = 0; r < 3; ++r) {
      for (int c = 0; c < 4; ++c) {
        if (align_corners == 1) {
          grid.insert(grid.end(), {2.0F * static_cast<float>(c) / 3.0F - 1.0F,
                                   2.0F * static_cast<float>(r) / 2.0F - 1.0F});
        } else {
          grid.insert(grid.end(), {(2.0F * static_cast<float>(c) + 1.0F) / 4.0F - 1.0F,
                                   (2.0F * static_cast<float>(r) + 1.0F) / 3.0F - 1.0F});
        }
      }
    }
    for (const char* mode : {"bilinear", "nearest", "bicubic"}) {
      const Node node = MakeNode("GridSample", 2, {{"mode", std::string(mode)},
                                                   {"align_corners", align_corners}});
      const Tensor y = RunNode(node, {x, Floats({1, 3, 4, 2}, grid)}, 16)[0];
      EXPECT_LE(MaxDifference(x, y), 1e-5F) << mode;
    }
  }
}

TEST(GridSampleKernel, OutsideIsZeroTheBorderOrTheMirrorImage) {
  const Tensor x = Floats({1, 1, 1, 4}, {1, 2, 3, 4});
  // Positions -1, 4 and 6, between edges at -0.5 and 3.5.
  const Tensor grid = Floats({1, 1, 3, 2}, {-1.25F, 0, 1.25F, 0, 2.25F, 0});
  const auto run = [&](const char* padding) {
    const Node node = MakeNode("GridSample", 2, {{"padding_mode", std::string(padding)}});
    return RunNode(node, {x, grid}, 16)[0];
  };
  EXPECT_LE(MaxDifference(run("zeros"), Floats({1, 1, 1, 3}, {0, 0, 0})), 1e-6F);
  EXPECT_LE(MaxDifference(run("border"), Floats({1, 1, 1, 3}, {1, 4, 4})), 1e-6F);
  EXPECT_LE(MaxDifference(run("reflection"), Floats({1, 1, 1, 3}, {1, 4, 2})), 1e-6F);
}

TEST(GridSampleKernel, AnyGridIsSafe) {
  const Tensor x = RandomTensor({1, 1, 2, 2}, 1);
  const float infinity = std::numeric_limits<float>::infinity();
  const Tensor grid = Floats({1, 1, 4, 2}, {infinity, -infinity, std::nanf(""), 1e38F, -1e38F, 0,
                                            3e9F, -3e9F});
  for (const char* mode : {"bilinear", "nearest", "bicubic"}) {
    for (const char* padding : {"zeros", "border", "reflection"}) {
      const Node node = MakeNode(
          "GridSample", 2, {{"mode", std::string(mode)}, {"padding_mode", std::string(padding)}});
      EXPECT_EQ(RunNode(node, {x, grid}, 16)[0].shape(), (Shape{1, 1, 1, 4}));
    }
  }
  EXPECT_EQ(ErrorOf(MakeNode("GridSample", 2), {x, RandomTensor({1, 4, 4, 3}, 1)}, 16),
            ErrorCode::kMalformed);
  EXPECT_EQ(ErrorOf(MakeNode("GridSample", 2), {RandomTensor({1, 1, 2, 2, 2}, 1),
                                                RandomTensor({1, 2, 2, 2, 3}, 1)}, 20),
            ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace adaround
