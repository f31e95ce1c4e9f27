#include "cli/completion_scripts.h"

namespace adaround::cli {
namespace {

// What `complete` says of a value: -x takes no files, -r a value, -F files.
std::string Value(const OptionReference& option) {
  if (option.value.empty()) return "";
  if (option.choices.empty()) return option.takes_path ? " -r -F" : " -x";
  const std::string choices = JoinText(option.choices, " ");
  if (!option.is_list) return " -x -a " + ShellQuoted(choices);
  return " -x -a " + ShellQuoted("(__fish_append , " + choices + ")");
}

void AddOptions(const CommandReference& command, const std::string& condition, std::string& text) {
  bool places_take_path = false;
  for (const OptionReference& option : command.options) {
    std::string line = "complete -c adaround -n " + condition;
    if (option.names.empty()) {
      places_take_path = places_take_path || option.takes_path;
      if (!option.choices.empty()) {
        text += line + " -f -a " + ShellQuoted(JoinText(option.choices, " ")) + "\n";
      }
      continue;
    }
    for (const std::string& name : option.names) {
      line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
    }
    text +=
        line + Value(option) + " -d " + ShellQuoted(BriefDescription(option.description)) + "\n";
  }
  if (!places_take_path) text += "complete -c adaround -n " + condition + " -f\n";
}

}  // namespace

std::string FishCompletion(const CommandReference& program) {
  std::string text =
      "# Completes adaround in fish; `adaround completion fish` prints this.\n"
      "complete -c adaround -e\n";
  AddOptions(program, "__fish_use_subcommand", text);
  for (const CommandReference& command : program.commands) {
    text += "complete -c adaround -n __fish_use_subcommand -f -a " + command.name + " -d " +
            ShellQuoted(BriefDescription(command.summary)) + "\n";
  }
  for (const CommandReference& command : program.commands) {
    AddOptions(command, ShellQuoted("__fish_seen_subcommand_from " + command.name), text);
  }
  return text;
}

}  // namespace adaround::cli
