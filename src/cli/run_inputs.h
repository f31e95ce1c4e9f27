// What an interrupted run must have been made from for another one to go on with it.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <string>

namespace adaround::cli {

// SHA-256 of the program and of the library loaded into it: runs of two builds are not mixed,
// whatever their version says.
std::string ProgramDigest();

// Model and cache sizes, by which libraries choose in what order they add up: the last bits of
// sums differ between processors of one instruction set.
std::string ProcessorName();

// The image options that were given: "option --mean" -> values.
std::map<std::string, std::string> GivenImageOptions(const CLI::App& command);

// Of names and values, as hexadecimal SHA-256.
std::string FingerprintOf(const std::map<std::string, std::string>& inputs);

}  // namespace adaround::cli
