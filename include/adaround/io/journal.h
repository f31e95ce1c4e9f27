// A list of records on disk that outlives whatever stops the program that writes it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace adaround {

// One record a line: the first 16 hexadecimal digits of the SHA-256 of the text, a blank, the text.
//
// A record is on disk when Append() returns. Of a program that was stopped while it wrote, the last
// line is missing or has no end: that line is dropped. Everything else that was not written here is
// refused, since results must not be mixed with what somebody or something else left.
class Journal {
 public:
  // Reads what is there; the file need not exist, and is made by the first Append().
  // Throws Error(kMalformed), naming file and line: a line whose digest is another, a line without
  // one, a file that is no regular file or larger than 256 MiB. Throws Error(kIo).
  explicit Journal(std::filesystem::path path);
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  ~Journal();

  const std::filesystem::path& path() const { return path_; }
  // In order of writing, those that were found and those appended since. Record i is line i + 1.
  const std::vector<std::string>& records() const { return records_; }

  // REQUIRES: no line break in the record.  Throws Error(kIo).
  void Append(const std::string& record);

 private:
  std::filesystem::path path_;
  std::vector<std::string> records_;
  int64_t sound_bytes_ = 0;  // of the lines that were read
  int descriptor_ = -1;
};

}  // namespace adaround
