// A journal of what a stopped run had finished, tied to what all of it was made from.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "adaround/io/journal.h"

namespace adaround {

// Records are JSON texts. The first is {"format", "version", "inputs"}, the inputs being names and
// values of everything that the further ones depend on; it is written by Begin(), or together with
// the first of them.
class RunJournal {
 public:
  // `format` names what the records are.
  // Throws Error(kInvalidArgument), naming each difference, where the journal there was made from
  // other inputs; Error(kMalformed) where its first record is not as above, or another one is no
  // JSON, or is nested deeper than 64 levels; as Journal does.
  RunJournal(const std::filesystem::path& path, std::string format,
             std::map<std::string, std::string> inputs);

  const std::filesystem::path& path() const { return journal_.path(); }
  // Without the first one. Record i is line LineOf(i) of the file.
  const std::vector<std::string>& records() const { return records_; }
  static size_t LineOf(size_t record) { return record + 2; }

  // Writes the first record where it is not there.  Throws Error(kIo).
  void Begin();
  bool HasBegun() const { return !journal_.records().empty(); }
  // The record is on disk when the call returns.
  // REQUIRES: no line break in the record.  Throws Error(kIo).
  void Append(const std::string& record);

 private:
  std::string PlaceOf(size_t index) const;  // in the file
  void CheckFirstRecord() const;

  Journal journal_;
  std::string format_;
  std::map<std::string, std::string> inputs_;
  std::vector<std::string> records_;
};

}  // namespace adaround
