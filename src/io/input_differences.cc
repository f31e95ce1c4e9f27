#include "adaround/io/input_differences.h"

#include <set>

#include "adaround/base/error.h"

namespace adaround {

using Inputs = std::map<std::string, std::string>;

std::string InputDifferences(const Inputs& then, const Inputs& now) {
  std::set<std::string> names;
  for (const auto& [name, value] : then) names.insert(name);
  for (const auto& [name, value] : now) names.insert(name);
  const auto shown = [](const Inputs& inputs, const std::string& name) {
    const auto found = inputs.find(name);
    return found == inputs.end() ? std::string("not given")
                                 : "'" + Printable(found->second, 80) + "'";
  };
  std::string text;
  for (const std::string& name : names) {
    const auto before = then.find(name);
    const auto after = now.find(name);
    if (before != then.end() && after != now.end() && before->second == after->second) continue;
    text += (text.empty() ? "" : "; ") + Printable(name) + " was " + shown(then, name) + ", is " +
            shown(now, name);
  }
  return text;
}

}  // namespace adaround
