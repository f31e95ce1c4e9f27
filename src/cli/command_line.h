// The program's command line: what it is run with, and what its documentation is made from.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>

namespace adaround::cli {

// With all commands; parsing it runs the chosen one.
std::unique_ptr<CLI::App> MakeCommandLine();

}  // namespace adaround::cli
