// The rounding methods by name.
#pragma once

#include <string>
#include <vector>

namespace adaround {

struct RoundingMethod {
  std::string name;
  std::string summary;  // one line
  // Whether it looks for a rounding better than nearest: what it finds is dropped for nearest where
  // it is worse. Others (floor, stochastic, ...) are taken as they are.
  bool searches = false;
};

// Every method, in the order they are listed in.
const std::vector<RoundingMethod>& RoundingMethods();
std::vector<std::string> RoundingMethodNames();
// Throws Error(kInvalidArgument), listing the names, where there is no such method.
const RoundingMethod& FindRoundingMethod(const std::string& name);

}  // namespace adaround
