// Options that are not on the command line: from the environment and from a file.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace adaround::cli {

// Parses `words` up to where a command would run. Returns the command; null where there is none.
// `app` runs no command afterwards.  Throws CLI::ParseError.
CLI::App* ParseOnly(CLI::App& app, const std::vector<std::string>& words);

// An option by its name, without dashes; what is told by its place has a name, too.
struct GivenOption {
  std::string name;
  std::vector<std::string> values;
  bool is_list = false;
  std::string source;  // for messages: "ci.toml: line 3"
};

// The words of a command line of `command` with these options.
// Throws Error(kInvalidArgument), naming the source, with "did you mean", for names that the
// command does not have, and as below for values.
std::vector<std::string> WordsOf(const std::string& command,
                                 const std::vector<GivenOption>& options);

// A command line, completed.
struct CompletedWords {
  std::vector<std::string> words;  // without the program's name
  // Where what was added comes from: "ADAROUND_BITS", "ci.toml: line 3"; one for each option.
  std::vector<std::string> sources;
};

// What the command line does not set comes from ADAROUND_* variables (ADAROUND_ACT_BITS for
// --act-bits), what these do not set from
// the --config file, or the one that ADAROUND_CONFIG names; an option that another one given before
// it excludes is passed over. Empty variables count as unset; a flag is set by true, 1, yes or on,
// and not by false, 0, no or off.
//
// A file's entries above all sections are of every command that has such an option, those in a
// [COMMAND] section of that command, before the former; each must be an option of one.
//
// `words` that the command line does not understand come back as they are: it says why.
// Throws Error(kInvalidArgument), with "did you mean", for variables and entries that are no
// option; Error(kMalformed | kIo) for the file. Throws CLI::Success where a flag printed something
// and nothing is left to do, as with --list-methods and --print-config.
CompletedWords CompleteWords(const std::vector<std::string>& words);

}  // namespace adaround::cli
