// What distinguishes two runs: names and values of everything that they come from.
#pragma once

#include <map>
#include <string>

namespace adaround {

// "seed was '42', is '7'; model_sha256 was ..."; "" where there is no difference.
std::string InputDifferences(const std::map<std::string, std::string>& then,
                             const std::map<std::string, std::string>& now);

}  // namespace adaround
