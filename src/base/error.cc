#include "adaround/base/error.h"

#include <cstdint>
#include <cstdio>

#include "base/utf8.h"

namespace adaround {
namespace {

// Whether the sequence of two or three bytes at `text[at]` is none to be shown as it is: C1
// controls (U+0080 to U+009F) drive terminals as well as the C0 ones do; marks of direction, line
// separators and what has no width let a name look like another; U+FFFE and U+FFFF are none.
bool IsHiddenSequence(const std::string& text, size_t at, size_t length) {
  if (length != 2 && length != 3) return false;
  uint32_t code = static_cast<unsigned char>(text[at]) & (length == 2 ? 0x1FU : 0x0FU);
  for (size_t i = 1; i < length; ++i) {
    code = code << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3FU);
  }
  return code < 0xA0 || code == 0x061C || code == 0x200B || (code >= 0x200E && code <= 0x200F) ||
         (code >= 0x2028 && code <= 0x202E) || (code >= 0x2060 && code <= 0x2069) ||
         code == 0xFEFF || code >= 0xFFFE;
}

}  // namespace

void ThrowIfAny(ErrorCode code, const std::vector<std::string>& violations) {
  if (violations.empty()) return;
  std::string joined;
  for (const std::string& violation : violations) {
    if (!joined.empty()) joined += "; ";
    joined += violation;
  }
  throw Error(code, joined);
}

std::string Printable(const std::string& text, size_t max_length) {
  std::string result;
  size_t at = 0;
  while (at < text.size()) {
    if (result.size() >= max_length) return result + "...";
    const size_t length = Utf8SequenceLength(text, at);
    const auto lead = static_cast<unsigned char>(text[at]);
    if (length == 0 || lead < 0x20 || lead == 0x7F || IsHiddenSequence(text, at, length)) {
      const size_t bytes = length == 0 ? 1 : length;
      for (size_t i = 0; i < bytes; ++i) {
        char escaped[8];
        std::snprintf(escaped, sizeof escaped, "\\x%02x",
                      static_cast<unsigned>(static_cast<unsigned char>(text[at + i])));
        result += escaped;
      }
      at += bytes;
    } else {
      result.append(text, at, length);
      at += length;
    }
  }
  return result;
}

void CheckFailed(const char* condition, const char* file, int line) {
  throw std::logic_error(std::string("internal check failed: ") + condition + " at " + file + ":" +
                         std::to_string(line));
}

}  // namespace adaround
