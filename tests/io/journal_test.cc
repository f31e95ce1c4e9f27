#include "adaround/io/journal.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "io/test_files.h"

namespace adaround {
namespace {

using testing::ExpectError;
using testing::ReadBytes;
using testing::ScratchFolder;
using testing::WriteBytes;

const std::vector<std::string> kRecords = {"{\"first\": 1}", "", "two words \xC3\xA9", "{}"};

std::string ThreeAndOne(const std::filesystem::path& path) {
  Journal journal(path);
  for (const std::string& record : kRecords) journal.Append(record);
  return ReadBytes(path);
}

// The records whose lines are whole within the first `size` bytes.
std::vector<std::string> WholeRecords(const std::string& bytes, size_t size) {
  std::vector<std::string> records;
  for (size_t i = 0; i < size; ++i) {
    if (bytes[i] == '\n') records.push_back(kRecords[records.size()]);
  }
  return records;
}

TEST(Journal, RecordsComeBackInOrder) {
  const ScratchFolder folder;
  ThreeAndOne(folder / "journal");
  const Journal again(folder / "journal");
  EXPECT_EQ(again.records(), kRecords);
}

TEST(Journal, IsNotMadeUnlessWritten) {
  const ScratchFolder folder;
  { const Journal journal(folder / "journal"); }
  EXPECT_FALSE(std::filesystem::exists(folder / "journal"));
}

TEST(Journal, EveryPrefixKeepsTheWholeLinesAndIsContinued) {
  const ScratchFolder folder;
  const std::string bytes = ThreeAndOne(folder / "whole");
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const std::filesystem::path path = WriteBytes(folder / "cut", bytes.substr(0, size));
    std::vector<std::string> expected = WholeRecords(bytes, size);
    {
      Journal journal(path);
      EXPECT_EQ(journal.records(), expected) << size;
      journal.Append("more");
    }
    expected.push_back("more");
    EXPECT_EQ(Journal(path).records(), expected) << size;
  }
}

TEST(Journal, EveryFlippedByteIsRefusedOrCutsTheLastLine) {
  const ScratchFolder folder;
  const std::string bytes = ThreeAndOne(folder / "whole");
  int num_refused = 0;
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (const int bit : {0, 3, 7}) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      const std::filesystem::path path = WriteBytes(folder / "damaged", damaged);
      try {
        const Journal journal(path);
        // The last line's end is gone: it was being written.
        EXPECT_EQ(at, bytes.size() - 1) << bit;
        EXPECT_EQ(journal.records().size(), kRecords.size() - 1);
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::kMalformed);
        EXPECT_NE(std::string(error.what()).find("damaged: line "), std::string::npos);
        ++num_refused;
      }
    }
  }
  EXPECT_EQ(num_refused, 3 * static_cast<int>(bytes.size() - 1));
}

TEST(Journal, WhatIsNoFileIsRefused) {
  const ScratchFolder folder;
  std::filesystem::create_directory(folder / "folder");
  ExpectError(ErrorCode::kMalformed, {"folder", "no regular file"},
              [&] { Journal(folder / "folder"); });
  WriteBytes(folder / "real", "");
  std::filesystem::create_symlink("real", folder / "link");
  ExpectError(ErrorCode::kMalformed, {"link", "symbolic link"}, [&] { Journal(folder / "link"); });
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  ExpectError(ErrorCode::kMalformed, {"pipe", "no regular file"},
              [&] { Journal(folder / "pipe"); });
  WriteBytes(folder / "text", "not a journal\n");
  ExpectError(ErrorCode::kMalformed, {"text", "line 1", "--force"},
              [&] { Journal(folder / "text"); });
}

}  // namespace
}  // namespace adaround
