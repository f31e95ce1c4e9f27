// Config files: what is read and written again, with every value in quotes, is read as the same.
#include "cli/config_file.h"

#include <algorithm>

#include "fuzz/fuzz_input.h"

using namespace adaround;

namespace {

std::string Written(const std::vector<cli::ConfigEntry>& entries) {
  std::string text;
  // Entries above all sections first: behind a section's name they would belong to it.
  for (const bool in_sections : {false, true}) {
    for (const cli::ConfigEntry& entry : entries) {
      if (entry.command.empty() == in_sections || entry.name.empty()) continue;
      std::string values;
      for (const std::string& value : entry.values) {
        values += (values.empty() ? "" : ", ") + cli::QuoteToml(value);
      }
      // Dotted, so that a section may be interleaved with another.
      text += (in_sections ? cli::QuoteToml(entry.command) + "." : "") +
              cli::QuoteToml(entry.name) + " = " + (entry.is_list ? "[" + values + "]" : values) +
              "\n";
    }
  }
  for (const cli::ConfigEntry& entry : entries) {
    if (entry.name.empty()) text += "[" + cli::QuoteToml(entry.command) + "]\n";
  }
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto entries =
      fuzz::Accepted("config.toml", [&] { return cli::ParseConfig(text, "config.toml"); });
  if (!entries) return 0;
  const std::vector<cli::ConfigEntry> again =
      cli::ParseConfig(Written(*entries), "written again");
  fuzz::Require(again.size() == entries->size(), "another number of entries");
  for (const cli::ConfigEntry& entry : *entries) {
    const bool found = std::any_of(again.begin(), again.end(), [&](const cli::ConfigEntry& other) {
      return other.command == entry.command && other.name == entry.name &&
             other.values == entry.values && other.is_list == entry.is_list;
    });
    fuzz::Require(found, "another entry");
  }
  return 0;
}
