#include "io/input_file.h"

#include <sys/stat.h>

#include "adaround/io/sha256.h"
#include "io/byte_reader.h"
#include "io/test_files.h"

namespace adaround {
namespace {

using testing::ExpectError;
using testing::ScratchFolder;
using testing::WriteBytes;

TEST(InputFile, ReadsAnyRangeOfARegularFile) {
  const ScratchFolder folder;
  const InputFile file(WriteBytes(folder / "a", "0123456789"));
  EXPECT_EQ(file.size(), 10);
  std::string part(3, ' ');
  file.ReadAt(4, part.data(), 3);
  EXPECT_EQ(part, "456");
  EXPECT_EQ(file.ReadHead(99).size(), 10u);
  EXPECT_EQ(file.ReadText(10), "0123456789");
  ExpectError(ErrorCode::kMalformed, {"has 10 bytes, at most 9"}, [&] { file.ReadText(9); });
}

TEST(InputFile, NoticesAFileThatBecameShorter) {
  const ScratchFolder folder;
  const InputFile file(WriteBytes(folder / "a", "0123456789"));
  std::filesystem::resize_file(folder / "a", 5);
  ExpectError(ErrorCode::kIo, {"became shorter", "byte 5"}, [&] { file.ReadText(100); });
}

TEST(InputFile, RefusesWhatIsNoRegularFile) {
  const ScratchFolder folder;
  const auto open = [](const std::filesystem::path& path) { InputFile file(path); };
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  WriteBytes(folder / "empty", "");
  ExpectError(ErrorCode::kMalformed, {"is a folder"}, [&] { open(folder.path()); });
  ExpectError(ErrorCode::kMalformed, {"is a pipe"}, [&] { open(folder / "pipe"); });
  ExpectError(ErrorCode::kMalformed, {"is a device"}, [&] { open("/dev/zero"); });
  ExpectError(ErrorCode::kMalformed, {"is empty"}, [&] { open(folder / "empty"); });
  ExpectError(ErrorCode::kMalformed, {"No such file", "check the path"},
              [&] { open(folder / "none"); });
}

TEST(InputFile, RecognisesAGitLfsPointer) {
  const ScratchFolder folder;
  const std::string pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
  WriteBytes(folder / "a", pointer);
  ExpectError(ErrorCode::kMalformed, {"Git-LFS pointer", "git lfs pull"},
              [&] { InputFile file(folder / "a"); });
}

TEST(InputFile, NamesAreShownWithoutTerminalControls) {
  ExpectError(ErrorCode::kMalformed, {"\\x1b[31m"}, [] { InputFile file("/nowhere/\x1b[31m"); });
}

TEST(OpenBeneath, OpensFilesInTheFolderAndBelow) {
  const ScratchFolder folder;
  std::filesystem::create_directory(folder / "sub");
  WriteBytes(folder / "sub/a", "x");
  EXPECT_EQ(InputFile::OpenBeneath(folder.path(), "sub/a", "m").size(), 1);
}

TEST(OpenBeneath, RefusesNamesThatLeaveTheFolder) {
  const ScratchFolder folder;
  WriteBytes(folder / "a", "x");
  const auto refused = [&](const std::string& name, const std::string& why) {
    ExpectError(ErrorCode::kMalformed, {"m: weights", why, "inside the model's own folder"},
                [&] { InputFile::OpenBeneath(folder.path(), name, "m: weights"); });
  };
  refused("", "is empty");
  refused("/etc/passwd", "is absolute");
  refused("../a", "'..'");
  refused("x/../../a", "'..'");
  refused("./a", "'.'");
  refused("x//a", "empty component");
  refused("a/", "empty component");
  refused("..\\a", "backslash");
  refused(std::string("a\0b", 3), "control character");
}

TEST(OpenBeneath, FollowsNoSymbolicLink) {
  const ScratchFolder outside;
  const ScratchFolder folder;
  WriteBytes(outside / "a", "x");
  std::filesystem::create_symlink(outside / "a", folder / "link");
  std::filesystem::create_directory_symlink(outside.path(), folder / "sub");
  for (const char* name : {"link", "sub/a"}) {
    ExpectError(ErrorCode::kMalformed, {"symbolic link"},
                [&] { InputFile::OpenBeneath(folder.path(), name, "m"); });
  }
}

TEST(DescribeMagic, TellsFormatsApart) {
  const auto describe = [](const std::string& head) {
    return DescribeMagic({reinterpret_cast<const uint8_t*>(head.data()), head.size()});
  };
  EXPECT_THAT(describe("PK\x03\x04zzzz"), ::testing::HasSubstr("zip"));
  EXPECT_THAT(describe("\x89PNG\r\n\x1a\n"), ::testing::HasSubstr("PNG"));
  EXPECT_THAT(describe("\x93NUMPY\x01"), ::testing::HasSubstr("NumPy"));
  EXPECT_EQ(describe(""), "");
  EXPECT_EQ(describe("PK"), "");
}

TEST(ByteReader, ReadsLittleEndianAndStopsAtTheEnd) {
  const std::vector<uint8_t> bytes = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  ByteReader reader(bytes, "f", 100);
  EXPECT_EQ(reader.ReadU8("a"), 1);
  EXPECT_EQ(reader.ReadU16("b"), 0x0302);
  EXPECT_EQ(reader.ReadU32("c"), 0x07060504u);
  EXPECT_EQ(reader.offset(), 107);
  EXPECT_EQ(reader.ReadU64("d"), 0x0F0E0D0C0B0A0908u);
  EXPECT_EQ(reader.remaining(), 0u);
  ExpectError(ErrorCode::kMalformed, {"f, byte 115", "e takes 1 bytes, only 0 are left"},
              [&] { reader.ReadU8("e"); });
}

TEST(Sha256, MatchesPublishedDigests) {
  EXPECT_EQ(Sha256OfBytes(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256OfBytes("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, FileAndBytesAgreeBeyondOneChunk) {
  const ScratchFolder folder;
  const std::string bytes((1 << 20) + 17, 'x');
  EXPECT_EQ(Sha256OfFile(WriteBytes(folder / "a", bytes)), Sha256OfBytes(bytes));
}

}  // namespace
}  // namespace adaround
