// Which bytes are text.
#pragma once

#include <cstddef>
#include <string>

namespace adaround {

// Length of the well-formed UTF-8 sequence at `text[at]` (Unicode table 3-7), 0 where there is
// none.
// REQUIRES: at < text.size().
size_t Utf8SequenceLength(const std::string& text, size_t at);

// Whether the whole text is made of such sequences.
bool IsUtf8(const std::string& text);

}  // namespace adaround
