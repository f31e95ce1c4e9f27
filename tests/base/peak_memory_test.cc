#include "adaround/base/peak_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>

namespace adaround {
namespace {

constexpr size_t kBlock = size_t{96} << 20;

// Touches the memory, so that it is resident, and gives it back to the system at once, whatever
// allocator is in use.
int64_t PeakWithBlock() {
  const PeakMemory peak;
  void* block =
      mmap(nullptr, kBlock, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EXPECT_NE(block, MAP_FAILED);
  std::memset(block, 1, kBlock);
  const int64_t bytes = peak.Bytes();
  munmap(block, kBlock);
  return bytes;
}

TEST(PeakMemory, SeesABlockThatWasInUse) {
  EXPECT_GE(PeakWithBlock(), static_cast<int64_t>(kBlock));
}

TEST(PeakMemory, StartsAnewWhereTheSystemLetsIt) {
  const int64_t before = PeakWithBlock();
  const PeakMemory peak;
  // Without leave of the system it is the process's, which never falls.
  if (peak.is_own()) {
    EXPECT_LT(peak.Bytes(), before - static_cast<int64_t>(kBlock) / 2);
  } else {
    EXPECT_GE(peak.Bytes(), before);
  }
}

}  // namespace
}  // namespace adaround
