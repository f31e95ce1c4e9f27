// A regular expression of the user's that chooses layers by their names.
#pragma once

#include <regex>
#include <string>
#include <vector>

namespace adaround {

// Remembers whether it has ever matched.
class LayerPattern {
 public:
  // `option` names it in messages.  Throws Error(kInvalidArgument) where the expression is none.
  LayerPattern(const std::string& option, const std::string& expression);

  // Anywhere in the name.
  bool Matches(const std::string& name);
  // A violation where it has matched nothing.
  void CheckUsed(std::vector<std::string>& violations) const;

 private:
  std::string option_;
  std::string expression_;
  std::regex regex_;
  bool used_ = false;
};

std::vector<LayerPattern> MakePatterns(const std::string& option,
                                       const std::vector<std::string>& expressions);

}  // namespace adaround
