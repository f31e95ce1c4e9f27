// What this program was built as.
#pragma once

#include <string>
#include <vector>

namespace adaround {

// "0.1.0"
std::string Version();

// The instructions that our own loops were compiled for and those that oneDNN picks on this
// machine: "x86-64-v3 (avx avx2 ... sse2), oneDNN avx2", with "native " first where the compiler
// also tuned for the machine it ran on. Results are the same bytes only where both agree: the text
// is part of a result's provenance.
std::string InstructionSet();

// The file that this library's code was loaded from: a shared library, of which ld.so may have
// several to choose from by the processor's level, or the program itself.
std::string LibraryFile();

struct BuildDetail {
  std::string name;
  std::string value;
};

// All of the above, the level of this machine's processor, and the versions of compiler, oneDNN and
// Eigen with what they use here.
std::vector<BuildDetail> BuildDetails();

}  // namespace adaround
