#include "adaround/io/input_stamps.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <chrono>
#include <thread>

#include "io/test_files.h"

namespace adaround {
namespace {

namespace fs = std::filesystem;
using testing::ExpectError;
using testing::ScratchFolder;
using testing::WriteBytes;

// A clock tick of the file system may be longer than a test.
void SetTime(const fs::path& path, time_t seconds) {
  const timespec times[] = {{seconds, 0}, {seconds, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
}

class InputStampsTest : public ::testing::Test {
 protected:
  InputStampsTest() {
    fs::create_directories(folder_ / "data/class");
    for (const char* name : {"model", "data/a", "data/class/b"}) {
      WriteBytes(folder_ / name, "1234");
      SetTime(folder_ / name, 1000);
    }
    for (const char* name : {"model", "data/a", "data/class/b", "data", "nowhere", ""}) {
      stamps_.Add(folder_ / name);
    }
    stamps_.Add("/dev/null");
  }

  void ExpectChanged(const std::string& name) {
    ExpectError(ErrorCode::kMalformed, {name, "changed", "--resume", "--force"},
                [&] { stamps_.Check(); });
  }

  const ScratchFolder folder_;
  InputStamps stamps_;
};

TEST_F(InputStampsTest, PassesWhatStaysAndWhatComes) {
  stamps_.Check();
  WriteBytes(folder_ / "data/new", "x");
  WriteBytes(folder_ / "nowhere", "x");
  stamps_.Check();
}

TEST(InputTimes, MayBeOneWhereNanosecondsWereForgotten) {
  EXPECT_TRUE(MayBeSameTime({1000, 500}, {1000, 500}));
  EXPECT_TRUE(MayBeSameTime({1000, 500}, {1000, 0}));
  EXPECT_TRUE(MayBeSameTime({1000, 0}, {1000, 500}));
  EXPECT_FALSE(MayBeSameTime({1000, 500}, {1000, 501}));
  EXPECT_FALSE(MayBeSameTime({1000, 0}, {1001, 0}));
}

// `cp` over a file, then `touch -r`: size and time of writing are what they were.
TEST_F(InputStampsTest, NamesAFileWhoseTimeWasSetBack) {
  // Behind the clock's tick in which the stamps were taken.
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  WriteBytes(folder_ / "data/a", "4321");
  SetTime(folder_ / "data/a", 1000);
  ExpectChanged("data/a");
}

TEST_F(InputStampsTest, NamesAFileOfAnotherSize) {
  WriteBytes(folder_ / "model", "12345");
  SetTime(folder_ / "model", 1000);
  ExpectChanged("model");
}

TEST_F(InputStampsTest, NamesAFileWrittenInPlace) {
  WriteBytes(folder_ / "data/class/b", "4321");
  SetTime(folder_ / "data/class/b", 1001);
  ExpectChanged("data/class/b");
}

TEST_F(InputStampsTest, NamesAFileThatIsGone) {
  fs::remove(folder_ / "data/a");
  ExpectChanged("data/a");
}

}  // namespace
}  // namespace adaround
