#include "cli/completion_scripts.h"

namespace adaround::cli {
namespace {

std::string Escaped(const std::string& text, const std::string& marks) {
  std::string escaped;
  for (const char c : text) {
    if (marks.find(c) != std::string::npos) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

// ":message:action" of _arguments, for a value.
std::string Value(const OptionReference& option) {
  std::string action = " ";
  if (!option.choices.empty()) {
    const std::string choices = JoinText(option.choices, " ");
    action = option.is_list ? "_sequence compadd - " + choices : "(" + choices + ")";
  } else if (option.takes_path) {
    action = "_files";
  }
  return ":" + Escaped(option.value, ":\\") + ":" + action;
}

// Specifications for _arguments: a word for each name of an option.
std::string Arguments(const CommandReference& command, const std::string& indent) {
  std::string text;
  const auto add = [&](const std::string& specification) {
    text += " \\\n" + indent + ShellQuoted(specification);
  };
  for (const OptionReference& option : command.options) {
    if (option.names.empty()) {
      add(Value(option));
      continue;
    }
    const std::string help = "[" + Escaped(BriefDescription(option.description), "[]\\") + "]";
    std::vector<std::string> others = option.excludes;
    others.insert(others.end(), option.names.begin(), option.names.end());
    for (const std::string& name : option.names) {
      // "--flag=value" or "--flag value"; "-ovalue" or "-o value".
      const std::string joint = option.value.empty() ? "" : name.starts_with("--") ? "=" : "+";
      add("(" + JoinText(others, " ") + ")" + name + joint + help +
          (option.value.empty() ? "" : Value(option)));
    }
  }
  return text;
}

}  // namespace

std::string ZshCompletion(const CommandReference& program) {
  std::string text =
      "#compdef adaround\n"
      "# Completes adaround in zsh; `adaround completion zsh` prints this.\n"
      "_adaround() {\n"
      "  local curcontext=$curcontext state line\n"
      "  local -a commands\n"
      "  _arguments -C" +
      Arguments(program, "    ") +
      " \\\n    ': :->command' \\\n    '*:: :->argument' && return 0\n"
      "  case $state in\n"
      "    command)\n"
      "      commands=(\n";
  for (const CommandReference& command : program.commands) {
    text += "        " +
            ShellQuoted(command.name + ":" + Escaped(BriefDescription(command.summary), ":\\")) +
            "\n";
  }
  text +=
      "      )\n"
      "      _describe -t commands command commands ;;\n"
      "    argument)\n"
      "      curcontext=${curcontext%:*}-$words[1]:\n"
      "      case $words[1] in\n";
  for (const CommandReference& command : program.commands) {
    text += "        " + command.name + ") _arguments" + Arguments(command, "          ") + " ;;\n";
  }
  // As a function of fpath it is called at once; where it is read, it only registers itself.
  return text +
         "      esac ;;\n"
         "  esac\n"
         "}\n"
         "if [[ $zsh_eval_context[-1] == loadautofunc ]]; then\n"
         "  _adaround \"$@\"\n"
         "else\n"
         "  compdef _adaround adaround\n"
         "fi\n";
}

}  // namespace adaround::cli
