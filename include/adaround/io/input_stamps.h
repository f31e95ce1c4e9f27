// Whether the files that a run reads stay what they are while it runs.
#pragma once

#include <cstdint>
#include <ctime>
#include <filesystem>
#include <map>
#include <string>

namespace adaround {

// Error(kMalformed), naming the file or folder, and what to do.
[[noreturn]] void ThrowInputChanged(const std::filesystem::path& path);

// Whether a file system may mean one time by both: some keep seconds alone, once they have dropped
// what they had in memory.
bool MayBeSameTime(const timespec& first, const timespec& second);

// The state of files at one moment: size, time of the last write, and time of the last change of
// either, which no program can set back, as the file system has them.
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
    timespec written = {};
    timespec changed = {};
    bool Agrees(const Stamp& other) const;
  };
  static bool Read(const std::string& path, Stamp& stamp);

  std::map<std::string, Stamp> stamps_;  // by path
};

}  // namespace adaround
