// What an interrupted comparison had finished.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "adaround/io/run_journal.h"
#include "adaround/report/comparison_report.h"

namespace adaround::cli {

// A record is a finished run under the key that its options, seed and data amount to. Repeat, draw
// and seeds are not kept: they follow from the run's place in the comparison, and one run may have
// several.
class ComparisonJournal {
 public:
  // Throws Error(kMalformed), naming file and line, where a record is not what this class writes;
  // as RunJournal does.
  ComparisonJournal(const std::filesystem::path& path, std::map<std::string, std::string> inputs);

  // Null where there is no such run.
  const ComparisonRun* Find(const std::string& key) const;
  int64_t num_found() const { return num_found_; }  // when it was opened
  // The run is on disk when the call returns. Throws Error(kIo).
  void Append(const std::string& key, const ComparisonRun& run);

 private:
  RunJournal journal_;
  std::map<std::string, ComparisonRun> runs_;
  int64_t num_found_ = 0;
};

}  // namespace adaround::cli
