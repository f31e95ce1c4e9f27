#include "io/jpeg_image.h"

// libjpeg's headers need this one before them.
#include <cstdio>
//
#include <jpeglib.h>
//
#include <jerror.h>

#include <csetjmp>
#include <memory>

#include "io/file_error.h"

namespace adaround {
namespace {

// Passes over the picture that a file may ask for. Encoders write about ten; each costs as much
// time as the picture has pixels, for a few bytes of the file.
constexpr int kMaxScans = 64;
constexpr int64_t kMaxDecoderBytes = int64_t{1} << 30;

// libjpeg reports by calling back. Nothing that has a destructor lives between setjmp and the calls
// that may jump.
struct Decoder {
  jpeg_decompress_struct info;  // first: callbacks cast to it
  jpeg_error_mgr errors;
  jpeg_progress_mgr progress;
  std::jmp_buf on_error;
  char message[JMSG_LENGTH_MAX];
  bool too_many_scans;
};

Decoder* DecoderOf(j_common_ptr info) {
  return static_cast<Decoder*>(info->client_data);
}

[[noreturn]] void Fail(j_common_ptr info) {
  Decoder* decoder = DecoderOf(info);
  info->err->format_message(info, decoder->message);
  std::longjmp(decoder->on_error, 1);
}

// Level -1 is a warning. Bytes too many between segments and odd markers of programs lose nothing;
// every other one means that pixels were made up.
void RefuseDamage(j_common_ptr info, int level) {
  const int code = info->err->msg_code;
  if (level >= 0 || code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM ||
      code == JWRN_JFIF_MAJOR) {
    return;
  }
  Fail(info);
}

void DropMessage(j_common_ptr) {}

void CountScans(j_common_ptr info) {
  Decoder* decoder = DecoderOf(info);
  if (decoder->info.input_scan_number <= kMaxScans) return;
  decoder->too_many_scans = true;
  std::longjmp(decoder->on_error, 1);
}

// The header, and the form of the pixels that follow from it. False: see message.
bool Start(Decoder& decoder, std::span<const uint8_t> bytes) {
  if (setjmp(decoder.on_error) != 0) return false;
  jpeg_decompress_struct& info = decoder.info;
  jpeg_create_decompress(&info);
  info.client_data = &decoder;
  info.progress = &decoder.progress;
  decoder.progress.progress_monitor = CountScans;
  info.mem->max_memory_to_use = kMaxDecoderBytes;
  jpeg_mem_src(&info, bytes.data(), bytes.size());
  jpeg_read_header(&info, TRUE);
  info.out_color_space = info.num_components == 1   ? JCS_GRAYSCALE
                         : info.num_components == 4 ? JCS_CMYK
                                                    : JCS_RGB;
  return true;
}

bool ReadPixels(Decoder& decoder, uint8_t* pixels) {
  if (setjmp(decoder.on_error) != 0) return false;
  jpeg_decompress_struct& info = decoder.info;
  jpeg_start_decompress(&info);
  const size_t stride = static_cast<size_t>(info.output_width) * info.output_components;
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = pixels + info.output_scanline * stride;
    jpeg_read_scanlines(&info, &row, 1);
  }
  jpeg_finish_decompress(&info);
  return true;
}

// round(a * b / 255) for bytes.
uint8_t MultiplyBytes(uint8_t a, uint8_t b) {
  const int product = a * b + 128;
  return static_cast<uint8_t>(((product >> 8) + product) >> 8);
}

// Adobe stores what the inks leave of the light: red = C K / 255, and so on.
Image FromInvertedInks(const Image& inks) {
  Image image{inks.width, inks.height, 3, {}};
  const size_t count = inks.pixels.size() / 4;
  image.pixels.resize(3 * count);
  for (size_t i = 0; i < count; ++i) {
    const uint8_t black = inks.pixels[4 * i + 3];
    for (size_t c = 0; c < 3; ++c) {
      const auto ink = static_cast<uint8_t>(255 - inks.pixels[4 * i + c]);
      image.pixels[3 * i + c] = static_cast<uint8_t>(black - MultiplyBytes(ink, black));
    }
  }
  return image;
}

[[noreturn]] void ThrowDamaged(const Decoder& decoder, const std::string& name) {
  if (decoder.too_many_scans) {
    ThrowMalformed(name, "a JPEG picture with more than " + std::to_string(kMaxScans) +
                             " scans; save it again with an ordinary encoder");
  }
  ThrowMalformed(name, "damaged JPEG data: " + Printable(decoder.message, JMSG_LENGTH_MAX) +
                           "; fetch the file again, or save it with another program");
}

}  // namespace

Image DecodeJpeg(std::span<const uint8_t> bytes, const std::string& name) {
  const auto decoder = std::make_unique<Decoder>();
  decoder->info.err = jpeg_std_error(&decoder->errors);
  decoder->info.client_data = decoder.get();
  decoder->errors.error_exit = Fail;
  decoder->errors.emit_message = RefuseDamage;
  decoder->errors.output_message = DropMessage;
  struct Destroy {
    jpeg_decompress_struct* info;
    ~Destroy() { jpeg_destroy_decompress(info); }
  } destroy{&decoder->info};

  if (!Start(*decoder, bytes)) ThrowDamaged(*decoder, name);
  const int components = decoder->info.num_components;
  if (components != 1 && components != 3 && components != 4) {
    ThrowUnsupported(name, "a JPEG picture of " + std::to_string(components) +
                               " components; save it as gray or RGB");
  }
  Image image{decoder->info.image_width, decoder->info.image_height, components, {}};
  if (image.width > kMaxImageExtent || image.height > kMaxImageExtent ||
      image.width * image.height > kMaxImagePixels) {
    ThrowMalformed(name, "has " + std::to_string(image.width) + "x" + std::to_string(image.height) +
                             " pixels, which is too large");
  }
  image.pixels.resize(static_cast<size_t>(image.width * image.height * components));
  if (!ReadPixels(*decoder, image.pixels.data())) ThrowDamaged(*decoder, name);
  return components == 4 ? FromInvertedInks(image) : image;
}

}  // namespace adaround
