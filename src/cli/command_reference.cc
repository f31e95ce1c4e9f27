#include "cli/command_reference.h"

#include <algorithm>
#include <array>
#include <sstream>

#include "adaround/base/error.h"

namespace adaround::cli {
namespace {

constexpr const char* kHelpGroup = "Help";

// What most runs are told, beside what a command cannot do without.
constexpr std::array kEssential = {
    "--bits",    "--granularity", "--asymmetric", "--range-estimator", "--method",
    "--methods", "--preset",      "--act-bits",   "--equalize",        "--data",
    "--labels",  "--reference",   "--table",      "--save-plan",       "--plan",
    "--format",  "--output",      "--force",      "--verify",          "--memory-limit",
    "--dry-run", "--json",        "--version"};

// Names of values that are files or folders.
constexpr std::array kPathValues = {"FILE", "DIR", "FOLDER", "PATH", "MODEL", "OUT", "MANIFEST"};

// CLI11's names of types, and how they are shown.
constexpr std::array<std::array<const char*, 2>, 4> kTypeNames = {
    {{"INT", "N"}, {"UINT", "N"}, {"FLOAT", "X"}, {"BOOLEAN", "true|false"}}};

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

// CLI11 puts a type's name and what its validators say into one text: "TEXT:{a,b}",
// "INT:INT in [0 - 9]", "START:END".
void ReadTypeName(const std::string& type, OptionReference& option) {
  size_t end = type.size();
  const size_t set = type.find(":{");
  if (set != std::string::npos && type.ends_with('}')) {
    option.choices = Split(type.substr(set + 2, type.size() - set - 3), ',');
    end = set;
  }
  const size_t range = type.find(" in [");
  const size_t dash = type.find(" - ", range);
  if (range != std::string::npos && dash != std::string::npos && type.ends_with(']')) {
    const std::string last = type.substr(dash + 3, type.size() - dash - 4);
    // Larger bounds are there for slips of the hand, not to be known.
    constexpr size_t kMostDigits = 6;
    if (last.size() <= kMostDigits) {
      option.range = type.substr(range + 5, dash - range - 5) + " to " + last;
    }
    end = std::min(end, type.rfind(':', range));
  }
  for (const char* bound : {":NONNEGATIVE", ":POSITIVE", ":NUMBER"}) {
    end = std::min(end, type.find(bound));
  }
  option.value = type.substr(0, end);
  for (const auto& [cli11, shown] : kTypeNames) {
    if (option.value == cli11) option.value = shown;
  }
  if (option.value == "TEXT" && !option.choices.empty()) option.value = "NAME";
  for (const std::string& word : Split(option.value, '|')) {
    option.takes_path = option.takes_path || std::find(kPathValues.begin(), kPathValues.end(),
                                                       word) != kPathValues.end();
  }
}

// Sorted: CLI11 keeps them by address.
std::vector<std::string> NamesOf(const std::set<CLI::Option*>& options) {
  std::vector<std::string> names;
  for (const CLI::Option* option : options) names.push_back(option->get_name());
  std::sort(names.begin(), names.end());
  return names;
}

OptionReference DescribeOption(const CLI::Option& option) {
  OptionReference reference;
  for (const std::string& name : option.get_snames()) reference.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) reference.names.push_back("--" + name);
  if (option.get_items_expected_max() > 0) {
    ReadTypeName(option.get_type_name(), reference);
    // An empty list is no default.
    if (option.get_default_str() != "[]") reference.default_value = option.get_default_str();
    if (reference.value == "true|false" && !reference.default_value.empty()) {
      reference.default_value = reference.default_value == "0" ? "false" : "true";
    }
  }
  reference.description = option.get_description();
  reference.group = option.get_positional() ? "" : option.get_group();
  reference.needs = NamesOf(option.get_needs());
  reference.excludes = NamesOf(option.get_excludes());
  reference.required = option.get_required();
  reference.is_list = option.get_delimiter() == ',';
  for (const std::string& name : reference.names) {
    reference.essential = reference.essential ||
                          std::find(kEssential.begin(), kEssential.end(), name) != kEssential.end();
  }
  return reference;
}

// Paragraphs of a footer; one that begins with "Example" holds examples.
void ReadFooter(const std::string& footer, CommandReference& command) {
  bool in_examples = false;
  std::string note;
  const auto finish_note = [&] {
    if (!note.empty()) command.notes.push_back(note);
    note.clear();
  };
  for (const std::string& line : Split(footer, '\n')) {
    if (line.empty() || line.starts_with("Example")) {
      finish_note();
      in_examples = !line.empty();
    } else if (in_examples) {
      command.examples.push_back(line.substr(std::min<size_t>(line.find_first_not_of(' '), 2)));
    } else {
      note += (note.empty() ? "" : " ") + line;
    }
  }
  finish_note();
}

std::string UsageOf(const CommandReference& command, const CLI::App& app) {
  std::string usage = app.get_parent() == nullptr ? "" : app.get_parent()->get_name() + " ";
  usage += command.name;
  if (!command.commands.empty()) usage += " COMMAND";
  bool any_left = false;
  for (const OptionReference& option : command.options) {
    if (!option.required) {
      any_left = true;
      continue;
    }
    usage += " " + (option.names.empty() ? "" : option.names.back() + " ") + option.value;
  }
  return usage + (any_left ? " [OPTIONS]" : "");
}

}  // namespace

