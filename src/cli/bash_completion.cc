#include <algorithm>

#include "cli/completion_scripts.h"

namespace adaround::cli {
namespace {

// bash hands over the words of the line, in which "=" is one of its own; "--flag=value" and
// "--flag value" are told apart by nothing else.
constexpr const char* kHead = R"(# Completes adaround in bash; `adaround completion bash` prints this.
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
  std::string text;
  if (!option.choices.empty()) text += " choices='" + JoinText(option.choices, " ") + "'";
  if (!option.choices.empty() && option.is_list) text += " list=1";
  if (option.takes_path) text += " paths=1";
  return text;
}

std::string Case(const CommandReference& command, const std::string& pattern,
                 const std::vector<std::string>& places) {
  std::string names;
  std::string values;
  std::string place;
  std::vector<std::string> free;  // options whose values cannot be guessed
  for (const OptionReference& option : command.options) {
    if (option.names.empty()) {
      place += Settings(option);
      continue;
    }
    for (const std::string& name : option.names) names += (names.empty() ? "" : " ") + name;
    if (option.value.empty()) continue;
    if (Settings(option).empty()) {
      free.insert(free.end(), option.names.begin(), option.names.end());
    } else {
      values += "        " + JoinText(option.names, " | ") + ") options=''" + " choices='' paths=''" +
                Settings(option) + " ;;\n";
    }
  }
  if (!free.empty()) values += "        " + JoinText(free, " | ") + ") return ;;\n";
  if (!places.empty()) place += " choices='" + JoinText(places, " ") + "'";
  std::string text = "    " + pattern + ")\n      options='" + names + "'" + place + "\n";
  if (!values.empty()) text += "      case $before in\n" + values + "      esac\n";
  return text + "      ;;\n";
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
