#include "report/table_text.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace adaround {
namespace {

// RFC 4180 read back, one character at a time.
std::vector<std::vector<std::string>> ParseCsv(const std::string& text) {
  std::vector<std::vector<std::string>> lines = {{""}};
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '"' && i + 1 < text.size() && text[i + 1] == '"') {
      lines.back().back() += text[++i];
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && c == ',') {
      lines.back().emplace_back();
    } else if (!quoted && c == '\n') {
      lines.push_back({""});
    } else {
      lines.back().back() += c;
    }
  }
  EXPECT_FALSE(quoted);
  EXPECT_EQ(lines.back(), std::vector<std::string>{""}) << "the last line has no end";
  lines.pop_back();
  return lines;
}

const std::vector<std::string> kHostile = {
    "plain", "", "a,b", "say \"up\"", "two\nlines", "\"", ",", "cr\r", "a|b", "\\|", "x\\",
    "<script>", "&amp;", "[a](b)", "`code`", "*_*", " ± ",
};

TEST(ToCsv, HostileCellsComeBack) {
  TextTable table;
  table.header = {"first", "second"};
  for (const std::string& a : kHostile) {
    for (const std::string& b : kHostile) table.lines.push_back({a, b});
  }
  const auto read = ParseCsv(ToCsv(table));
  ASSERT_EQ(read.size(), table.lines.size() + 1);
  EXPECT_EQ(read.front(), table.header);
  for (size_t i = 0; i < table.lines.size(); ++i) EXPECT_EQ(read[i + 1], table.lines[i]);
}

TEST(ToCsv, CellsAreNoFormulas) {
  TextTable table;
  table.header = {"name", "value"};
  table.lines = {{"=1+1", "-inf"},    {"+x", "-1.5e-7"}, {"-layer", "-0.25"},
                 {"@SUM(a,b)", "-1"}, {"a=b", "-"},      {"-1 ", "1"}};
  EXPECT_EQ(ToCsv(table),
            "name,value\n'=1+1,-inf\n'+x,-1.5e-7\n'-layer,-0.25\n\"'@SUM(a,b)\",-1\n"
            "a=b,'-\n'-1 ,1\n");
}

// Bars that end a cell: those without an odd number of backslashes before them.
size_t CountBars(const std::string& line) {
  size_t count = 0;
  size_t num_backslashes = 0;
  for (const char c : line) {
    if (c == '|' && num_backslashes % 2 == 0) ++count;
    num_backslashes = c == '\\' ? num_backslashes + 1 : 0;
  }
  return count;
}

TEST(ToMarkdownTable, EveryLineHasTheSameCells) {
  TextTable table;
  table.header = {"a|b", "second"};
  for (const std::string& cell : kHostile) table.lines.push_back({cell, cell});
  const std::string text = ToMarkdownTable(table);
  size_t num_lines = 0;
  for (size_t begin = 0; begin < text.size(); ++num_lines) {
    const size_t end = text.find('\n', begin);
    ASSERT_NE(end, std::string::npos);
    EXPECT_EQ(CountBars(text.substr(begin, end - begin)), 3u) << text.substr(begin, end - begin);
    begin = end + 1;
  }
  EXPECT_EQ(num_lines, table.lines.size() + 2);
  EXPECT_EQ(text.find('<'), std::string::npos);
}

TEST(EscapeMarkdown, KeepsPlainText) {
  EXPECT_EQ(EscapeMarkdown("top-1 % 67.30 ± 0.12 (3 of 22)"), "top-1 % 67.30 ± 0.12 (3 of 22)");
}

TEST(ToAligned, LinesAreEquallyWideInCharacters) {
  TextTable table;
  table.header = {"row", "value"};
  table.lines = {{"short", "1.00 ± 0.10"}, {"a much longer label", "1"}, {"µ", "10.00 ± 0.01"}};
  const std::string text = ToAligned(table);
  std::vector<std::ptrdiff_t> widths;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    widths.push_back(std::count_if(
        text.begin() + static_cast<std::ptrdiff_t>(begin),
        text.begin() + static_cast<std::ptrdiff_t>(end),
        [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
    begin = end + 1;
  }
  ASSERT_EQ(widths.size(), 4u);
  for (const std::ptrdiff_t width : widths) EXPECT_EQ(width, widths.front());
  EXPECT_EQ(widths.front(), 19 + 2 + 12);
}

}  // namespace
}  // namespace adaround
