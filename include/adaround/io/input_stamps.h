// Whether the files that a run reads stay what they are while it runs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

namespace adaround {

// The state of files at one moment: size and time of the last write, as the file system has them.
class InputStamps {
 public:
  // A regular file; all else is passed over.
  void Add(const std::filesystem::path& path);

  // Throws Error(kMalformed), naming the first file that is gone or has been written to since it
  // was added, and what to do.
  void Check() const;

 private:
  struct Stamp {
    int64_t size = 0;
    int64_t seconds = 0;
    int64_t nanoseconds = 0;  // 0 where the file system forgets them, then or now
    bool Agrees(const Stamp& other) const;
  };
  static bool Read(const std::string& path, Stamp& stamp);

  std::map<std::string, Stamp> stamps_;  // by path
};

}  // namespace adaround
