// Pictures, and PNG files as maps of classes: as many pixels as the header says, which can be
// resized and cropped.
#include <algorithm>

#include "fuzz/fuzz_input.h"
#include "io/image.h"
#include "io/image_resize.h"

using namespace adaround;

namespace {

void CheckImage(const Image& image, const ImageHeader& header) {
  fuzz::Require(image.width == header.width && image.height == header.height,
                "another extent than the header's");
  fuzz::Require(image.channels == 1 || image.channels == 3, "neither gray nor RGB");
  fuzz::Require(
      static_cast<int64_t>(image.pixels.size()) == image.width * image.height * image.channels,
      "another number of pixels");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static fuzz::InputFolder folder;
  const std::filesystem::path path = folder.Write("a.png", {data, size});
  const auto header = fuzz::Accepted(path, [&] { return ReadImageHeader(InputFile(path)); });
  if (!header) return 0;
  const auto classes = fuzz::Accepted(path, [&] { return DecodeLabelImage(InputFile(path)); });
  if (classes) {
    CheckImage(*classes, *header);
    fuzz::Require(classes->channels == 1, "classes of several channels");
  }
  auto image = fuzz::Accepted(path, [&] { return DecodeImage(InputFile(path)); });
  if (!image) return 0;
  CheckImage(*image, *header);
  constexpr int64_t kMaxResized = 1 << 16;  // pixels; more would cost time and show nothing new
  if (image->width * image->height > kMaxResized) return 0;
  const int64_t channels = 4 - image->channels;
  const Image other = WithChannels(std::move(*image), channels);
  const ImageExtent extent{5, 7};
  const Interpolation interpolation = static_cast<Interpolation>(size % 3);
  const Image resized = CropCentre(ResizeImage(other, extent, interpolation), {6, 6}, 255);
  fuzz::Require(static_cast<int64_t>(resized.pixels.size()) == 36 * channels, "another crop");
  return 0;
}
