#include "report/table_text.h"

#include <algorithm>
#include <charconv>

namespace adaround {
namespace {

size_t NumCharacters(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

bool IsFormula(const std::string& text) {
  if (text.empty() || std::string("=+-@").find(text.front()) == std::string::npos) return false;
  double number = 0.0;
  const char* end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, number);
  return failure != std::errc() || stop != end;
}

std::string CsvCell(std::string text) {
  if (IsFormula(text)) text.insert(0, 1, '\'');
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

template <typename Cell>
void AppendLine(const std::vector<std::string>& cells, const std::string& between, Cell cell,
                std::string& text) {
  for (size_t i = 0; i < cells.size(); ++i) text += (i == 0 ? "" : between) + cell(cells[i], i);
}

}  // namespace

std::string ToAligned(const TextTable& table) {
  std::vector<size_t> widths(table.header.size());
  const auto widen = [&](const std::vector<std::string>& cells) {
    for (size_t i = 0; i < cells.size(); ++i) {
      widths[i] = std::max(widths[i], NumCharacters(cells[i]));
    }
  };
  widen(table.header);
  for (const auto& line : table.lines) widen(line);
  std::string text;
  const auto append = [&](const std::vector<std::string>& cells) {
    AppendLine(
        cells, "  ",
        [&](const std::string& cell, size_t i) {
          const std::string padding(widths[i] - NumCharacters(cell), ' ');
          return i == 0 ? cell + padding : padding + cell;
        },
        text);
    text += "\n";
  };
  append(table.header);
  for (const auto& line : table.lines) append(line);
  return text;
}

std::string EscapeMarkdown(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\n' || c == '\r') {
      escaped += ' ';
    } else if (c == '<') {
      escaped += "&lt;";
    } else if (c == '>') {
      escaped += "&gt;";
    } else if (c == '&') {
      escaped += "&amp;";
    } else {
      if (std::string("\\|`*_[]").find(c) != std::string::npos) escaped += '\\';
      escaped += c;
    }
  }
  return escaped;
}

std::string ToMarkdownTable(const TextTable& table) {
  std::string text;
  const auto append = [&](const std::vector<std::string>& cells) {
    text += "| ";
    AppendLine(
        cells, " | ", [](const std::string& cell, size_t) { return EscapeMarkdown(cell); }, text);
    text += " |\n";
  };
  append(table.header);
  text += "|";
  for (size_t i = 0; i < table.header.size(); ++i) text += i == 0 ? "---|" : "---:|";
  text += "\n";
  for (const auto& line : table.lines) append(line);
  return text;
}

std::string ToCsv(const TextTable& table) {
  std::string text;
  const auto append = [&](const std::vector<std::string>& cells) {
    AppendLine(
        cells, ",", [](const std::string& cell, size_t) { return CsvCell(cell); }, text);
    text += "\n";
  };
  append(table.header);
  for (const auto& line : table.lines) append(line);
  return text;
}

}  // namespace adaround
