// NumPy archives: zip files whose entries are .npy arrays.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "io/npy_header.h"

struct zip;

namespace adaround {

inline constexpr int64_t kMaxNpzEntries = 65'536;
inline constexpr int64_t kMaxNpzBytes = int64_t{64} << 30;  // all arrays together, inflated

// An open archive whose directory and array headers have been read and checked: entries stored or
// deflated, not encrypted, no name twice, no more compressed bytes together than the file has, and
// for each the array's size equal to the entry's inflated size, which is no more than its
// compressed bytes can give. So no allocation depends on an unchecked number.
// Threads: const members may be called concurrently; they take turns.
class NpzFile {
 public:
  // Throws Error(kIo | kMalformed | kUnsupported).
  explicit NpzFile(const std::filesystem::path& path);
  ~NpzFile();

  const std::string& name() const { return name_; }  // the path, ready to print
  // By entry name without ".npy".  Entries without that ending are left out.
  const std::map<std::string, NpyHeader>& entries() const { return headers_; }

  // Inflates an entry and checks its CRC.  REQUIRES: entries() has the name.
  Tensor Read(const std::string& name) const;

 private:
  struct EntryFile;

  void ReadDirectory(int64_t file_size);
  NpyHeader ReadEntryHeader(uint64_t index, int64_t size, const std::string& what) const;

  std::string name_;
  zip* archive_ = nullptr;
  std::map<std::string, NpyHeader> headers_;
  std::map<std::string, uint64_t> indices_;
  mutable std::mutex mutex_;  // libzip reads one entry at a time
};

}  // namespace adaround
