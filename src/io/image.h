// 8-bit pictures: JPEG and PNG files told apart by their first bytes, decoded, resized, cropped.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/input_file.h"

namespace adaround {

// What is refused beyond: far above any photograph, and memory that one thread can afford.
inline constexpr int64_t kMaxImagePixels = 100'000'000;
inline constexpr int64_t kMaxImageExtent = 65'535;
inline constexpr int64_t kMaxImageFileBytes = int64_t{1} << 28;

// Rows from the top, pixels from the left, the channels of a pixel side by side.
struct Image {
  int64_t width = 0;
  int64_t height = 0;
  int64_t channels = 0;  // 1 = gray, 3 = red, green, blue
  std::vector<uint8_t> pixels;
};

enum class ImageKind { kJpeg, kPng };

struct ImageHeader {
  ImageKind kind = ImageKind::kJpeg;
  int64_t width = 0;
  int64_t height = 0;
};

// Of the file's first segments alone; few bytes are read.
// Throws Error(kUnsupported) for other kinds of files, Error(kMalformed) where the header is
// damaged or the extents are beyond the limits above.
ImageHeader ReadImageHeader(const InputFile& file);

// The picture with 1 or 3 channels, as the file has it: JPEG in YCbCr becomes RGB, in CMYK or YCCK
// too (with Adobe's inverted inks and no colour profile); PNG palettes are looked up, of 16 bits
// the upper 8 are kept, alpha and transparent colours are dropped. Orientation tags, colour
// profiles and gamma are not applied. Throws Error(kMalformed) for whatever is truncated or
// damaged, even where a viewer would show a part of it; Error(kUnsupported) for other kinds of
// files.
Image DecodeImage(const InputFile& file);

// A PNG picture of classes, one channel: palette indices as they are, not their colours, or gray
// values of up to 8 bits, unscaled.
// Throws as DecodeImage does; Error(kUnsupported) for JPEG, colour, 16 bits and alpha.
Image DecodeLabelImage(const InputFile& file);

// The same picture with 1 channel or 3. Gray is ITU-R 601 luma, (19595 R + 38470 G + 7471 B +
// 32768) / 65536.
Image WithChannels(Image image, int64_t channels);

}  // namespace adaround
