// Resizing and cropping of 8-bit pictures.
#pragma once

#include <cstdint>

#include "io/image.h"

namespace adaround {

enum class Interpolation { kNearest, kBilinear, kBicubic };

struct ImageExtent {
  int64_t width = 0;
  int64_t height = 0;
  bool operator==(const ImageExtent&) const = default;
};

// The extent whose shorter side is `shorter` and whose longer side keeps the aspect, rounded down.
// Both may be beyond kMaxImageExtent.  REQUIRES: extents and shorter are positive, below 2^31.
ImageExtent ExtentWithShorterSide(ImageExtent extent, int64_t shorter);

// Bilinear and bicubic (a = -0.5) are separable filters that widen with the reduction, so that
// every source pixel counts; rows first, then columns, each result rounded to 8 bits. Weights are
// fixed-point numbers of 22 fractional bits, as in Pillow, whose results these are. Nearest takes
// the source pixel that holds the result's centre.
// REQUIRES: extent within the limits of image.h.
Image ResizeImage(const Image& image, ImageExtent extent, Interpolation interpolation);

// The central part; what lies outside the picture is `fill`. The distance from the left (top) is
// half of what is left over, rounded to the even number; where the picture is smaller, half of what
// is missing, rounded down.
Image CropCentre(const Image& image, ImageExtent extent, uint8_t fill);

}  // namespace adaround
