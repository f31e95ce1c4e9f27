#include "cli/help_formatter.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cli/exit_code.h"

namespace adaround::cli {
namespace {

constexpr size_t kWidth = 80;
constexpr size_t kColumn = 28;  // where descriptions begin

// "  --name VALUE              description ...", wrapped; a long name has a line of its own.
std::string Entry(const std::string& name, const std::string& description) {
  const std::string indent(kColumn, ' ');
  std::string text = "  " + name;
  if (text.size() + 2 > kColumn) {
    text += "\n" + indent;
  } else {
    text.resize(kColumn, ' ');
  }
  return text + JoinText(WrapText(description, kWidth - kColumn), "\n" + indent) + "\n";
}

std::string Paragraph(const std::string& text) {
  return JoinText(WrapText(text, kWidth), "\n") + "\n";
}

bool IsInShortHelp(const OptionReference& option) {
  return option.essential || option.required || option.names.empty();
}

std::string Options(const CommandReference& command, bool all) {
  std::string text;
  for (const std::string& group : command.Groups()) {
    std::string entries;
    for (OptionReference option : command.options) {
      if (option.group != group || !(all || IsInShortHelp(option))) continue;
      if (!all) option.description = BriefDescription(option.description);
      entries += Entry(option.Synopsis(), option.FullDescription());
    }
    if (entries.empty()) continue;
    if (!group.empty() && all) text += "\n" + group + ":";
    // The short page has one list of options.
    text += all || group.empty() || text.empty() ? "\n" + entries : entries;
  }
  return text;
}

class HelpFormatter : public CLI::FormatterBase {
 public:
  std::string make_help(const CLI::App* app, std::string /*name*/,
                        CLI::AppFormatMode mode) const override {
    return HelpText(DescribeCommand(*app), mode == CLI::AppFormatMode::All);
  }
};

}  // namespace

std::string HelpText(const CommandReference& command, bool all) {
  std::string text = Paragraph(command.summary);
  text += "\nUsage: " + command.usage + "\n";
  if (!command.commands.empty()) {
    text += "\nCommands:\n";
    for (const CommandReference& each : command.commands) text += Entry(each.name, each.summary);
  }
  text += Options(command, all);
  if (all) {
    for (const std::string& note : command.notes) text += "\n" + Paragraph(note);
  }
  if (!command.examples.empty()) {
    text += command.examples.size() > 1 ? "\nExamples:\n" : "\nExample:\n";
    for (const std::string& line : command.examples) text += "  " + line + "\n";
  }
  if (!command.commands.empty()) {
    text += "\nExit codes:\n";
    for (const ExitCodeMeaning& row : kExitCodes) {
      text += Entry(std::to_string(row.code), row.meaning);
    }
    text += "\n" + Paragraph(
                       "`adaround COMMAND -h` shows what a command needs, `adaround COMMAND "
                       "--help` all of its options.");
  } else if (!all) {
    text += "\n" + Paragraph(fmt::format("`adaround {} --help` shows all {} options.", command.name,
                                         command.options.size()));
  }
  return text;
}

void UseHelpPages(CLI::App& app) {
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_help_flag("-h", "show what is needed most, and examples");
  app.set_help_all_flag("--help", "show everything");
}

}  // namespace adaround::cli
