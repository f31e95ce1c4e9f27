#include "report/html_text.h"

#include "adaround/base/error.h"

namespace adaround {

std::string HtmlText(const std::string& text, size_t max_length) {
  std::string escaped;
  for (const char c : Printable(text, max_length)) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&quot;"; break;
      case '\'': escaped += "&#39;"; break;
      default: escaped += c;
    }
  }
  return escaped;
}

}  // namespace adaround
