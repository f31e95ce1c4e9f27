// A page in Markdown for each command, for src/docs/commands.
#pragma once

#include <map>
#include <string>

#include "cli/command_reference.h"

namespace adaround::cli {

// File name -> contents: README.md of the program, and NAME.md of each command.
std::map<std::string, std::string> CommandPages(const CommandReference& program);

}  // namespace adaround::cli