std::string JoinText(const std::vector<std::string>& items, std::string_view separator) {
  std::string text;
  for (const std::string& item : items) {
    if (!text.empty()) text += separator;
    text += item;
  }
  return text;
}

std::vector<std::string> WrapText(const std::string& text, size_t width) {
  std::vector<std::string> lines;
  std::string line;
  for (const std::string& word : Split(text, ' ')) {
    if (!line.empty() && line.size() + 1 + word.size() > width) {
      lines.push_back(line);
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  if (!line.empty()) lines.push_back(line);
  return lines;
}

std::string BriefDescription(const std::string& description) {
  size_t end = description.size();
  for (const char* mark : {"; ", ": ", " ("}) end = std::min(end, description.find(mark));
  return description.substr(0, end);
}

std::string OptionReference::Synopsis() const {
  const std::string text = JoinText(names, ", ");
  return text + (text.empty() || value.empty() ? "" : " ") + value;
}

std::string OptionReference::FullDescription() const {
  std::string text = description;
  // A description that goes through the choices itself says more than their names.
  const bool told = std::all_of(choices.begin(), choices.end(), [&](const std::string& choice) {
    return description.find(choice) != std::string::npos;
  });
  if (!told) text += ": " + JoinText(choices, ", ");
  std::vector<std::string> facts;
  if (required) facts.emplace_back("required");
  if (!range.empty()) facts.push_back(range);
  if (!default_value.empty()) facts.push_back("default: " + default_value);
  if (!needs.empty()) facts.push_back("needs " + JoinText(needs, ", "));
  if (!excludes.empty()) facts.push_back("not beside " + JoinText(excludes, ", "));
  if (!facts.empty()) text += " (" + JoinText(facts, "; ") + ")";
  return text;
}

bool OptionReference::SameAs(const OptionReference& other) const {
  return Synopsis() == other.Synopsis() && FullDescription() == other.FullDescription();
}

std::vector<std::string> CommandReference::Groups() const {
  std::vector<std::string> groups;
  for (const OptionReference& option : options) {
    if (std::find(groups.begin(), groups.end(), option.group) == groups.end()) {
      groups.push_back(option.group);
    }
  }
  return groups;
}

CommandReference DescribeCommand(const CLI::App& app) {
  CommandReference command;
  command.name = app.get_name();
  command.summary = app.get_description();
  for (const CLI::App* subcommand : app.get_subcommands([](const CLI::App* sub) {
         return !sub->get_name().empty() && !sub->get_group().empty();
       })) {
    command.commands.push_back(DescribeCommand(*subcommand));
  }
  std::vector<OptionReference> help;
  std::vector<std::string> groups = app.get_groups();
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional()) command.options.push_back(DescribeOption(*option));
  }
  for (const std::string& group : groups) {
    if (group.empty()) continue;  // hidden
    for (const CLI::Option* option : app.get_options()) {
      if (option->get_positional() || option->get_group() != group) continue;
      OptionReference reference = DescribeOption(*option);
      if (option == app.get_help_ptr() || option == app.get_help_all_ptr()) {
        reference.group = kHelpGroup;
        help.push_back(std::move(reference));
      } else {
        command.options.push_back(std::move(reference));
      }
    }
  }
  command.options.insert(command.options.end(), help.begin(), help.end());
  ReadFooter(app.get_footer(), command);
  command.usage = UsageOf(command, app);
  return command;
}

void CheckEssentialOptions(const CommandReference& program) {
  for (const char* name : kEssential) {
    const auto has = [name](const CommandReference& command) {
      return std::any_of(command.options.begin(), command.options.end(),
                         [name](const OptionReference& option) {
                           return !option.names.empty() && option.names.back() == name;
                         });
    };
    ADAROUND_CHECK(has(program) ||
                   std::any_of(program.commands.begin(), program.commands.end(), has));
  }
}

}  // namespace adaround::cli
