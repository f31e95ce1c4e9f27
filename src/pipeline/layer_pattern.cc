#include "pipeline/layer_pattern.h"

#include "adaround/base/error.h"

namespace adaround {

LayerPattern::LayerPattern(const std::string& option, const std::string& expression)
    : option_(option), expression_(expression) {
  try {
    // Without back-references matching takes polynomial time, whatever the expression.
    regex_ = std::regex(expression,
                        std::regex_constants::ECMAScript | std::regex_constants::__polynomial);
  } catch (const std::regex_error& error) {
    throw Error(
        ErrorCode::kInvalidArgument,
        option + " '" + Printable(expression) + "' is not a regular expression: " + error.what());
  }
}

bool LayerPattern::Matches(const std::string& name) {
  const bool found = std::regex_search(name, regex_);
  used_ = used_ || found;
  return found;
}

void LayerPattern::CheckUsed(std::vector<std::string>& violations) const {
  if (used_) return;
  violations.push_back(option_ + " '" + Printable(expression_) +
                       "' matches no layer; `adaround inspect` lists their names");
}

std::vector<LayerPattern> MakePatterns(const std::string& option,
                                       const std::vector<std::string>& expressions) {
  std::vector<LayerPattern> patterns;
  for (const std::string& expression : expressions) patterns.emplace_back(option, expression);
  return patterns;
}

}  // namespace adaround
