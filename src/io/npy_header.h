// The header of a NumPy array, in a file of its own or in an archive.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "adaround/tensor/tensor.h"

namespace adaround {

// No header is longer, magic and length field included: hand so many bytes (or the whole array
// where it is shorter) to ParseNpyHeader.
inline constexpr int64_t kMaxNpyHeaderBytes = 64 * 1024;

struct NpyHeader {
  DType dtype = DType::kFloat32;
  Shape shape;
  bool fortran_order = false;  // false as well where both orders are the same
  bool big_endian = false;
  int64_t data_offset = 0;  // where the elements begin
  int64_t data_bytes = 0;   // how many bytes they take
};

// Reads versions 1.0, 2.0 and 3.0 with the keys in any order and checks that the elements fill the
// rest of `total_bytes` exactly. `file` names file (and entry).
// Throws Error(kMalformed), and Error(kUnsupported) for element types we do not read.
NpyHeader ParseNpyHeader(std::span<const uint8_t> head, int64_t total_bytes,
                         const std::string& file);

// Magic, version 1.0, and the dict padded so that the elements begin at a multiple of 64.
// Throws Error(kUnsupported) for bfloat16, which NumPy does not have.
std::string FormatNpyHeader(DType dtype, const Shape& shape, const std::string& file);

// Puts the elements as they lie in the file (count rows; header.fortran_order, header.big_endian)
// into row-major order and this machine's byte order.
void NormalizeNpyElements(const NpyHeader& header, Tensor* tensor);

}  // namespace adaround
