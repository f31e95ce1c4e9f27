#include "io/image.h"

#include <algorithm>
#include <array>
#include <span>

#include "io/file_error.h"
#include "io/jpeg_image.h"
#include "io/png_image.h"

namespace adaround {
namespace {

constexpr std::array<uint8_t, 8> kPngMagic = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};

// More segments than that before the picture are no photograph.
constexpr int kMaxSegments = 4096;
// Nor are more bytes before one marker, and before all of them.
constexpr int64_t kMaxSkipped = 4096;
constexpr int64_t kMaxSkippedInAll = 65536;

ImageKind KindOf(const InputFile& file) {
  const std::vector<uint8_t> head = file.ReadHead(16);
  if (head.size() >= kPngMagic.size() &&
      std::equal(kPngMagic.begin(), kPngMagic.end(), head.begin())) {
    return ImageKind::kPng;
  }
  if (head.size() >= 3 && head[0] == 0xFF && head[1] == 0xD8 && head[2] == 0xFF) {
    return ImageKind::kJpeg;
  }
  ThrowUnsupported(file.name(), "is neither a JPEG nor a PNG picture" + LooksLike(head) +
                                    "; convert it, or remove it from the folder");
}

int64_t BigEndian(std::span<const uint8_t> bytes) {
  int64_t value = 0;
  for (const uint8_t byte : bytes) value = value << 8 | byte;
  return value;
}

void CheckHolds(const InputFile& file, int64_t offset, int64_t count) {
  if (file.size() < count || offset > file.size() - count) {
    ThrowMalformedAt(file.name(), offset, "the picture is truncated; fetch the file again");
  }
}

// Bytes [offset, offset + count).
template <size_t count>
std::array<uint8_t, count> BytesAt(const InputFile& file, int64_t offset) {
  constexpr auto kCount = static_cast<int64_t>(count);
  CheckHolds(file, offset, kCount);
  std::array<uint8_t, count> bytes;
  file.ReadAt(offset, bytes.data(), kCount);
  return bytes;
}

// BytesAt() of a file that is read here and there, a block at a time.
class BlockReader {
 public:
  explicit BlockReader(const InputFile& file) : file_(file) {}

  template <size_t count>
  std::array<uint8_t, count> BytesAt(int64_t offset) {
    constexpr auto kCount = static_cast<int64_t>(count);
    static_assert(kCount <= kBlock);
    if (offset < begin_ || offset + kCount > begin_ + static_cast<int64_t>(block_.size())) {
      CheckHolds(file_, offset, kCount);
      begin_ = offset;
      block_.resize(static_cast<size_t>(std::min(kBlock, file_.size() - offset)));
      file_.ReadAt(offset, block_.data(), static_cast<int64_t>(block_.size()));
    }
    std::array<uint8_t, count> bytes;
    std::copy_n(block_.begin() + (offset - begin_), kCount, bytes.begin());
    return bytes;
  }

 private:
  static constexpr int64_t kBlock = 4096;

