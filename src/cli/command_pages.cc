#include "cli/command_pages.h"

#include "cli/exit_code.h"

namespace adaround::cli {
namespace {

constexpr const char* kHead = "<!-- Written from the program by the build target renew_docs. -->\n";

// Text of a cell: marks of Markdown mean themselves, but for code in backquotes.
std::string Cell(const std::string& text) {
  std::string cell;
  bool in_code = false;
  for (const char c : text) {
    if (c == '`') in_code = !in_code;
    const bool mark = !in_code && (c == '*' || c == '_' || c == '<' || c == '[');
    if (mark || c == '|') cell += '\\';
    cell += c;
  }
  return cell;
}

std::string Table(const std::string& head,
                  const std::vector<std::pair<std::string, std::string>>& rows) {
  std::string text = "\n| " + head + " | |\n|---|---|\n";
  for (const auto& [name, meaning] : rows) text += "| " + name + " | " + Cell(meaning) + " |\n";
  return text;
}

std::string CodeBlock(const std::vector<std::string>& lines) {
  return "\n```sh\n" + JoinText(lines, "\n") + "\n```\n";
}

std::string OptionTables(const CommandReference& command) {
  std::string text;
  for (const std::string& group : command.Groups()) {
    std::vector<std::pair<std::string, std::string>> rows;
    for (const OptionReference& option : command.options) {
      if (option.group != group) continue;
      rows.emplace_back(Cell("`" + option.Synopsis() + "`"), option.FullDescription());
    }
    if (!group.empty()) text += "\n## " + group + "\n";
    text += Table(group.empty() ? "argument" : "option", rows);
  }
  return text;
}

std::string CommandPage(const CommandReference& command) {
  std::string text = kHead + ("# adaround " + command.name + "\n\n") + command.summary + ".\n";
  text += CodeBlock({command.usage});
  if (!command.examples.empty()) text += "\n## Examples\n" + CodeBlock(command.examples);
  for (const std::string& note : command.notes) {
    text += "\n" + JoinText(WrapText(note, 100), "\n") + "\n";
  }
  return text + OptionTables(command);
}

std::string ProgramPage(const CommandReference& program) {
  std::string text = kHead + ("# " + program.name + "\n\n");
  text += JoinText(WrapText(program.summary, 100), "\n") + "\n" + CodeBlock({program.usage});
  std::vector<std::pair<std::string, std::string>> commands;
  for (const CommandReference& command : program.commands) {
    commands.emplace_back("[" + command.name + "](" + command.name + ".md)", command.summary);
  }
  text += Table("command", commands) + OptionTables(program);
  text += "\n## Exit codes\n";
  std::vector<std::pair<std::string, std::string>> codes;
  for (const ExitCodeMeaning& row : kExitCodes) {
    codes.emplace_back(std::to_string(row.code), row.meaning);
  }
  return text + Table("code", codes) +
         "\n[What messages mean, and what to do about them](../errors.md).\n";
}

}  // namespace

std::map<std::string, std::string> CommandPages(const CommandReference& program) {
  std::map<std::string, std::string> pages = {{"README.md", ProgramPage(program)}};
  for (const CommandReference& command : program.commands) {
    pages[command.name + ".md"] = CommandPage(command);
  }
  return pages;
}

}  // namespace adaround::cli
