// Tables of text, in the forms that they are read in.
#pragma once

#include <string>
#include <vector>

namespace adaround {

struct TextTable {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> lines;  // each as long as the header
};

// Columns aligned: the first to the left, the others to the right; widths in characters, not bytes.
std::string ToAligned(const TextTable& table);

// "| a | b |": cells escaped, so that none of them can end a cell, a line or open a tag.
std::string ToMarkdownTable(const TextTable& table);
std::string EscapeMarkdown(const std::string& text);

// RFC 4180, lines end in "\n": cells with commas, quotes or line breaks stand in quotes, quotes
// inside them doubled. A cell that begins with = + - or @ and is no number would be a formula to a
// spreadsheet: "'" stands before it.
std::string ToCsv(const TextTable& table);

}  // namespace adaround
