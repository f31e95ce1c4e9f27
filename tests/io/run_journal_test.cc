#include "adaround/io/run_journal.h"

#include <gtest/gtest.h>

#include "io/test_files.h"

namespace adaround {
namespace {

using testing::ExpectError;
using testing::ScratchFolder;

const std::map<std::string, std::string> kInputs = {{"seed", "42"}, {"model", "a\x1b[31m"}};

TEST(RunJournal, GoesOnWhereItsInputsAreTheSame) {
  const ScratchFolder folder;
  RunJournal(folder / "journal", "test", kInputs).Append("{\"run\":1}");
  RunJournal(folder / "journal", "test", kInputs).Append("{\"run\":2}");
  const RunJournal again(folder / "journal", "test", kInputs);
  EXPECT_EQ(again.records(), (std::vector<std::string>{"{\"run\":1}", "{\"run\":2}"}));
  EXPECT_EQ(Journal(folder / "journal").records()[RunJournal::LineOf(1) - 1], "{\"run\":2}");
}

TEST(RunJournal, RefusesOtherInputsByName) {
  const ScratchFolder folder;
  RunJournal(folder / "journal", "test", kInputs).Append("{}");
  ExpectError(ErrorCode::kInvalidArgument,
              {"journal", "bits was not given, is '4'", "model was 'a\\x1b[31m', is not given",
               "seed was '42', is '7'", "--force"},
              [&] { RunJournal(folder / "journal", "test", {{"seed", "7"}, {"bits", "4"}}); });
  ExpectError(ErrorCode::kMalformed, {"line 1", "'test'", "'other'", "--force"},
              [&] { RunJournal(folder / "journal", "other", kInputs); });
}

TEST(RunJournal, RefusesRecordsThatAreNotItsOwn) {
  const std::string first = R"({"format":"test","version":1,"inputs":{}})";
  const std::pair<std::vector<std::string>, std::string> cases[] = {
      {{"[]"}, "line 1"},
      {{R"({"format":"test","version":2,"inputs":{}})"}, "version"},
      {{R"({"format":"test","version":1,"inputs":[]})"}, "inputs"},
      {{R"({"format":"test","version":1,"inputs":{"a":1}})"}, "inputs.a"},
      {{R"({"format":"test","version":1,"inputs":{},"more":0})"}, "more"},
      {{first, "no JSON"}, "line 2"},
      {{first, "{}", "{\"a\":1,\"a\":2}"}, "line 3"},
      {{first, std::string(100'000, '[')}, "line 2"},
      {{first, "{\"a\":\"\xff\"}"}, "line 2"},
  };
  for (const auto& [records, complaint] : cases) {
    const ScratchFolder folder;
    {
      Journal journal(folder / "journal");
      for (const std::string& record : records) journal.Append(record);
    }
    ExpectError(ErrorCode::kMalformed, {"journal", complaint, "--force starts afresh"},
                [&] { RunJournal(folder / "journal", "test", {}); });
  }
}

}  // namespace
}  // namespace adaround
