#include "adaround/base/error.h"

#include <cstdio>

#include "base/utf8.h"

namespace adaround {

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
    // C1 controls (U+0080 to U+009F) drive terminals as well as the C0 ones do.
    const bool c1_control =
        length == 2 && lead == 0xC2 && static_cast<unsigned char>(text[at + 1]) < 0xA0;
    if (length == 0 || lead < 0x20 || lead == 0x7F || c1_control) {
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
