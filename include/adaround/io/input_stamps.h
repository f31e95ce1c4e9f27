// Whether the files that a run reads stay what they are while it runs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

namespace adaround {

// The state of files at one moment: file, size and time of change, as the file system has them.
class InputStamps {
 public:
  // A file, or all that a folder holds; "" is none. What is not there is left to whoever reads it.
  void Add(const std::filesystem::path& path);

  // Throws Error(kMalformed), naming the first file that is another one now, or has been written to
  // since it was added, and what to do.
  void Check() const;

 private:
  struct Stamp {
    uint64_t device = 0;
    uint64_t inode = 0;
    int64_t size = 0;
    int64_t seconds = 0;
    int64_t nanoseconds = 0;
    bool operator==(const Stamp&) const = default;
  };
  static bool Read(const std::string& path, Stamp& stamp);

  std::map<std::string, Stamp> stamps_;  // by path
};

}  // namespace adaround
