// The manual.
#pragma once

#include <string>

#include "cli/command_reference.h"

namespace adaround::cli {

// adaround(1) in the man macros, with all commands. An option that means the same in an earlier
// command is named, not described again.
std::string ManPage(const CommandReference& program, const std::string& version);

}  // namespace adaround::cli
