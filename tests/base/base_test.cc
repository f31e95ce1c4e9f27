#include <gtest/gtest.h>

#include <atomic>
#include <set>

#include "adaround/base/error.h"
#include "adaround/base/threads.h"
#include "base/checked_math.h"
#include "base/parallel_for.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "support/error_testing.h"

namespace adaround {
namespace {

TEST(Error, ContextGoesInFrontAndKeepsTheCode) {
  const Error error = Error(ErrorCode::kIo, "disk full").WithContext("writing x");
  EXPECT_STREQ(error.what(), "writing x: disk full");
  EXPECT_EQ(error.code(), ErrorCode::kIo);
}

TEST(Error, AllViolationsAreJoined) {
  EXPECT_NO_THROW(ThrowIfAny(ErrorCode::kMalformed, {}));
  testing::ExpectErrorWith(ErrorCode::kMalformed, {"first; second"}, [] {
    ThrowIfAny(ErrorCode::kMalformed, {"first", "second"});
  });
}

TEST(Error, FailedChecksAreLogicErrors) {
  EXPECT_NO_THROW(ADAROUND_CHECK(1 + 1 == 2));
  EXPECT_THROW(ADAROUND_CHECK(1 + 1 == 3), std::logic_error);
}

TEST(IsUtf8, TakesWellFormedSequencesAlone) {
  for (const char* text : {"", "plain", "\xC3\xAF", "\xE2\x82\xAC!", "\xF0\x9F\x99\x82"}) {
    EXPECT_TRUE(IsUtf8(text)) << text;
  }
  EXPECT_TRUE(IsUtf8(std::string("a\0b", 3)));
  // Cut short, without a lead, too long a form, a surrogate, beyond U+10FFFF.
  for (const char* text : {"a\xC3", "\xAF", "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80"}) {
    EXPECT_FALSE(IsUtf8(text)) << Printable(text);
  }
}

TEST(Printable, EscapesWhatDrivesTerminals) {
  EXPECT_EQ(Printable("plain name/0"), "plain name/0");
  EXPECT_EQ(Printable("a\x1b[31m\n\x7f"), "a\\x1b[31m\\x0a\\x7f");
  EXPECT_EQ(Printable(std::string("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(Printable("\xc2\x9b"), "\\xc2\\x9b");  // a C1 control
  EXPECT_EQ(Printable("a\u202Eb"), "a\\xe2\\x80\\xaeb");  // written from right to left
  EXPECT_EQ(Printable("\u2066\u061C\uFEFF"), "\\xe2\\x81\\xa6\\xd8\\x9c\\xef\\xbb\\xbf");
  EXPECT_EQ(Printable("\xef\xbf\xbf"), "\\xef\\xbf\\xbf");  // U+FFFF, no character
  EXPECT_EQ(Printable("\u05D0\u2013\u4E2D"), "\u05D0\u2013\u4E2D");
  EXPECT_EQ(Printable("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"),
            "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
}

TEST(Printable, EscapesWhatIsNotUtf8) {
  for (const char* bad : {"\x80", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff"}) {
    for (const char c : Printable(bad)) EXPECT_LT(static_cast<unsigned char>(c), 0x80);
  }
}

TEST(Printable, CutsLongText) {
  const std::string cut = Printable(std::string(1000, 'x'), 50);
  EXPECT_LE(cut.size(), 60u);
  EXPECT_TRUE(cut.ends_with("..."));
  EXPECT_EQ(Printable(std::string(50, 'x'), 50), std::string(50, 'x'));
}

TEST(CheckedMath, OverflowIsAnAnswer) {
  EXPECT_EQ(CheckedMultiply(3, -4), -12);
  EXPECT_FALSE(CheckedMultiply(INT64_MAX, 2));
  EXPECT_FALSE(CheckedMultiply(INT64_MIN, -1));
  EXPECT_EQ(CheckedAdd(INT64_MAX, 0), INT64_MAX);
  EXPECT_FALSE(CheckedAdd(INT64_MAX, 1));
  EXPECT_EQ(CeilDivide(0, 3), 0);
  EXPECT_EQ(CeilDivide(7, 3), 3);
  EXPECT_EQ(CeilDivide(INT64_MAX, 1), INT64_MAX);
}

TEST(ParallelFor, RunsEachTaskOnce) {
  for (const int threads : {1, 2, 5}) {
    for (const int64_t tasks : {0, 1, 2, 100}) {
      std::vector<std::atomic<int>> runs(static_cast<size_t>(tasks));
      ParallelFor(tasks, threads, [&](int64_t i) { ++runs[static_cast<size_t>(i)]; });
      for (const std::atomic<int>& count : runs) EXPECT_EQ(count, 1);
    }
  }
}

TEST(ParallelFor, RethrowsAndStopsStartingTasks) {
  for (const int threads : {1, 2}) {
    std::atomic<int64_t> started{0};
    const auto run = [&] {
      ParallelFor(1'000'000, threads, [&](int64_t i) {
        ++started;
        if (i == 3) throw Error(ErrorCode::kNumerical, "task 3");
      });
    };
    testing::ExpectErrorWith(ErrorCode::kNumerical, {"task 3"}, run);
    EXPECT_LT(started, 1'000'000);
  }
  EXPECT_GE(NumAvailableCores(), 1);
}

TEST(Rng, StreamsDependOnTheirKeyAlone) {
  std::set<uint64_t> first_draws;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    for (uint64_t layer = 0; layer < 10; ++layer) {
      for (uint64_t step = 0; step < 10; ++step) {
        Rng one(seed, layer, step);
        Rng two(seed, layer, step);
        const uint64_t draw = one.Next();
        EXPECT_EQ(draw, two.Next());
        first_draws.insert(draw);
      }
    }
  }
  EXPECT_EQ(first_draws.size(), 1000u);
}

TEST(Rng, DrawsAreUniform) {
  Rng rng(1, 2, 3);
  constexpr int kDraws = 100'000;
  std::vector<int> counts(10, 0);
  double sum = 0.0;
  for (int i = 0; i < kDraws; ++i) {
    const int64_t below = rng.Below(10);
    ASSERT_GE(below, 0);
    ASSERT_LT(below, 10);
    ++counts[static_cast<size_t>(below)];
    const double uniform = rng.Uniform();
    ASSERT_GE(uniform, 0.0);
    ASSERT_LT(uniform, 1.0);
    sum += uniform;
  }
  // Five standard deviations: 95 of 10,000, and 0.0009 of the mean.
  for (const int count : counts) EXPECT_NEAR(count, kDraws / 10, 475);
  EXPECT_NEAR(sum / kDraws, 0.5, 0.005);
}

}  // namespace
}  // namespace adaround
