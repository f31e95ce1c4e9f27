// What an interrupted comparison had finished.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "adaround/io/journal.h"
#include "adaround/report/comparison_report.h"

namespace adaround::cli {

// The first record holds what every run was made from, each further one a finished run under the
// key that its options, seed and data amount to. Repeat, draw and seeds are not kept: they follow
// from the run's place in the comparison, and one run may have several.
class ComparisonJournal {
 public:
  // `inputs`: names and values; a difference from what the journal says is refused by name.
  // Throws Error(kInvalidArgument) where an input differs; Error(kMalformed), naming file and line,
  // where a record is not what this class writes; as Journal does.
  ComparisonJournal(const std::filesystem::path& path, std::map<std::string, std::string> inputs);

  // Null where there is no such run.
  const ComparisonRun* Find(const std::string& key) const;
  int64_t num_found() const { return num_found_; }  // when it was opened
  // The run is on disk when the call returns. Throws Error(kIo).
  void Append(const std::string& key, const ComparisonRun& run);

 private:
  void ReadRecord(size_t line);

  Journal journal_;
  std::map<std::string, std::string> inputs_;
  std::map<std::string, ComparisonRun> runs_;
  int64_t num_found_ = 0;
};

}  // namespace adaround::cli
