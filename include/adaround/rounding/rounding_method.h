// The rounding methods by name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace adaround {

struct RoundingMethod {
  std::string name;
  std::string summary;  // one line
  // Whether it looks for a rounding better than nearest: what it finds is dropped for nearest where
  // it is worse. Others (floor, stochastic, ...) are taken as they are.
  bool searches = false;
  // The options that it reads, of those that not every method does: names in C++, which are the
  // flags' with '_' for '-'. Flags of others are refused, and others are no part of a result's
  // provenance. A method that looks at samples lists "positions_per_draw" and
  // "asymmetric_reconstruction"; one whose loss can include the activation lists
  // "activation_in_loss".
  std::vector<std::string> options = {};
  // Whether it rounds each row of a layer by itself. Others minimize the task loss over all weights
  // of one layer together, eq. (13) of arXiv:2004.10568: exactly one layer may be quantized, and
  // what they find is judged by the same quadratic on held-out samples. The layer's own error may
  // well rise where the task loss falls.
  bool row_wise = true;
  // Whether it draws random numbers: another seed of the rounding may then give another result.
  bool random = true;

  bool Reads(std::string_view option) const;
};

// The method whose result is one draw of many: `compare` takes several.
inline constexpr const char* kStochasticMethod = "stochastic";

// Every method, in the order they are listed in.
const std::vector<RoundingMethod>& RoundingMethods();
std::vector<std::string> RoundingMethodNames();
// Throws Error(kInvalidArgument), listing the names, where there is no such method.
const RoundingMethod& FindRoundingMethod(const std::string& name);

}  // namespace adaround
