// Scratch folders, hand-made files and the oracle of the reader tests.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "adaround/base/error.h"

namespace adaround::testing {

// A folder that is removed with everything in it when the object dies.
class ScratchFolder {
 public:
  ScratchFolder() {
    // In memory where the system has such a folder: the writers sync every file to disk.
    const std::filesystem::path memory = "/dev/shm";
    const bool in_memory = access(memory.c_str(), W_OK) == 0;
    const std::filesystem::path parent =
        in_memory ? memory : std::filesystem::temp_directory_path();
    std::string name = (parent / "adaround_test.XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch folder: " + name);
    path_ = name;
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

inline std::filesystem::path WriteBytes(const std::filesystem::path& path,
                                        const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<long>(bytes.size()));
  return path;
}

inline std::string ReadBytes(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline std::string LittleEndian(uint64_t value, int num_bytes) {
  std::string bytes;
  for (int i = 0; i < num_bytes; ++i, value >>= 8) bytes += static_cast<char>(value);
  return bytes;
}

// A safetensors file with this header text, not padded, and these bytes of tensors.
inline std::string SafetensorsBytes(const std::string& header, const std::string& buffer) {
  return LittleEndian(header.size(), 8) + header + buffer;
}

// A version 1.0 .npy file with this dict text and these elements.
inline std::string NpyBytes(const std::string& dict, const std::string& elements) {
  return std::string("\x93NUMPY\x01\x00", 8) + LittleEndian(dict.size() + 1, 2) + dict + "\n" +
         elements;
}

// `action` throws Error(code) whose message contains every one of `fragments`.
template <typename Action>
void ExpectError(ErrorCode code, const std::vector<std::string>& fragments, Action action) {
  try {
    action();
    ADD_FAILURE() << "nothing was thrown; wanted: " << ::testing::PrintToString(fragments);
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << error.what();
    for (const std::string& fragment : fragments) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr(fragment));
    }
  }
}

// Reads every proper prefix of `bytes`, and `bytes` with each of its first `num_flipped` bytes
// changed in three ways. `read` must return or throw Error: anything else fails the test.
// Returns how many of the prefixes were accepted.
template <typename Read>
int ReadDamaged(const std::filesystem::path& path, const std::string& bytes, size_t num_flipped,
                Read read) {
  int num_accepted = 0;
  const auto try_read = [&](const std::string& damaged) {
    WriteBytes(path, damaged);
    try {
      read();
      return true;
    } catch (const Error& error) {
      EXPECT_FALSE(std::string(error.what()).empty());
      return false;
    }
  };
  for (size_t length = 0; length < bytes.size(); ++length) {
    num_accepted += try_read(bytes.substr(0, length));
  }
  for (size_t i = 0; i < std::min(num_flipped, bytes.size()); ++i) {
    for (const int mask : {0x01, 0x80, 0xFF}) {
      std::string damaged = bytes;
      damaged[i] = static_cast<char>(damaged[i] ^ mask);
      try_read(damaged);
    }
  }
  return num_accepted;
}

}  // namespace adaround::testing
