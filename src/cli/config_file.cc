#include "cli/config_file.h"

#include <fmt/format.h>

#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "adaround/base/error.h"
#include "adaround/io/text_file.h"
#include "cli/method_options.h"

namespace adaround::cli {
namespace {

// Dotted keys nest as deep as they are long, and the parser descends into each part.
constexpr int64_t kMaxBytes = int64_t{16} << 10;

[[noreturn]] void Fail(const std::string& file, const toml::source_region& place,
                       const std::string& what) {
  throw Error(ErrorCode::kMalformed, fmt::format("{}: line {}: {}", file, place.begin.line, what));
}

std::string TextOfValue(const toml::node& node, const std::string& file, const std::string& name) {
  if (const auto* text = node.as_string()) {
    if (text->get().find('\0') == std::string::npos) return text->get();
    Fail(file, node.source(), "'" + Printable(name) + "' holds a NUL character");
  }
  if (const auto* whole = node.as_integer()) return std::to_string(whole->get());
  if (const auto* truth = node.as_boolean()) return truth->get() ? "true" : "false";
  if (const auto* number = node.as_floating_point()) {
    if (std::isfinite(number->get())) return TextOf(number->get());
  }
  Fail(file, node.source(),
       "'" + Printable(name) +
           "' is neither text, a finite number, true, false nor a list of them");
}

ConfigEntry EntryOf(const std::string& command, const toml::key& key, const toml::node& node,
                    const std::string& file) {
  ConfigEntry entry;
  entry.command = command;
  entry.name = std::string(key.str());
  entry.line = key.source().begin.line;
  if (entry.name.empty()) Fail(file, key.source(), "an option without a name");
  entry.is_list = node.is_array();
  if (!entry.is_list) {
    entry.values.push_back(TextOfValue(node, file, entry.name));
    return entry;
  }
  for (const toml::node& element : *node.as_array()) {
    entry.values.push_back(TextOfValue(element, file, entry.name));
  }
  return entry;
}

}  // namespace

std::vector<ConfigEntry> ParseConfig(const std::string& text, const std::string& file) {
  toml::table root;
  try {
    root = toml::parse(text);
  } catch (const toml::parse_error& error) {
    Fail(file, error.source(),
         "is no TOML: " + Printable(std::string(error.description()), 300) +
             "; write NAME = VALUE, with text in quotes");
  }
  std::vector<ConfigEntry> entries;
  for (const auto& [key, node] : root) {
    if (!node.is_table()) {
      entries.push_back(EntryOf("", key, node, file));
      continue;
    }
    const std::string command(key.str());
    if (command.empty()) Fail(file, key.source(), "a section without a name");
    if (node.as_table()->empty()) {
      entries.push_back({command, "", {}, false, key.source().begin.line});
    }
    for (const auto& [name, value] : *node.as_table()) {
      if (value.is_table() || value.is_array_of_tables()) {
        Fail(file, name.source(),
             "'" + Printable(std::string(name.str())) +
                 "' is a section within a section; the sections are commands, such as [quantize]");
      }
      entries.push_back(EntryOf(command, name, value, file));
    }
  }
  std::stable_sort(entries.begin(), entries.end(), [](const ConfigEntry& a, const ConfigEntry& b) {
    return a.line < b.line;
  });
  return entries;
}

std::vector<ConfigEntry> ReadConfig(const std::string& path) {
  return ParseConfig(ReadTextFile(path, kMaxBytes), Printable(path, 4096));
}

std::string QuoteToml(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += {'\\', c};
    } else if (byte < 0x20 || byte == 0x7f) {
      quoted += fmt::format("\\u{:04X}", byte);
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

}  // namespace adaround::cli
