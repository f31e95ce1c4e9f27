// What a command line comes to.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <string>

namespace adaround::cli {

// Every option of a parsed command as a file for --config, on stdout; options that are not set as
// comments. `sources`: where those come from that the command line does not have, by name.
void PrintConfig(const CLI::App& parsed, const std::map<std::string, std::string>& sources);

}  // namespace adaround::cli
