// What the command line says of itself, as plain data: help, manual, completions and the pages in
// src/docs/commands are all made of it, so that none of them repeats an option by hand.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace adaround::cli {

struct OptionReference {
  std::vector<std::string> names;    // "-o", "--output"; none where it is told by its place
  std::string value;                 // what it takes, such as "FILE"; "" = nothing
  std::vector<std::string> choices;  // the values that there are; none = any
  std::string range;                 // "0 to 1024"; "" = none told
  std::string default_value;         // "" = none told
  std::string description;
  std::string group;
  std::vector<std::string> needs;     // options that it is refused without
  std::vector<std::string> excludes;  // options that it is refused beside
  bool required = false;
  bool is_list = false;     // takes several values with commas between them
  bool takes_path = false;  // its value is a file or a folder
  bool essential = false;   // shown by -h

  // "-o, --output OUT"
  std::string Synopsis() const;
  // The description with what else is known: choices, range, default, other options.
  std::string FullDescription() const;
  bool SameAs(const OptionReference& other) const;
};

struct CommandReference {
  std::string name;     // "adaround", "quantize"
  std::string usage;    // "adaround quantize MODEL --calib PATH [OPTIONS]"
  std::string summary;  // one line
  // Those told by their place first, then group by group; help last.
  std::vector<OptionReference> options;
  std::vector<CommandReference> commands;  // of the program itself
  std::vector<std::string> notes;          // paragraphs, their lines joined
  std::vector<std::string> examples;       // lines, as they are

  std::vector<std::string> Groups() const;  // in order; "" is that of places
};

// Of a command, or of the program with all its commands.
CommandReference DescribeCommand(const CLI::App& app);

// The options that -h shows. Throws std::logic_error where `program` has no option of such a name.
void CheckEssentialOptions(const CommandReference& program);

// Lines of at most `width` characters, broken at blanks; a longer word stays whole.
std::vector<std::string> WrapText(const std::string& text, size_t width);

// `items` with `separator` between them.
std::string JoinText(const std::vector<std::string>& items, std::string_view separator);

// A description up to the first thing that may be left out: for lists where a line is all there is.
std::string BriefDescription(const std::string& description);

}  // namespace adaround::cli
