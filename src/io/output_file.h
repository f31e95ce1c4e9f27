// Files that we write: whole or not at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

namespace adaround {

// Writes beside `path` and renames over it in Commit(); without Commit() nothing stays behind.
// Where `path` is a device or a pipe (/dev/stdout), writes straight to it.
// Every member throws Error(kIo), naming file, reason and remedy.
class OutputFile {
 public:
  explicit OutputFile(const std::filesystem::path& path);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();

  void Write(const void* bytes, size_t count);
  // Nothing may be written afterwards.
  void Commit();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;  // empty where we write straight to path_
  int descriptor_ = -1;
};

// "NAME: cannot be written: No space left on device; free some space ...": the Error(kIo) for errno
// `error`.
[[noreturn]] void ThrowCannotWrite(const std::filesystem::path& path, int error);

// Makes the file's or folder's contents, or a folder's list of names, survive a crash.
void SyncToDisk(const std::filesystem::path& path);

}  // namespace adaround
