// The pages of -h and --help.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "cli/command_reference.h"

namespace adaround::cli {

// Plain text, 80 columns wide. `all` = every option in its group, as --help shows; else, as -h,
// those that most runs need. Both end with the examples.
std::string HelpText(const CommandReference& command, bool all);

// Makes CLI11 print these pages: -h is its help flag, --help its flag for all of the help.
void UseHelpPages(CLI::App& app);

}  // namespace adaround::cli
