#include "io/image_resize.h"

#include <algorithm>
#include <cmath>

namespace adaround {
namespace {

constexpr int kFractionBits = 22;

double Triangle(double x) {
  return std::max(0.0, 1.0 - std::abs(x));
}

// The cubic convolution kernel with a = -0.5.
double Cubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

// What one result takes from its source line: weights of `count` values from `first` on.
struct Window {
  int64_t first = 0;
  int64_t count = 0;
  size_t weights = 0;  // index of the first
};

struct Filter {
  std::vector<Window> windows;  // one for each result
  std::vector<int32_t> weights;
};

Filter MakeFilter(int64_t from, int64_t to, Interpolation interpolation) {
  const bool is_cubic = interpolation == Interpolation::kBicubic;
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double width = std::max(scale, 1.0);
  const double support = (is_cubic ? 2.0 : 1.0) * width;
  Filter filter;
  std::vector<double> exact;
  for (int64_t i = 0; i < to; ++i) {
    const double center = (static_cast<double>(i) + 0.5) * scale;
    Window window;
    window.first = std::max<int64_t>(0, static_cast<int64_t>(center - support + 0.5));
    window.count = std::min(from, static_cast<int64_t>(center + support + 0.5)) - window.first;
    window.weights = filter.weights.size();
    exact.clear();
    double sum = 0.0;
    for (int64_t k = 0; k < window.count; ++k) {
      const double x = (static_cast<double>(window.first + k) - center + 0.5) / width;
      exact.push_back(is_cubic ? Cubic(x) : Triangle(x));
      sum += exact.back();
    }
    for (const double weight : exact) {
      const double scaled = (sum != 0.0 ? weight / sum : weight) * (1 << kFractionBits);
      filter.weights.push_back(static_cast<int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5));
    }
    filter.windows.push_back(window);
  }
  return filter;
}

uint8_t Rounded(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kFractionBits, 0, 255));
}

constexpr int32_t kHalf = 1 << (kFractionBits - 1);

Image ResizeRows(const Image& image, int64_t width, Interpolation interpolation) {
  const Filter filter = MakeFilter(image.width, width, interpolation);
  const auto channels = static_cast<size_t>(image.channels);
  Image result{width, image.height, image.channels, {}};
  result.pixels.resize(static_cast<size_t>(width * image.height) * channels);
  uint8_t* out = result.pixels.data();
  for (int64_t y = 0; y < image.height; ++y) {
    const uint8_t* row = image.pixels.data() + static_cast<size_t>(y * image.width) * channels;
    for (const Window& window : filter.windows) {
      const int32_t* weights = filter.weights.data() + window.weights;
      const uint8_t* in = row + static_cast<size_t>(window.first) * channels;
      for (size_t c = 0; c < channels; ++c) {
        int32_t sum = kHalf;
        for (int64_t k = 0; k < window.count; ++k) {
          sum += weights[k] * in[static_cast<size_t>(k) * channels + c];
        }
        *out++ = Rounded(sum);
      }
    }
  }
  return result;
}

Image ResizeColumns(const Image& image, int64_t height, Interpolation interpolation) {
  const Filter filter = MakeFilter(image.height, height, interpolation);
  const auto stride = static_cast<size_t>(image.width * image.channels);
  Image result{image.width, height, image.channels, {}};
  result.pixels.resize(stride * static_cast<size_t>(height));
  std::vector<int32_t> sums(stride);
  uint8_t* out = result.pixels.data();
  for (const Window& window : filter.windows) {
    std::fill(sums.begin(), sums.end(), kHalf);
    for (int64_t k = 0; k < window.count; ++k) {
      const int32_t weight = filter.weights[window.weights + static_cast<size_t>(k)];
      const uint8_t* in = image.pixels.data() + static_cast<size_t>(window.first + k) * stride;
      for (size_t x = 0; x < stride; ++x) sums[x] += weight * in[x];
    }
    for (size_t x = 0; x < stride; ++x) *out++ = Rounded(sums[x]);
  }
  return result;
}

// The source index of each result. Positions are summed up, as in Pillow: which of two pixels is
// taken where a centre falls between them depends on it.
std::vector<int64_t> NearestIndices(int64_t from, int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  std::vector<int64_t> indices;
  double position = scale * 0.5;
  for (int64_t i = 0; i < to; ++i, position += scale) {
    indices.push_back(std::min(static_cast<int64_t>(position), from - 1));
  }
  return indices;
}

Image ResizeNearest(const Image& image, ImageExtent extent) {
  const std::vector<int64_t> columns = NearestIndices(image.width, extent.width);
  const auto channels = static_cast<size_t>(image.channels);
  Image result{extent.width, extent.height, image.channels, {}};
  result.pixels.resize(static_cast<size_t>(extent.width * extent.height) * channels);
  uint8_t* out = result.pixels.data();
  for (const int64_t y : NearestIndices(image.height, extent.height)) {
    for (const int64_t x : columns) {
      const auto from = static_cast<size_t>(y * image.width + x) * channels;
      out = std::copy_n(image.pixels.data() + from, channels, out);
    }
  }
  return result;
}

// Where a centred window begins along one axis; negative where it is larger than the picture.
int64_t CentredOffset(int64_t extent, int64_t window) {
  if (window > extent) return -((window - extent) / 2);
  const int64_t rest = extent - window;
  const int64_t half = rest / 2;
  return rest % 2 != 0 && half % 2 != 0 ? half + 1 : half;
}

}  // namespace

ImageExtent ExtentWithShorterSide(ImageExtent extent, int64_t shorter) {
  if (extent.width <= extent.height) {
    return {shorter, shorter * extent.height / extent.width};
  }
  return {shorter * extent.width / extent.height, shorter};
}

Image ResizeImage(const Image& image, ImageExtent extent, Interpolation interpolation) {
  if (interpolation == Interpolation::kNearest) return ResizeNearest(image, extent);
  // An axis that keeps its extent keeps its values.
  const Image* source = &image;
  Image rows;
  if (extent.width != image.width) {
    rows = ResizeRows(image, extent.width, interpolation);
    source = &rows;
  }
  if (extent.height != image.height) return ResizeColumns(*source, extent.height, interpolation);
  return *source;
}

Image CropCentre(const Image& image, ImageExtent extent, uint8_t fill) {
  if (extent.width == image.width && extent.height == image.height) return image;
  Image result{extent.width, extent.height, image.channels, {}};
  const auto channels = static_cast<size_t>(image.channels);
  result.pixels.assign(static_cast<size_t>(extent.width * extent.height) * channels, fill);
  const int64_t left = CentredOffset(image.width, extent.width);
  const int64_t top = CentredOffset(image.height, extent.height);
  const int64_t from_x = std::max<int64_t>(left, 0);
  const int64_t to_x = std::max<int64_t>(-left, 0);
  const int64_t count = std::min(extent.width, image.width);
  for (int64_t y = 0; y < std::min(extent.height, image.height); ++y) {
    const int64_t from_y = y + std::max<int64_t>(top, 0);
    const int64_t to_y = y + std::max<int64_t>(-top, 0);
    std::copy_n(image.pixels.data() + static_cast<size_t>(from_y * image.width + from_x) * channels,
                static_cast<size_t>(count) * channels,
                result.pixels.data() + static_cast<size_t>(to_y * extent.width + to_x) * channels);
  }
  return result;
}

}  // namespace adaround
