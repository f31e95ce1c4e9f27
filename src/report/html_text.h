// Text for HTML, SVG and other XML.
#pragma once

#include <cstddef>
#include <string>

namespace adaround {

// Printable(), to stand between tags or in an attribute in double quotes.
std::string HtmlText(const std::string& text, size_t max_length = 200);

}  // namespace adaround
