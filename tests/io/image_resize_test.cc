#include "io/image_resize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "support/image_testing.h"

namespace adaround {
namespace {

using testing::SomePixels;

// One line by the definition, in double: the kernel, widened by the reduction, is sampled at the
// distance of every source pixel's centre, whether near or far.
std::vector<double> NaiveLine(const std::vector<double>& line, int64_t to, bool cubic) {
  const double scale = static_cast<double>(line.size()) / static_cast<double>(to);
  const double width = std::max(1.0, scale);
  const auto kernel = [cubic](double x) {
    x = std::abs(x);
    if (!cubic) return std::max(0.0, 1 - x);
    if (x <= 1) return 1.5 * x * x * x - 2.5 * x * x + 1;
    if (x < 2) return -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2;
    return 0.0;
  };
  std::vector<double> result;
  for (int64_t i = 0; i < to; ++i) {
    const double center = (static_cast<double>(i) + 0.5) * scale;
    double sum = 0;
    double weights = 0;
    for (size_t k = 0; k < line.size(); ++k) {
      const double weight = kernel((static_cast<double>(k) + 0.5 - center) / width);
      sum += weight * line[k];
      weights += weight;
    }
    result.push_back(sum / weights);
  }
  return result;
}

double Byte(double value) {
  return std::clamp(std::floor(value + 0.5), 0.0, 255.0);
}

std::vector<double> NaiveResize(const Image& image, ImageExtent to, bool cubic) {
  std::vector<double> rows(static_cast<size_t>(to.width * image.height));
  for (int64_t y = 0; y < image.height; ++y) {
    const auto* begin = image.pixels.data() + y * image.width;
    const auto line = NaiveLine({begin, begin + image.width}, to.width, cubic);
    for (int64_t x = 0; x < to.width; ++x) {
      rows[static_cast<size_t>(y * to.width + x)] = Byte(line[static_cast<size_t>(x)]);
    }
  }
  std::vector<double> result(static_cast<size_t>(to.width * to.height));
  for (int64_t x = 0; x < to.width; ++x) {
    std::vector<double> column;
    for (int64_t y = 0; y < image.height; ++y) {
      column.push_back(rows[static_cast<size_t>(y * to.width + x)]);
    }
    const auto line = NaiveLine(column, to.height, cubic);
    for (int64_t y = 0; y < to.height; ++y) {
      result[static_cast<size_t>(y * to.width + x)] = Byte(line[static_cast<size_t>(y)]);
    }
  }
  return result;
}

TEST(ResizeImage, MatchesTheDefinition) {
  for (const bool cubic : {false, true}) {
    for (const auto& [from, to] :
         std::vector<std::pair<ImageExtent, ImageExtent>>{{{40, 30}, {13, 17}},
                                                          {{9, 11}, {30, 22}},
                                                          {{16, 16}, {16, 5}},
                                                          {{1, 7}, {4, 3}},
                                                          {{5, 5}, {1, 1}}}) {
      const Image image{from.width, from.height, 1, SomePixels(from.width * from.height)};
      const auto wanted = NaiveResize(image, to, cubic);
      const Image found =
          ResizeImage(image, to, cubic ? Interpolation::kBicubic : Interpolation::kBilinear);
      ASSERT_EQ(found.pixels.size(), wanted.size());
      // A value on the line between two bytes may fall to either side.
      for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(found.pixels[i], wanted[i], 1) << i;
    }
  }
}

TEST(ResizeImage, ChannelsStayApart) {
  const std::vector<uint8_t> pixels = SomePixels(20 * 10 * 3);
  const Image colour = ResizeImage({20, 10, 3, pixels}, {7, 23}, Interpolation::kBilinear);
  for (size_t c = 0; c < 3; ++c) {
    Image plane{20, 10, 1, {}};
    for (size_t i = c; i < pixels.size(); i += 3) plane.pixels.push_back(pixels[i]);
    const Image wanted = ResizeImage(plane, {7, 23}, Interpolation::kBilinear);
    for (size_t i = 0; i < wanted.pixels.size(); ++i) {
      EXPECT_EQ(colour.pixels[3 * i + c], wanted.pixels[i]);
    }
  }
}

TEST(ResizeImage, ConstantsStayConstant) {
  const Image image{50, 40, 1, std::vector<uint8_t>(2000, 173)};
  for (const auto interpolation :
       {Interpolation::kNearest, Interpolation::kBilinear, Interpolation::kBicubic}) {
    for (const uint8_t pixel : ResizeImage(image, {31, 77}, interpolation).pixels) {
      EXPECT_EQ(pixel, 173);
    }
  }
}

TEST(ResizeImage, NearestTakesThePixelAtTheCentre) {
  const Image image{6, 1, 1, {0, 1, 2, 3, 4, 5}};
  EXPECT_EQ(ResizeImage(image, {2, 1}, Interpolation::kNearest).pixels,
            (std::vector<uint8_t>{1, 4}));
  EXPECT_EQ(ResizeImage(image, {4, 1}, Interpolation::kNearest).pixels,
            (std::vector<uint8_t>{0, 2, 3, 5}));
  EXPECT_EQ(ResizeImage({2, 1, 1, {7, 9}}, {5, 1}, Interpolation::kNearest).pixels,
            (std::vector<uint8_t>{7, 7, 9, 9, 9}));
}

TEST(ExtentWithShorterSide, RoundsTheLongerSideDown) {
  EXPECT_EQ(ExtentWithShorterSide({500, 375}, 256), (ImageExtent{341, 256}));
  EXPECT_EQ(ExtentWithShorterSide({375, 500}, 256), (ImageExtent{256, 341}));
  EXPECT_EQ(ExtentWithShorterSide({64, 64}, 100), (ImageExtent{100, 100}));
  EXPECT_EQ(ExtentWithShorterSide({3, 2}, 3), (ImageExtent{4, 3}));
}

TEST(CropCentre, RoundsHalfMarginsToEven) {
  Image line{9, 1, 1, std::vector<uint8_t>(9)};
  std::iota(line.pixels.begin(), line.pixels.end(), 0);
  // Margins of 5, 3, 1 and 7 halves: 2, 2, 0 and 4.
  EXPECT_EQ(CropCentre(line, {4, 1}, 0).pixels.front(), 2);
  EXPECT_EQ(CropCentre(line, {6, 1}, 0).pixels.front(), 2);
  EXPECT_EQ(CropCentre(line, {8, 1}, 0).pixels.front(), 0);
  EXPECT_EQ(CropCentre(line, {2, 1}, 0).pixels.front(), 4);
}

TEST(CropCentre, FillsWhatIsMissing) {
  EXPECT_EQ(CropCentre({2, 1, 1, {5, 6}}, {5, 2}, 9).pixels,
            (std::vector<uint8_t>{9, 5, 6, 9, 9, 9, 9, 9, 9, 9}));
  EXPECT_EQ(CropCentre({1, 3, 1, {1, 2, 3}}, {2, 1}, 0).pixels, (std::vector<uint8_t>{2, 0}));
}

}  // namespace
}  // namespace adaround