  const InputFile& file_;
  int64_t begin_ = 0;
  std::vector<uint8_t> block_;
};

// Whether a marker begins a frame, which holds the extents: SOF0 to SOF15 without DHT, JPG and DAC,
// which lie among them.
bool BeginsFrame(uint8_t marker) {
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

ImageHeader ReadJpegHeader(const InputFile& file) {
  BlockReader reader(file);
  int64_t offset = 2;
  int64_t skipped_in_all = 0;
  for (int segment = 0; segment < kMaxSegments; ++segment) {
    uint8_t marker = 0;
    // Any number of 0xFF may precede a marker; bytes that belong to nothing too.
    int64_t skipped = 0;
    for (uint8_t previous = 0; marker == 0; ++offset) {
      const uint8_t byte = reader.BytesAt<1>(offset)[0];
      if (previous == 0xFF && byte != 0xFF) marker = byte;
      previous = byte;
      if (++skipped > kMaxSkipped || ++skipped_in_all > kMaxSkippedInAll) {
        ThrowMalformedAt(file.name(), offset, "no JPEG segment is here");
      }
    }
    if (marker == 0xD9 || marker == 0xDA) break;  // pixels, or the end, before any frame
    if (marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8)) continue;  // without contents
    if (BeginsFrame(marker)) {
      const auto frame = reader.BytesAt<7>(offset);  // length 2, precision 1, height 2, width 2
      ImageHeader header;
      header.height = BigEndian(std::span(frame).subspan(3, 2));
      header.width = BigEndian(std::span(frame).subspan(5, 2));
      return header;
    }
    const int64_t length = BigEndian(reader.BytesAt<2>(offset));
    if (length < 2) ThrowMalformedAt(file.name(), offset, "a JPEG segment has no length");
    offset += length;
  }
  ThrowMalformed(file.name(), "a JPEG picture without a frame; fetch the file again");
}

ImageHeader ReadPngHeader(const InputFile& file) {
  const auto chunk = BytesAt<16>(file, 8);  // length 4, "IHDR", width 4, height 4
  if (!std::equal(chunk.begin() + 4, chunk.begin() + 8, "IHDR")) {
    ThrowMalformed(file.name(), "a PNG picture that does not begin with its header");
  }
  ImageHeader header;
  header.kind = ImageKind::kPng;
  header.width = BigEndian(std::span(chunk).subspan(8, 4));
  header.height = BigEndian(std::span(chunk).subspan(12, 4));
  return header;
}

std::vector<uint8_t> ReadWhole(const InputFile& file) {
  std::vector<uint8_t> bytes(static_cast<size_t>(file.size()));
  file.ReadAt(0, bytes.data(), file.size());
  return bytes;
}

}  // namespace

ImageHeader ReadImageHeader(const InputFile& file) {
  const ImageKind kind = KindOf(file);
  if (file.size() > kMaxImageFileBytes) {
    ThrowMalformed(file.name(), "has " + std::to_string(file.size()) + " bytes, at most " +
                                    std::to_string(kMaxImageFileBytes) +
                                    " are allowed for a picture");
  }
  const ImageHeader header = kind == ImageKind::kJpeg ? ReadJpegHeader(file) : ReadPngHeader(file);
  const int64_t smaller = std::min(header.width, header.height);
  const int64_t larger = std::max(header.width, header.height);
  if (smaller < 1 || larger > kMaxImageExtent || smaller * larger > kMaxImagePixels) {
    ThrowMalformed(file.name(), "has " + std::to_string(header.width) + "x" +
                                    std::to_string(header.height) + " pixels; from 1 to " +
                                    std::to_string(kMaxImageExtent) + " a side, and at most " +
                                    std::to_string(kMaxImagePixels) + " together, are allowed");
  }
  return header;
}

Image DecodeImage(const InputFile& file) {
  const ImageHeader header = ReadImageHeader(file);
  const std::vector<uint8_t> bytes = ReadWhole(file);
  return header.kind == ImageKind::kJpeg ? DecodeJpeg(bytes, file.name())
                                         : DecodePng(bytes, file.name(), false);
}

Image DecodeLabelImage(const InputFile& file) {
  if (ReadImageHeader(file).kind == ImageKind::kJpeg) {
    ThrowUnsupported(file.name(),
                     "label images are PNG files; JPEG does not keep classes as they were");
  }
  return DecodePng(ReadWhole(file), file.name(), true);
}

Image WithChannels(Image image, int64_t channels) {
  if (image.channels == channels) return image;
  Image result{image.width, image.height, channels, {}};
  const auto count = static_cast<size_t>(image.width * image.height);
  result.pixels.resize(count * static_cast<size_t>(channels));
  if (channels == 1) {
    for (size_t i = 0; i < count; ++i) {
      const uint8_t* rgb = image.pixels.data() + 3 * i;
      result.pixels[i] =
          static_cast<uint8_t>((19595 * rgb[0] + 38470 * rgb[1] + 7471 * rgb[2] + 32768) >> 16);
    }
  } else {
    for (size_t i = 0; i < count; ++i) {
      std::fill_n(result.pixels.begin() + static_cast<int64_t>(3 * i), 3, image.pixels[i]);
    }
  }
  return result;
}

}  // namespace adaround
