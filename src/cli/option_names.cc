#include "cli/option_names.h"

namespace adaround::cli {
namespace {

bool IsQuestion(const std::string& name) {
  return name == "help" || name == "version" || name == "print-config" || name.starts_with("list-");
}

}  // namespace

std::string NameOf(const CLI::Option& option) {
  const std::string name =
      option.get_lnames().empty() ? option.get_name(true, false) : option.get_lnames().front();
  return IsQuestion(name) || name.starts_with("-") ? "" : name;
}

bool IsFlag(const CLI::Option& option) { return option.get_items_expected_max() == 0; }

}  // namespace adaround::cli
