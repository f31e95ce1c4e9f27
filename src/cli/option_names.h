// How options are called where they are not written as flags.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace adaround::cli {

// "act-bits" of --act-bits; of what is told by its place that name; "" of options that are told on
// the command line alone, since they say what to print instead of working.
std::string NameOf(const CLI::Option& option);

// Whether it takes no value.
bool IsFlag(const CLI::Option& option);

}  // namespace adaround::cli
