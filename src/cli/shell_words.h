// Text in words, as a shell would have them.
#pragma once

#include <string>
#include <vector>

namespace adaround::cli {

// Blanks part words; within '...' everything stands for itself, within "..." all but the backslash,
// which takes the next character as it is there and outside of quotes. Nothing else is special.
// Throws Error(kInvalidArgument) where a quote or a last backslash has no end.
std::vector<std::string> SplitShellWords(const std::string& text);

// The text that SplitShellWords() takes apart into these words: no two lists have the same.
std::string JoinShellWords(const std::vector<std::string>& words);

// A line that bash, zsh and ksh take for these words, for a terminal: what is no printable
// character, or could pass for another line, is escaped within $'...'.
std::string ShellLine(const std::vector<std::string>& words);

}  // namespace adaround::cli
