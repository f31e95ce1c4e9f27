#include "base/progress_counter.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "base/parallel_for.h"

namespace adaround {
namespace {

TEST(ProgressCounter, ReportsEachUnitInOrderWhateverThreadsFinishThem) {
  constexpr int64_t kUnits = 2000;
  std::vector<std::pair<int64_t, int64_t>> reports;  // which nothing else guards
  ProgressCounter counter(kUnits,
                          [&](int64_t done, int64_t total) { reports.emplace_back(done, total); });
  ParallelFor(kUnits, 4, [&](int64_t) { counter.Advance(); });
  ASSERT_EQ(reports.size(), static_cast<size_t>(kUnits));
  for (int64_t i = 0; i < kUnits; ++i) {
    EXPECT_EQ(reports[static_cast<size_t>(i)], std::pair(i + 1, kUnits));
  }
}

TEST(ProgressCounter, NobodyNeedsToListen) {
  EXPECT_FALSE(ReportTo(nullptr, "stage"));
  ProgressCounter counter(1, ReportTo(nullptr, "stage"));
  EXPECT_NO_THROW(counter.Advance());
}

}  // namespace
}  // namespace adaround
