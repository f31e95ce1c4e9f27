#include "io/png_image.h"

#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>

#include "io/file_error.h"

namespace adaround {
namespace {

constexpr size_t kMessageBytes = 200;

// libpng reports by calling back. Nothing that has a destructor lives between setjmp and the calls
// that may jump.
struct Decoder {
  png_structp png = nullptr;
  png_infop info = nullptr;
  const uint8_t* next = nullptr;
  size_t remaining = 0;
  std::jmp_buf on_error;
  char message[kMessageBytes] = {};

  ~Decoder() { png_destroy_read_struct(&png, &info, nullptr); }
};

[[noreturn]] void Fail(png_structp png, png_const_charp message) {
  auto* decoder = static_cast<Decoder*>(png_get_error_ptr(png));
  std::strncpy(decoder->message, message, kMessageBytes - 1);
  std::longjmp(decoder->on_error, 1);
}

// Warnings concern what is passed over.
void DropMessage(png_structp, png_const_charp) {}

void ReadFromMemory(png_structp png, png_bytep out, size_t count) {
  auto* decoder = static_cast<Decoder*>(png_get_io_ptr(png));
  if (count > decoder->remaining) png_error(png, "the file is truncated");
  std::memcpy(out, decoder->next, count);
  decoder->next += count;
  decoder->remaining -= count;
}

// The chunks before the pixels. False: see message.
bool ReadInfo(Decoder& decoder) {
  if (setjmp(decoder.on_error) != 0) return false;
  png_set_user_limits(decoder.png, kMaxImageExtent, kMaxImageExtent);
  // Text, profiles and dates are skipped: the library would first make room for as many bytes as
  // one says it has, or unpack them.
  png_set_keep_unknown_chunks(decoder.png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_set_read_fn(decoder.png, &decoder, ReadFromMemory);
  png_read_info(decoder.png, decoder.info);
  return true;
}

// Asks for bytes of gray or RGB, or of classes; returns the channels in *channels.
bool ChooseFormat(Decoder& decoder, bool as_classes, int64_t* channels) {
  if (setjmp(decoder.on_error) != 0) return false;
  png_structp png = decoder.png;
  if (as_classes) {
    png_set_packing(png);
  } else {
    const int color = png_get_color_type(png, decoder.info);
    if (color == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    if (color == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png);
    png_set_strip_16(png);
    png_set_strip_alpha(png);
  }
  png_set_interlace_handling(png);
  png_read_update_info(png, decoder.info);
  *channels = png_get_channels(png, decoder.info);
  return true;
}

bool ReadPixels(Decoder& decoder, png_bytep* rows) {
  if (setjmp(decoder.on_error) != 0) return false;
  png_read_image(decoder.png, rows);
  png_read_end(decoder.png, nullptr);
  return true;
}

[[noreturn]] void ThrowDamaged(const Decoder& decoder, const std::string& name) {
  ThrowMalformed(name, "damaged PNG data: " + Printable(decoder.message, kMessageBytes) +
                           "; fetch the file again, or save it with another program");
}

}  // namespace

Image DecodePng(std::span<const uint8_t> bytes, const std::string& name, bool as_classes) {
  Decoder decoder;
  decoder.next = bytes.data();
  decoder.remaining = bytes.size();
  decoder.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &decoder, Fail, DropMessage);
  if (decoder.png != nullptr) decoder.info = png_create_info_struct(decoder.png);
  if (decoder.info == nullptr) {
    throw Error(ErrorCode::kIo, name + ": not enough memory for a PNG decoder");
  }
  if (!ReadInfo(decoder)) ThrowDamaged(decoder, name);
  Image image;
  image.width = png_get_image_width(decoder.png, decoder.info);
  image.height = png_get_image_height(decoder.png, decoder.info);
  if (image.width * image.height > kMaxImagePixels) {
    ThrowMalformed(name, "has " + std::to_string(image.width) + "x" + std::to_string(image.height) +
                             " pixels, which is too large");
  }
  if (as_classes) {
    const int color = png_get_color_type(decoder.png, decoder.info);
    const bool is_flat = color == PNG_COLOR_TYPE_PALETTE || color == PNG_COLOR_TYPE_GRAY;
    if (!is_flat || png_get_bit_depth(decoder.png, decoder.info) == 16) {
      ThrowUnsupported(name,
                       "a label image has one class index per pixel, as an 8-bit palette or gray "
                       "PNG, but this one has colours, alpha or 16 bits; convert it to indices");
    }
  }
  if (!ChooseFormat(decoder, as_classes, &image.channels)) ThrowDamaged(decoder, name);
  const auto stride = static_cast<size_t>(image.width * image.channels);
  ADAROUND_CHECK(png_get_rowbytes(decoder.png, decoder.info) == stride);
  image.pixels.resize(stride * static_cast<size_t>(image.height));
  std::vector<png_bytep> rows(static_cast<size_t>(image.height));
  for (size_t y = 0; y < rows.size(); ++y) rows[y] = image.pixels.data() + y * stride;
  if (!ReadPixels(decoder, rows.data())) ThrowDamaged(decoder, name);
  return image;
}

}  // namespace adaround
