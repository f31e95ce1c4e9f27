// Options from a file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace adaround::cli {

// `name = value`, or `name = [value, ...]`, of a TOML file.
struct ConfigEntry {
  std::string command;  // the section it stands in; "" = above all sections
  std::string name;     // an option's, without dashes; "" = the section has none
  // Numbers in the shortest form that brings them back; true and false as such.
  std::vector<std::string> values;
  bool is_list = false;
  int64_t line = 0;
};

// The entries in the order of their lines.
//
// Throws Error(kMalformed), naming `file` and line: no TOML; nested sections or lists; dates;
// numbers that are not finite; empty names.
std::vector<ConfigEntry> ParseConfig(const std::string& text, const std::string& file);

// The same of a file of at most 16 KiB.  Throws Error(kMalformed | kIo).
std::vector<ConfigEntry> ReadConfig(const std::string& path);

// `text` as TOML has it in quotes.
std::string QuoteToml(const std::string& text);

}  // namespace adaround::cli
