// "Did you mean": the nearest known name to a mistyped one.
#pragma once

#include <string>
#include <vector>

namespace adaround {

// "; did you mean 'outputs'?" where one of `known` is near enough to be a slip of the fingers, else
// "; known are 'a', 'b'". Bounded time whatever the length of `name`.
std::string DidYouMean(const std::string& name, const std::vector<std::string>& known);

}  // namespace adaround
