// Scripts with which shells complete the command line: commands, options, their choices, files.
#pragma once

#include <string>
#include <vector>

#include "cli/command_reference.h"

namespace adaround::cli {

struct CompletionShell {
  const char* name;
  const char* file_name;  // that the shell looks for in its folder of completions
  std::string (*script)(const CommandReference& program);
};

const std::vector<CompletionShell>& CompletionShells();

std::string BashCompletion(const CommandReference& program);
std::string ZshCompletion(const CommandReference& program);
std::string FishCompletion(const CommandReference& program);

// 'text', for any of the three shells: quotes inside it end, escape and begin anew.
std::string ShellQuoted(const std::string& text);

}  // namespace adaround::cli
