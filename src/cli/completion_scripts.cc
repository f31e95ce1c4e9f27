#include "cli/completion_scripts.h"

namespace adaround::cli {

const std::vector<CompletionShell>& CompletionShells() {
  static const std::vector<CompletionShell> shells = {
      {"bash", "adaround.bash", BashCompletion},
      {"zsh", "_adaround", ZshCompletion},
      {"fish", "adaround.fish", FishCompletion},
  };
  return shells;
}

std::string ShellQuoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

}  // namespace adaround::cli
