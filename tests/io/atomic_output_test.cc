#include "adaround/io/atomic_output.h"

#include <sys/stat.h>

#include "io/test_files.h"
#include "support/killed_process.h"

namespace adaround {
namespace {

using testing::ExpectError;
using testing::ReadBytes;
using testing::ScratchFolder;
using testing::WriteBytes;

size_t CountEntries(const std::filesystem::path& folder) {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

TEST(WriteFileAtomically, WritesReplacesAndLeavesNothingElse) {
  const ScratchFolder folder;
  WriteFileAtomically(folder / "a", "one");
  WriteFileAtomically(folder / "a", "two");
  EXPECT_EQ(ReadBytes(folder / "a"), "two");
  EXPECT_EQ(CountEntries(folder.path()), 1u);
  struct stat status {};
  ASSERT_EQ(stat((folder / "a").c_str(), &status), 0);
  const mode_t mask = umask(0);
  umask(mask);
  EXPECT_EQ(status.st_mode & 0777, 0666 & ~mask);
}

TEST(WriteFileAtomically, WritesThroughASymbolicLink) {
  const ScratchFolder folder;
  WriteBytes(folder / "a", "one");
  std::filesystem::create_symlink("a", folder / "link");
  WriteFileAtomically(folder / "link", "two");
  EXPECT_EQ(ReadBytes(folder / "a"), "two");
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
}

// Whoever left them had this process's number.
TEST(WriteFileAtomically, PassesOverFilesThatKilledRunsLeft) {
  const ScratchFolder folder;
  for (int i = 0; i < 100; ++i) {
    WriteBytes(folder / ("a." + std::to_string(getpid()) + "-" + std::to_string(i) + ".tmp"), "");
  }
  WriteFileAtomically(folder / "a", "one");
  EXPECT_EQ(ReadBytes(folder / "a"), "one");
  EXPECT_EQ(CountEntries(folder.path()), 101u);
}

TEST(WriteFileAtomically, ReportsWhatStoppedIt) {
  const ScratchFolder folder;
  ExpectError(ErrorCode::kIo, {"/dev/full", "No space left", "free some space"},
              [] { WriteFileAtomically("/dev/full", "x"); });
  ExpectError(ErrorCode::kIo, {"Is a directory"}, [&] { WriteFileAtomically(folder.path(), "x"); });
  ExpectError(ErrorCode::kIo, {"none/a", "create the folder first"},
              [&] { WriteFileAtomically(folder / "none/a", "x"); });
}

TEST(OutputDirectory, AppearsAtCommitAndNotBefore) {
  const ScratchFolder folder;
  OutputDirectory out(folder / "out/", false);
  EXPECT_EQ(out.partial(), folder / "out.partial");
  WriteBytes(out.contents() / "model.json", "{}");
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
  out.Commit();
  EXPECT_EQ(ReadBytes(folder / "out/model.json"), "{}");
  EXPECT_EQ(CountEntries(folder / "out"), 1u);
  EXPECT_EQ(CountEntries(folder.path()), 1u);
}

TEST(OutputDirectory, WithoutCommitNothingStays) {
  const ScratchFolder folder;
  try {
    OutputDirectory out(folder / "out", false);
    WriteBytes(out.contents() / "model.json", "{}");
    throw std::runtime_error("stopped");
  } catch (const std::runtime_error&) {
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(OutputDirectory, ReplacesAnEarlierResultOnlyWithForce) {
  const ScratchFolder folder;
  std::filesystem::create_directory(folder / "out");
  WriteBytes(folder / "out/model.json", "old");
  WriteBytes(folder / "out/extra", "old");
  ExpectError(ErrorCode::kInvalidArgument, {"already exists", "--force"},
              [&] { OutputDirectory out(folder / "out", false); });
  {
    OutputDirectory dropped(folder / "out", true);
    WriteBytes(dropped.contents() / "model.json", "new");
  }
  EXPECT_EQ(ReadBytes(folder / "out/model.json"), "old");
  OutputDirectory out(folder / "out", true);
  WriteBytes(out.contents() / "model.json", "new");
  out.Commit();
  EXPECT_EQ(ReadBytes(folder / "out/model.json"), "new");
  EXPECT_EQ(CountEntries(folder / "out"), 1u);
  EXPECT_EQ(CountEntries(folder.path()), 1u);
}

TEST(OutputDirectory, ForceNeverReplacesWhatIsNotOurs) {
  const ScratchFolder folder;
  WriteBytes(folder / "file", "x");
  std::filesystem::create_directory(folder / "photos");
  WriteBytes(folder / "photos/cat.jpg", "x");
  std::filesystem::create_directory_symlink("photos", folder / "link");
  for (const char* name : {"file", "photos", "link"}) {
    ExpectError(ErrorCode::kInvalidArgument, {"no folder that adaround wrote"},
                [&] { OutputDirectory out(folder / name, true); });
  }
  std::filesystem::create_directory(folder / "empty");
  OutputDirectory out(folder / "empty", true);
  out.Commit();
}

TEST(OutputDirectory, TakesOverWhatAKilledRunLeft) {
  const ScratchFolder folder;
  std::filesystem::create_directory(folder / "out.partial");
  WriteBytes(folder / "out.partial/.adaround-partial", "");
  WriteBytes(folder / "out.partial/half", "x");
  OutputDirectory out(folder / "out", false);
  EXPECT_FALSE(std::filesystem::exists(out.partial() / "half"));
  out.Commit();
  EXPECT_TRUE(std::filesystem::is_empty(folder / "out"));
}

TEST(OutputDirectory, KeepsAJournalUntilTheResultIsInPlace) {
  const ScratchFolder folder;
  const OutputKind begun{"model.json", "checkpoint/journal", false};
  const OutputKind resumed{"model.json", "checkpoint/journal", true};
  {
    OutputDirectory out(folder / "out", false, begun);
    EXPECT_FALSE(out.HoldsJournal());
    std::filesystem::create_directory(out.partial() / "checkpoint");
    WriteBytes(out.journal(), "a line");
    WriteBytes(out.partial() / "checkpoint/layer", "x");
    WriteBytes(out.contents() / "half", "x");
  }
  ExpectError(ErrorCode::kInvalidArgument, {"--resume", "--force"},
              [&] { OutputDirectory out(folder / "out", false, begun); });
  {
    OutputDirectory out(folder / "out", false, resumed);
    EXPECT_TRUE(out.HoldsJournal());
    EXPECT_EQ(ReadBytes(out.journal()), "a line");
    EXPECT_EQ(ReadBytes(out.partial() / "checkpoint/layer"), "x");
    EXPECT_TRUE(std::filesystem::is_empty(out.contents()));
  }
  // With force, which drops it, or in the end, nothing is left of it.
  { OutputDirectory out(folder / "out", true, begun); }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  OutputDirectory out(folder / "out", false, resumed);
  std::filesystem::create_directory(out.partial() / "checkpoint");
  WriteBytes(out.journal(), "a line");
  out.Commit();
  EXPECT_TRUE(std::filesystem::is_empty(folder / "out"));
  EXPECT_EQ(CountEntries(folder.path()), 1u);
}

// Whatever is there at any moment is the old result or the new one, and all that a journal speaks
// of or none of it.
TEST(OutputDirectory, IsWholeWhereverARunIsKilled) {
  if (!testing::CanTrace()) GTEST_SKIP() << "this system lets no process trace another";
  const OutputKind kind{"model.json", "checkpoint/journal", true};
  const auto commit = [&](const std::filesystem::path& path) {
    OutputDirectory out(path, true, kind);
    WriteBytes(out.contents() / "model.json", "new");
    out.Commit();
  };
  bool is_killed = true;
  int with_journal = 0, without_journal = 0;
  for (int stop = 0; is_killed; ++stop) {
    SCOPED_TRACE(stop);
    const ScratchFolder folder;
    const std::filesystem::path checkpoint = folder / "out.partial/checkpoint";
    std::filesystem::create_directories(checkpoint);
    WriteBytes(folder / "out.partial/.adaround-partial", "");
    // Some file systems list the oldest file first and some the newest.
    WriteBytes(checkpoint / "0", "x");
    WriteBytes(checkpoint / "journal", "two lines");
    WriteBytes(checkpoint / "1", "x");
    std::filesystem::create_directory(folder / "out");
    WriteBytes(folder / "out/model.json", "old");
    is_killed = testing::KilledAtSystemCall(stop, [&] { commit(folder / "out"); });

    const std::string found = ReadBytes(folder / "out/model.json");
    EXPECT_TRUE(found == "new" || (found == "old" && is_killed)) << found;
    if (std::filesystem::exists(checkpoint / "journal")) {
      ++with_journal;
      EXPECT_TRUE(std::filesystem::exists(checkpoint / "0"));
      EXPECT_TRUE(std::filesystem::exists(checkpoint / "1"));
    } else {
      ++without_journal;
      { OutputDirectory out(folder / "out", true, kind); }
      EXPECT_EQ(CountEntries(folder.path()), 1u);
    }
    if (HasFailure()) return;
  }
  EXPECT_GT(with_journal, 10);
  EXPECT_GT(without_journal, 3);
}

// File systems that cannot exchange two folders need two renames, and a run may end between them.
TEST(OutputDirectory, PutsBackWhatAKilledRunWasReplacing) {
  const ScratchFolder folder;
  std::filesystem::create_directories(folder / "out.partial/replaced");
  WriteBytes(folder / "out.partial/.adaround-partial", "");
  WriteBytes(folder / "out.partial/replaced/model.json", "old");
  { OutputDirectory out(folder / "out", true); }
  EXPECT_EQ(ReadBytes(folder / "out/model.json"), "old");
  EXPECT_EQ(CountEntries(folder.path()), 1u);
}

TEST(OutputDirectory, LeavesForeignFoldersInItsWayAlone) {
  const ScratchFolder folder;
  std::filesystem::create_directory(folder / "out.partial");
  WriteBytes(folder / "out.partial/thesis.tex", "x");
  ExpectError(ErrorCode::kInvalidArgument, {"out.partial", "move it elsewhere"},
              [&] { OutputDirectory out(folder / "out", false); });
  EXPECT_EQ(ReadBytes(folder / "out.partial/thesis.tex"), "x");
}

TEST(OutputDirectory, OneRunAtATime) {
  const ScratchFolder folder;
  OutputDirectory first(folder / "out", false);
  WriteBytes(first.contents() / "model.json", "{}");
  ExpectError(ErrorCode::kIo, {"another run"},
              [&] { OutputDirectory second(folder / "out", false); });
  first.Commit();
  EXPECT_EQ(ReadBytes(folder / "out/model.json"), "{}");
}

TEST(OutputDirectory, NoticesThatOutAppearedMeanwhile) {
  const ScratchFolder folder;
  OutputDirectory out(folder / "out", false);
  std::filesystem::create_directory(folder / "out");
  ExpectError(ErrorCode::kInvalidArgument, {"already exists"}, [&] { out.Commit(); });
}

TEST(OutputDirectory, RefusesNamesThatAreNoNewFolder) {
  for (const char* name : {"", "/", ".", "..", "a/.."}) {
    ExpectError(ErrorCode::kInvalidArgument, {"cannot be the output folder"},
                [&] { OutputDirectory out(name, true); });
  }
  const ScratchFolder folder;
  ExpectError(ErrorCode::kIo, {"create the folder first"},
              [&] { OutputDirectory out(folder / "none/out", false); });
}

}  // namespace
}  // namespace adaround
