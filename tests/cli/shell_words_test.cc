#include "cli/shell_words.h"

#include <gtest/gtest.h>

#include <set>

#include "adaround/base/error.h"

namespace adaround::cli {
namespace {

using Words = std::vector<std::string>;

TEST(SplitShellWords, BlanksPartWords) {
  EXPECT_EQ(SplitShellWords(""), Words{});
  EXPECT_EQ(SplitShellWords(" \t\r\n"), Words{});
  EXPECT_EQ(SplitShellWords("  a\tb\n c "), (Words{"a", "b", "c"}));
}

TEST(SplitShellWords, QuotesKeepBlanksAndEmptyWords) {
  EXPECT_EQ(SplitShellWords("'a b' \"c  d\" '' \"\""), (Words{"a b", "c  d", "", ""}));
  // Quoted parts join what stands beside them.
  EXPECT_EQ(SplitShellWords("x'a b'\"c d\"y"), Words{"xa bc dy"});
  EXPECT_EQ(SplitShellWords("'a\"b' \"c'd\""), (Words{"a\"b", "c'd"}));
}

TEST(SplitShellWords, ABackslashTakesTheNextCharacterButInSingleQuotes) {
  EXPECT_EQ(SplitShellWords(R"(a\ b \\ \" \' \n)"), (Words{"a b", "\\", "\"", "'", "n"}));
  EXPECT_EQ(SplitShellWords(R"("a\"b" "\\" "\x" "\'")"), (Words{"a\"b", "\\", "x", "'"}));
  EXPECT_EQ(SplitShellWords(R"('a\' '\\' '\"')"), (Words{"a\\", "\\\\", "\\\""}));
}

TEST(SplitShellWords, WhatHasNoEndIsRefused) {
  for (const std::string text : {"\\", "a \\", "\"a\\", "'a", "\"a", "'a\\'b'", "a'", "\"a\\\""}) {
    try {
      SplitShellWords(text);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << text;
    }
  }
}

TEST(JoinShellWords, PlainWordsStayAsTheyAre) {
  EXPECT_EQ(JoinShellWords({}), "");
  EXPECT_EQ(JoinShellWords({"conv1", "^fc[0-9]+$"}), "conv1 ^fc[0-9]+$");
  EXPECT_EQ(JoinShellWords({"a b"}), "\"a b\"");
}

// Every list of up to three words of up to two characters out of those that mean something.
TEST(JoinShellWords, SplittingGivesTheWordsBack) {
  std::vector<std::string> words = {""};
  for (const char a : std::string("x '\"\\\n")) {
    words.push_back({a});
    for (const char b : std::string("x '\"\\\n")) words.push_back({a, b});
  }
  std::set<std::string> texts;
  size_t num_lists = 0;
  const auto check = [&](const Words& list) {
    const std::string text = JoinShellWords(list);
    ASSERT_EQ(SplitShellWords(text), list) << text;
    texts.insert(text);
    ++num_lists;
  };
  check({});
  for (const std::string& a : words) {
    check({a});
    for (const std::string& b : words) {
      check({a, b});
      for (const std::string& c : words) check({a, b, c});
    }
  }
  EXPECT_EQ(texts.size(), num_lists);
}

TEST(ShellLine, WordsAreQuotedWhereTheyMustBe) {
  EXPECT_EQ(ShellLine({}), "");
  EXPECT_EQ(ShellLine({"quantize", "--mean=0.5,0.4", "-o", "a_b-c/d+e@f:g%"}),
            "quantize --mean=0.5,0.4 -o a_b-c/d+e@f:g%");
  EXPECT_EQ(ShellLine({"", "a b", "$x", "it's", "*"}), R"('' 'a b' '$x' 'it'\''s' '*')");
  EXPECT_EQ(ShellLine({"=net", "a=b"}), "'=net' a=b");
  EXPECT_EQ(ShellLine({"\xc3\xa4"}), "'\xc3\xa4'");
  EXPECT_EQ(ShellLine({"a\nb'c d\\", "\xff"}), R"($'a\012b\047c d\134' $'\377')");
}

}  // namespace
}  // namespace adaround::cli
