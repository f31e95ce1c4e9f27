#include "io/image.h"

#include <cmath>
#include <cstdlib>

#include "adaround/io/npy.h"
#include "io/test_files.h"
#include "support/image_testing.h"

namespace adaround {
namespace {

using testing::ExpectError;
using testing::GrayJpeg;
using testing::ReadBytes;
using testing::ReadDamaged;
using testing::ScratchFolder;
using testing::SomePixels;
using testing::WriteBytes;
using testing::WritePng;

Image Decode(const std::filesystem::path& path) {
  return DecodeImage(InputFile(path));
}

int LargestDifference(const Image& image, const Tensor& wanted) {
  int largest = 0;
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    largest = std::max(largest, std::abs(image.pixels[i] - wanted.data<uint8_t>()[i]));
  }
  return largest;
}

TEST(DecodeImage, AgreesWithPillow) {
  const std::filesystem::path folder = std::filesystem::path(ADAROUND_IMAGE_CASES) / "decode";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  int num_cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".npy") continue;
    SCOPED_TRACE(entry.path().filename().string());
    const Image image = Decode(entry.path());
    const Tensor wanted = ReadNpy(entry.path().string() + ".npy");
    const Shape shape = image.channels == 1 ? Shape{image.height, image.width}
                                            : Shape{image.height, image.width, 3};
    ASSERT_EQ(shape, wanted.shape());
    // Pillow may carry another libjpeg, whose transforms round otherwise.
    EXPECT_LE(LargestDifference(image, wanted), entry.path().extension() == ".jpg" ? 2 : 0);
    const ImageHeader header = ReadImageHeader(InputFile(entry.path()));
    EXPECT_EQ(header.width, image.width);
    EXPECT_EQ(header.height, image.height);
    ++num_cases;
  }
  EXPECT_GE(num_cases, 18);
}

TEST(DecodeImage, PngKeepsEveryPixel) {
  const ScratchFolder folder;
  const std::vector<uint8_t> pixels = SomePixels(7 * 5 * 3);
  const Image image = Decode(WritePng(folder / "a.jpg", 7, 5, 3, pixels));  // kind by contents
  EXPECT_EQ(image.width, 7);
  EXPECT_EQ(image.height, 5);
  EXPECT_EQ(image.channels, 3);
  EXPECT_EQ(image.pixels, pixels);
}

TEST(DecodeImage, JpegStaysCloseToSmoothPixels) {
  std::vector<uint8_t> pixels;
  for (int i = 0; i < 40 * 24; ++i) pixels.push_back(static_cast<uint8_t>(50 + 3 * (i % 40)));
  const ScratchFolder folder;
  const Image image = Decode(WriteBytes(folder / "a.png", GrayJpeg(40, 24, pixels)));
  ASSERT_EQ(image.pixels.size(), pixels.size());
  EXPECT_EQ(image.channels, 1);
  for (size_t i = 0; i < pixels.size(); ++i) EXPECT_NEAR(image.pixels[i], pixels[i], 4) << i;
}

TEST(DecodeImage, BytesAfterTheEndOfAJpegDoNoHarm) {
  const ScratchFolder folder;
  const std::string jpeg = GrayJpeg(8, 8, SomePixels(64));
  EXPECT_EQ(Decode(WriteBytes(folder / "a.jpg", jpeg)).pixels,
            Decode(WriteBytes(folder / "b.jpg", jpeg + "more")).pixels);
}

TEST(DecodeImage, RefusesWhatIsTruncatedOrDamaged) {
  const ScratchFolder folder;
  const auto path = folder / "a.png";
  const auto read = [&] { Decode(path); };
  EXPECT_EQ(ReadDamaged(path, GrayJpeg(19, 9, SomePixels(19 * 9)), 700, read), 0);
  EXPECT_EQ(ReadDamaged(path, ReadBytes(WritePng(folder / "b.png", 9, 4, 3, SomePixels(9 * 4 * 3))),
                        400, read),
            0);
}

TEST(DecodeImage, SaysWhatIsWrong) {
  const ScratchFolder folder;
  const std::string jpeg = GrayJpeg(64, 64, SomePixels(64 * 64));
  ExpectError(ErrorCode::kMalformed, {"half.jpg", "damaged JPEG data", "fetch the file again"},
              [&] { Decode(WriteBytes(folder / "half.jpg", jpeg.substr(0, jpeg.size() / 2))); });
  const std::string png = ReadBytes(WritePng(folder / "a.png", 64, 64, 1, SomePixels(64 * 64)));
  ExpectError(ErrorCode::kMalformed, {"half.png", "damaged PNG data", "truncated"},
              [&] { Decode(WriteBytes(folder / "half.png", png.substr(0, png.size() / 2))); });
  ExpectError(ErrorCode::kUnsupported, {"a.jpg", "neither a JPEG nor a PNG", "zip archive"},
              [&] { Decode(WriteBytes(folder / "a.jpg", "PK\x03\x04 and so on and on")); });
  ExpectError(ErrorCode::kMalformed, {"empty.jpg", "empty"},
              [&] { Decode(WriteBytes(folder / "empty.jpg", "")); });
}

std::string PngHeader(uint32_t width, uint32_t height) {
  const auto big_endian = [](uint32_t value) {
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
    return bytes;
  };
  return std::string("\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", 16) + big_endian(width) +
         big_endian(height) + std::string("\x08\x02\0\0\0", 5) + "CRC ";
}

