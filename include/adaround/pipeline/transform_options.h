// What may be done to a float network before its weights are rounded. Each step keeps what the
// network computes, up to what its comment says.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace adaround {

struct TransformOptions {
  // Every violation; empty = sound.
  std::vector<std::string> Validate() const;
};

// What one step did.
struct TransformStep {
  std::string name;    // the option's
  std::string detail;  // for the user: "37 pairs, 12 sweeps"
};

}  // namespace adaround
