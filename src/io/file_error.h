// How errors about the contents of a file begin: "FILE: ..." or "FILE, byte N: ...".
#pragma once

#include <cstdint>
#include <string>

#include "adaround/base/error.h"

namespace adaround {

// `file` is ready to print: a path (and perhaps an entry in it) that went through Printable().
[[noreturn]] inline void ThrowMalformed(const std::string& file, const std::string& message) {
  throw Error(ErrorCode::kMalformed, file + ": " + message);
}

[[noreturn]] inline void ThrowMalformedAt(const std::string& file, int64_t offset,
                                          const std::string& message) {
  throw Error(ErrorCode::kMalformed, file + ", byte " + std::to_string(offset) + ": " + message);
}

[[noreturn]] inline void ThrowUnsupported(const std::string& file, const std::string& message) {
  throw Error(ErrorCode::kUnsupported, file + ": " + message);
}

// "'name'", with what a terminal must not see made visible.
inline std::string Quoted(const std::string& name) {
  return "'" + Printable(name) + "'";
}

}  // namespace adaround