TEST(ReadImageHeader, RefusesExtentsBeyondTheLimits) {
  const ScratchFolder folder;
  const auto read = [&](uint32_t width, uint32_t height) {
    return ReadImageHeader(InputFile(WriteBytes(folder / "a.png", PngHeader(width, height))));
  };
  EXPECT_EQ(read(10'000, 10'000).width, 10'000);
  for (const auto& [width, height] : std::vector<std::pair<uint32_t, uint32_t>>{
           {10'001, 10'000}, {0, 5}, {5, 0}, {65'536, 1}, {1, 0xFFFFFFFFu}, {65'535, 65'535}}) {
    ExpectError(ErrorCode::kMalformed, {"a.png", std::to_string(width) + "x"},
                [&, width = width, height = height] { read(width, height); });
  }
}

TEST(ReadImageHeader, FindsTheFrameBehindOtherSegments) {
  const ScratchFolder folder;
  std::string jpeg = GrayJpeg(33, 21, SomePixels(33 * 21));
  // A comment that holds what looks like a frame, and fill bytes.
  const std::string comment("\xFF\xFF\xFE\x00\x0C\xFF\xC0\x00\x11\x08\x00\x01\x00\x01\xFF", 15);
  jpeg.insert(2, comment);
  const auto path = WriteBytes(folder / "a.jpg", jpeg);
  const ImageHeader header = ReadImageHeader(InputFile(path));
  EXPECT_EQ(header.width, 33);
  EXPECT_EQ(header.height, 21);
  EXPECT_EQ(Decode(path).width, 33);
}

TEST(ReadImageHeader, BoundsWhatLiesBeforeTheFrame) {
  const ScratchFolder folder;
  const std::string jpeg = GrayJpeg(33, 21, SomePixels(33 * 21));
  // An empty comment behind `num_fill` fill bytes, over and over.
  const auto read = [&](int num_segments, size_t num_fill) {
    std::string comments;
    for (int i = 0; i < num_segments; ++i) {
      comments += std::string(num_fill, '\xFF') + std::string("\xFF\xFE\x00\x02", 4);
    }
    std::string changed = jpeg;
    changed.insert(2, comments);
    return ReadImageHeader(InputFile(WriteBytes(folder / "a.jpg", changed)));
  };
  // Segments and frames lie across the blocks that are read.
  for (int num_segments = 1020; num_segments < 1030; ++num_segments) {
    EXPECT_EQ(read(num_segments, 0).width, 33) << num_segments;
  }
  EXPECT_EQ(read(10, 4000).height, 21);
  for (const auto& [num_segments, num_fill] :
       std::vector<std::pair<int, size_t>>{{1, 4096}, {20, 4000}}) {
    ExpectError(ErrorCode::kMalformed, {"a.jpg", "no JPEG segment"},
                [&, n = num_segments, fill = num_fill] { read(n, fill); });
  }
}

TEST(DecodeImage, BoundsTheScansOfAProgressiveJpeg) {
  const ScratchFolder folder;
  const std::vector<uint8_t> pixels = SomePixels(16 * 16);
  std::vector<jpeg_scan_info> scans = {{1, {0}, 0, 0, 0, 0}};
  for (int k = 1; k < 64; ++k) scans.push_back({1, {0}, k, k, 0, 1});
  const auto few = WriteBytes(folder / "few.jpg", GrayJpeg(16, 16, pixels, scans));
  EXPECT_EQ(Decode(few).width, 16);
  for (int k = 1; k < 64; ++k) scans.push_back({1, {0}, k, k, 1, 0});
  const auto many = WriteBytes(folder / "many.jpg", GrayJpeg(16, 16, pixels, scans));
  ExpectError(ErrorCode::kMalformed, {"many.jpg", "more than 64 scans"}, [&] { Decode(many); });
}

TEST(DecodeLabelImage, KeepsIndicesOfPalettesAndGrayValues) {
  const ScratchFolder folder;
  const std::vector<uint8_t> classes = {0, 1, 255, 20, 7, 3};
  for (const auto& path : {testing::WritePalettePng(folder / "p.png", 3, 2, classes),
                           WritePng(folder / "g.png", 3, 2, 1, classes)}) {
    const Image image = DecodeLabelImage(InputFile(path));
    EXPECT_EQ(image.channels, 1);
    EXPECT_EQ(image.pixels, classes);
  }
}

TEST(DecodeLabelImage, RefusesColoursAndJpeg) {
  const ScratchFolder folder;
  ExpectError(ErrorCode::kUnsupported, {"c.png", "one class index per pixel"}, [&] {
    DecodeLabelImage(InputFile(WritePng(folder / "c.png", 2, 1, 3, SomePixels(6))));
  });
  ExpectError(ErrorCode::kUnsupported, {"j.png", "label images are PNG files"}, [&] {
    DecodeLabelImage(InputFile(WriteBytes(folder / "j.png", GrayJpeg(8, 8, SomePixels(64)))));
  });
}

TEST(WithChannels, GrayIsLuma) {
  const std::vector<uint8_t> pixels = SomePixels(300);
  const Image gray = WithChannels({10, 10, 3, pixels}, 1);
  ASSERT_EQ(gray.pixels.size(), 100u);
  for (size_t i = 0; i < 100; ++i) {
    const double luma =
        0.299 * pixels[3 * i] + 0.587 * pixels[3 * i + 1] + 0.114 * pixels[3 * i + 2];
    EXPECT_NEAR(gray.pixels[i], luma, 0.51);
  }
  EXPECT_EQ(WithChannels({2, 1, 1, {5, 9}}, 3).pixels, (std::vector<uint8_t>{5, 5, 5, 9, 9, 9}));
}

}  // namespace
}  // namespace adaround
