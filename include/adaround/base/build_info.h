// What this program was built as.
#pragma once

#include <string>

namespace adaround {

// "0.1.0"
std::string Version();

// The instructions that our own loops were compiled for and those that oneDNN picks on this
// machine. Results are the same bytes only where both agree: the text is part of a result's
// provenance.
std::string InstructionSet();

}  // namespace adaround
