#include "cli/print_config.h"

#include <charconv>
#include <cmath>
#include <iostream>

#include "cli/config_file.h"
#include "cli/method_options.h"
#include "cli/option_names.h"

namespace adaround::cli {
namespace {

// A value as TOML has it: numbers as they are.
std::string TomlText(const std::string& text) {
  double number = 0.0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_number = failure == std::errc() && end == text.data() + text.size() &&
                         std::isfinite(number) && TextOf(number) == text;
  return is_number ? text : QuoteToml(text);
}

}  // namespace

void PrintConfig(const CLI::App& parsed, const std::map<std::string, std::string>& sources) {
  std::cout << "[" << parsed.get_name() << "]\n";
  for (const CLI::Option* option : parsed.get_options()) {
    const std::string name = NameOf(*option);
    if (name.empty() || name == "config") continue;
    const auto source = sources.find(name);
    if (option->count() == 0) {
      const std::string fallback =
          IsFlag(*option) ? "false" : TomlText(option->get_default_str());
      std::cout << "# " << name << " = " << fallback << "\n";
      continue;
    }
    std::string value = "true";
    if (!IsFlag(*option)) {
      value.clear();
      for (const std::string& result : option->results()) {
        value += (value.empty() ? "" : ", ") + TomlText(result);
      }
      if (option->results().size() > 1) value = "[" + value + "]";
    }
    std::cout << name << " = " << value
              << (source == sources.end() ? "" : "  # from " + source->second) << "\n";
  }
}

}  // namespace adaround::cli
