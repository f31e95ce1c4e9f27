#include "cli/shell_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <limits>
#include <string_view>

#include "adaround/base/error.h"

namespace adaround::cli {
namespace {

bool StandsForItself(unsigned char c) {
  return std::isalnum(c) != 0 ||
         std::string_view("_-./,=:@%+").find(static_cast<char>(c)) != std::string_view::npos;
}

std::string ShellWord(const std::string& word) {
  // zsh looks for a program behind an equals sign.
  const bool is_plain = !word.empty() && word.front() != '=' &&
                        std::all_of(word.begin(), word.end(), StandsForItself);
  if (is_plain) return word;
  const bool is_printable = Printable(word, std::numeric_limits<size_t>::max()) == word;
  std::string quoted = is_printable ? "'" : "$'";
  for (const char c : word) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_printable) {
      quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    } else if (StandsForItself(byte) || c == ' ') {
      quoted += c;
    } else {
      quoted += fmt::format("\\{:03o}", byte);
    }
  }
  return quoted + "'";
}

}  // namespace

std::vector<std::string> SplitShellWords(const std::string& text) {
  std::vector<std::string> words;
  bool in_word = false;
  char quote = '\0';
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool is_blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (quote == '\0' && is_blank) {
      in_word = false;
      continue;
    }
    if (!in_word) words.emplace_back();
    in_word = true;
    if (c == '\\' && quote != '\'') {
      if (++i == text.size()) {
        throw Error(ErrorCode::kInvalidArgument, "'" + Printable(text) + "' ends in a backslash");
      }
      words.back() += text[i];
    } else if (quote == '\0' && (c == '\'' || c == '"')) {
      quote = c;
    } else if (c == quote) {
      quote = '\0';
    } else {
      words.back() += c;
    }
  }
  if (quote != '\0') {
    throw Error(ErrorCode::kInvalidArgument,
                "'" + Printable(text) + "' has a quote " + quote + " without its end");
  }
  return words;
}

std::string JoinShellWords(const std::vector<std::string>& words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += ' ';
    const std::string& word = words[i];
    if (!word.empty() && word.find_first_of(" \t\n\r\\'\"") == std::string::npos) {
      text += word;
      continue;
    }
    text += '"';
    for (const char c : word) {
      if (c == '"' || c == '\\') text += '\\';
      text += c;
    }
    text += '"';
  }
  return text;
}

std::string ShellLine(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + ShellWord(word);
  return line;
}

}  // namespace adaround::cli
