#include <map>

#include "cli/completion_scripts.h"

namespace adaround::cli {
namespace {

// bash hands over the words of the line, in which "=" is one of its own; "--flag=value" and
// "--flag value" are told apart by nothing else.
constexpr const char* kHead =
    R"(# Completes adaround in bash; `adaround completion bash` prints this.
_adaround() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  local command='' options='' choices='' list='' paths='' prefix='' i
  COMPREPLY=()
  if [[ $word == '=' ]]; then
    word=''
  elif [[ $before == '=' ]]; then
    before=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    if [[ ${COMP_WORDS[i]} != -* ]]; then
      command=${COMP_WORDS[i]}
      break
    fi
  done
  case $command in
)";

constexpr const char* kTail = R"(    *) return ;;
  esac
  if [[ $options && $word == -* ]]; then
    choices=$options
    paths=''
  elif [[ $list && $word == *,* ]]; then
    prefix=${word%,*},
    word=${word##*,}
  fi
  mapfile -t COMPREPLY < <(compgen -P "$prefix" -W "$choices" -- "$word")
  if [[ $paths ]]; then
    mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$word")
    compopt -o filenames 2>/dev/null
  fi
}
complete -F _adaround adaround
)";

// What the case of a value or a place sets.
std::string Settings(const OptionReference& option) {
  if (option.choices.empty()) return option.takes_path ? " paths=1" : "";
  return " choices='" + JoinText(option.choices, " ") + "'" + (option.is_list ? " list=1" : "");
}

std::string Case(const CommandReference& command, const std::string& pattern,
                 const std::vector<std::string>& places) {
  std::vector<std::string> names;
  std::string of_place;
  if (!places.empty()) of_place = " choices='" + JoinText(places, " ") + "'";
  // Options by what they set; nothing where their values cannot be guessed.
  std::map<std::string, std::vector<std::string>> values;
  for (const OptionReference& option : command.options) {
    if (option.names.empty()) of_place += Settings(option);
    names.insert(names.end(), option.names.begin(), option.names.end());
    if (option.names.empty() || option.value.empty()) continue;
    std::vector<std::string>& alike = values[Settings(option)];
    alike.insert(alike.end(), option.names.begin(), option.names.end());
  }
  std::string text =
      "    " + pattern + ")\n      options='" + JoinText(names, " ") + "'" + of_place;
  text += "\n";
  if (values.empty()) return text + "      ;;\n";
  text += "      case $before in\n";
  for (const auto& [settings, options] : values) {
    text += "        " + JoinText(options, " | ") + ") options='' choices='' paths=''" + settings +
            " ;;\n";
  }
  return text + "      esac\n      ;;\n";
}

}  // namespace

std::string BashCompletion(const CommandReference& program) {
  std::vector<std::string> names;
  for (const CommandReference& command : program.commands) names.push_back(command.name);
  std::string text = kHead + Case(program, "''", names);
  for (const CommandReference& command : program.commands) text += Case(command, command.name, {});
  return text + kTail;
}

}  // namespace adaround::cli
