// A bounded cursor over bytes in memory that came from a file.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "io/file_error.h"

namespace adaround {

// Little-endian reads, each checked against the bytes left; what is missing throws
// Error(kMalformed) with file, offset in the file, and what was wanted.
class ByteReader {
 public:
  // `base_offset`: where in the file `bytes` begins.  `bytes` must outlive the reader.
  ByteReader(std::span<const uint8_t> bytes, std::string file, int64_t base_offset = 0)
      : bytes_(bytes), file_(std::move(file)), base_offset_(base_offset) {}

  // Position in the file of the next byte.
  int64_t offset() const { return base_offset_ + static_cast<int64_t>(position_); }
  size_t remaining() const { return bytes_.size() - position_; }

  uint8_t ReadU8(const char* what) { return ReadBytes(1, what)[0]; }
  uint16_t ReadU16(const char* what) { return static_cast<uint16_t>(ReadLittleEndian(2, what)); }
  uint32_t ReadU32(const char* what) { return static_cast<uint32_t>(ReadLittleEndian(4, what)); }
  uint64_t ReadU64(const char* what) { return ReadLittleEndian(8, what); }

  std::span<const uint8_t> ReadBytes(uint64_t count, const char* what) {
    if (count > remaining()) {
      ThrowMalformedAt(file_, offset(),
                       std::string("the file is truncated: ") + what + " takes " +
                           std::to_string(count) + " bytes, only " + std::to_string(remaining()) +
                           " are left; fetch or write the file again");
    }
    const std::span<const uint8_t> result = bytes_.subspan(position_, count);
    position_ += count;
    return result;
  }

 private:
  uint64_t ReadLittleEndian(size_t count, const char* what) {
    uint64_t value = 0;
    const std::span<const uint8_t> bytes = ReadBytes(count, what);
    for (size_t i = count; i-- > 0;) value = value << 8 | bytes[i];
    return value;
  }

  std::span<const uint8_t> bytes_;
  std::string file_;
  int64_t base_offset_;
  size_t position_ = 0;
};

}  // namespace adaround
