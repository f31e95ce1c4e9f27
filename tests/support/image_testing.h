// Pictures written through the libraries' encoders.
#pragma once

// libjpeg's header needs this one before it.
#include <cstdio>
//
#include <jpeglib.h>
#include <png.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace adaround::testing {

// Pixels row by row, `channels` (1 or 3) bytes each.
inline std::filesystem::path WritePng(const std::filesystem::path& path, int64_t width,
                                      int64_t height, int channels,
                                      const std::vector<uint8_t>& pixels) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  image.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  if (pixels.size() != PNG_IMAGE_SIZE(image) ||
      png_image_write_to_file(&image, path.c_str(), 0, pixels.data(), 0, nullptr) == 0) {
    throw std::runtime_error("cannot write " + path.string());
  }
  return path;
}

// A palette whose entry i has the colour (255 - i, 7 i mod 256, 3): nothing like the index.
inline std::filesystem::path WritePalettePng(const std::filesystem::path& path, int64_t width,
                                             int64_t height, const std::vector<uint8_t>& indices) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  image.format = PNG_FORMAT_RGB_COLORMAP;
  image.colormap_entries = 256;
  std::vector<uint8_t> colors;
  for (int i = 0; i < 256; ++i) {
    colors.push_back(static_cast<uint8_t>(255 - i));
    colors.push_back(static_cast<uint8_t>(7 * i));
    colors.push_back(3);
  }
  if (indices.size() != static_cast<size_t>(width * height) ||
      png_image_write_to_file(&image, path.c_str(), 0, indices.data(), 0, colors.data()) == 0) {
    throw std::runtime_error("cannot write " + path.string());
  }
  return path;
}

// A gray picture as JPEG; `scans` as jpeg_compress_struct::scan_info, none = sequential.
inline std::string GrayJpeg(int64_t width, int64_t height, const std::vector<uint8_t>& pixels,
                            const std::vector<jpeg_scan_info>& scans = {}) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = static_cast<JDIMENSION>(width);
  info.image_height = static_cast<JDIMENSION>(height);
  info.input_components = 1;
  info.in_color_space = JCS_GRAYSCALE;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 90, TRUE);
  if (!scans.empty()) {
    info.scan_info = scans.data();
    info.num_scans = static_cast<int>(scans.size());
  }
  jpeg_start_compress(&info, TRUE);
  for (int64_t y = 0; y < height; ++y) {
    auto* row = const_cast<JSAMPROW>(pixels.data() + y * width);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  std::string result(reinterpret_cast<const char*>(bytes), size);
  jpeg_destroy_compress(&info);
  std::free(bytes);
  return result;
}

inline std::vector<uint8_t> SomePixels(int64_t count, uint32_t seed = 1) {
  std::vector<uint8_t> pixels;
  uint32_t state = seed * 2654435761u + 1;
  for (int64_t i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;
    pixels.push_back(static_cast<uint8_t>(state >> 24));
  }
  return pixels;
}

}  // namespace adaround::testing
