// Journals: of any bytes, and of records under their right digests, which whoever writes a file can
// compute. What is read can be continued. Records are read as a comparison's too.
#include <filesystem>

#include "adaround/io/journal.h"
#include "adaround/io/sha256.h"
#include "cli/comparison_journal.h"
#include "fuzz/fuzz_input.h"

using namespace adaround;

namespace {

std::span<const uint8_t> AsBytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

void ReadAndContinue(const std::filesystem::path& path) {
  const auto records = fuzz::Accepted(path, [&] { return Journal(path).records(); });
  if (!records) return;
  Journal(path).Append("one more");
  const Journal again(path);
  fuzz::Require(again.records().size() == records->size() + 1, "another number of records");
  fuzz::Require(std::equal(records->begin(), records->end(), again.records().begin()),
                "other records");
  fuzz::Require(again.records().back() == "one more", "another last record");
}

void ReadComparison(const std::filesystem::path& path) {
  const std::map<std::string, std::string> inputs = {{"seed", "42"}};
  fuzz::Accepted(path, [&] {
    try {
      cli::ComparisonJournal journal(path, inputs);
      if (journal.Find("no such run") != nullptr) return true;
      journal.Append("no such run", {});
      const cli::ComparisonJournal again(path, inputs);
      fuzz::Require(again.num_found() == journal.num_found() + 1, "another number of runs");
    } catch (const Error& error) {
      // A comparison of other inputs is what the command line may be wrong about.
      if (error.code() != ErrorCode::kInvalidArgument) throw;
    }
    return true;
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static fuzz::InputFolder folder;
  ReadAndContinue(folder.Write("raw", {data, size}));

  std::string lines;
  std::string rest(reinterpret_cast<const char*>(data), size);
  while (!rest.empty()) {
    const std::string record = rest.substr(0, rest.find('\n'));
    lines += Sha256OfBytes(record).substr(0, 16) + " " + record + "\n";
    rest.erase(0, record.size() + 1);
  }
  const std::filesystem::path path = folder.Write("digested", AsBytes(lines));
  ReadComparison(path);
  ReadAndContinue(folder.Write("digested", AsBytes(lines)));
  return 0;
}
