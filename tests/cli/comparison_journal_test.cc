#include "cli/comparison_journal.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "adaround/io/journal.h"
#include "io/test_files.h"

namespace adaround::cli {
namespace {

using testing::ExpectError;
using testing::ScratchFolder;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// What a journal that is opened anew says of the run.
ComparisonRun ReadBack(const ComparisonRun& run) {
  const ScratchFolder folder;
  const std::filesystem::path path = folder.path() / "journal";
  ComparisonJournal(path, {{"seed", "42"}}).Append("key", run);
  const ComparisonJournal again(path, {{"seed", "42"}});
  EXPECT_EQ(again.num_found(), 1);
  EXPECT_EQ(again.Find("other"), nullptr);
  const ComparisonRun* found = again.Find("key");
  EXPECT_NE(found, nullptr);
  return found == nullptr ? ComparisonRun{} : *found;
}

TEST(ComparisonJournal, NumbersComeBackWhateverTheyAre) {
  for (const double value : {kInfinity, -kInfinity, -0.0, 0.1, 1e-300, 1e300}) {
    ComparisonRun run;
    run.network.sqnr_db = value;
    run.local_loss = value;
    run.transformed.push_back({"equalize", "1 pair", run.network});
    const ComparisonRun read = ReadBack(run);
    EXPECT_EQ(*read.network.sqnr_db, value);
    EXPECT_EQ(read.local_loss, value);
    ASSERT_EQ(read.transformed.size(), 1u);
    EXPECT_EQ(*read.transformed[0].network.sqnr_db, value);
    EXPECT_FALSE(read.network.top1);
  }
  ComparisonRun run;
  run.network.kl_divergence = std::nan("");
  EXPECT_TRUE(std::isnan(*ReadBack(run).network.kl_divergence));
}

TEST(ComparisonJournal, CountsDoNotWrap) {
  const ScratchFolder folder;
  const std::filesystem::path path = folder.path() / "journal";
  ComparisonRun run;
  run.peak_bytes = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(ReadBack(run).peak_bytes, run.peak_bytes);
  ComparisonJournal(path, {}).Append("key", run);
  const std::string most = std::to_string(run.peak_bytes);
  const std::string beyond = "is beyond 64-bit integers";
  const std::pair<std::string, std::string> cases[] = {{"9223372036854775808", beyond},
                                                       {"18446744073709551615", beyond},
                                                       {"-1", "as a count"},
                                                       {"1.5", "as a count"}};
  for (const auto& [wrong, complaint] : cases) {
    const std::filesystem::path changed = folder.path() / wrong;
    {
      const Journal sound(path);
      Journal journal(changed);
      journal.Append(sound.records()[0]);
      std::string record = sound.records()[1];
      record.replace(record.find(most), most.size(), wrong);
      journal.Append(record);
    }
    ExpectError(ErrorCode::kMalformed, {"line 2", wrong, complaint},
                [&] { ComparisonJournal(changed, {}); });
  }
}

TEST(ComparisonJournal, DeepNestingIsRefusedWithoutRecursion) {
  const ScratchFolder folder;
  const std::filesystem::path path = folder.path() / "journal";
  ComparisonJournal(path, {}).Append("key", {});
  const std::string deep = std::string(200'000, '[') + std::string(200'000, ']');
  std::string record = Journal(path).records()[1];
  const std::string grids = "\"grids\":\"\"";
  ASSERT_NE(record.find(grids), std::string::npos);
  record.replace(record.find(grids), grids.size(), "\"grids\":" + deep);
  record.replace(record.find("\"key\""), 5, "\"other\"");
  Journal(path).Append(record);
  ExpectError(ErrorCode::kMalformed, {"journal", "line 3", "nested deeper"},
              [&] { ComparisonJournal(path, {}); });
}

// scripts/make_written_files.py kept it: two repeats of nearest and of adaround.
TEST(ComparisonJournal, JournalsOfEarlierVersionsAreContinued) {
  const std::filesystem::path kept = ADAROUND_TEST_DATA "/written_by_0.1/comparison.journal";
  const Journal journal(kept);
  ASSERT_EQ(journal.records().size(), 5u);
  const auto parsed = [&](size_t i) { return nlohmann::json::parse(journal.records()[i]); };
  const ComparisonJournal comparison(kept, parsed(0)["inputs"]);
  EXPECT_EQ(comparison.num_found(), 4);
  for (size_t i = 1; i < 5; ++i) {
    const nlohmann::json record = parsed(i);
    const ComparisonRun* run = comparison.Find(record["run"]);
    ASSERT_NE(run, nullptr);
    EXPECT_EQ(run->network.sqnr_db, record["network"]["sqnr_db"].get<double>());
    EXPECT_EQ(run->network.agreement, record["network"]["agreement"].get<double>());
    EXPECT_EQ(run->local_loss, record["local_loss"].get<double>());
    EXPECT_EQ(run->num_layers, 3);
    EXPECT_EQ(run->grids, record["grids"].get<std::string>());
    EXPECT_FALSE(run->network.top1);
  }
}

}  // namespace
}  // namespace adaround::cli
