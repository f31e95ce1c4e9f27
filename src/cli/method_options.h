// Options that not every rounding method reads: their flags, and their values in a provenance.
#pragma once

#include <string>
#include <vector>

#include "adaround/pipeline/quantize.h"

namespace adaround::cli {

struct MethodOption {
  const char* name;  // in RoundingMethod::options, and the provenance's key
  const char* flag;  // nullptr where only presets set it
  // nullptr where a file's digest stands for it (SourceDigests).
  std::string (*text)(const QuantizeOptions& options);
};

// A row for every name in some method's options.
const std::vector<MethodOption>& MethodOptions();

// Whether the option changes the result: options.method reads it, or the grids of some layers do.
bool IsRead(const MethodOption& option, const QuantizeOptions& options);

// The shortest text that gives the same number back.
std::string TextOf(double value);

}  // namespace adaround::cli
