// What the process returns.
#pragma once

#include "adaround/base/error.h"

namespace adaround::cli {

enum ExitCode {
  kExitOk = 0,
  kExitInternal = 1,     // internal or numerical failure
  kExitUsage = 2,        // wrong command line
  kExitBadInput = 3,     // bad or unsupported input file
  kExitGate = 4,         // a quality gate was missed
  kExitIo = 5,           // disk full, unwritable
  kExitBatch = 6,        // some items of a batch failed
  kExitInterrupted = 130,
};

struct ExitCodeMeaning {
  ExitCode code;
  const char* meaning;
};

// Each of them, for help and manual.
inline constexpr ExitCodeMeaning kExitCodes[] = {
    {kExitOk, "done"},
    {kExitInternal, "internal or numerical failure"},
    {kExitUsage, "wrong command line"},
    {kExitBadInput, "a bad or unsupported input file"},
    {kExitGate, "a quality gate was missed"},
    {kExitIo, "cannot read or write (disk full, permissions)"},
    {kExitBatch, "some models of a batch failed"},
    {kExitInterrupted, "interrupted"},
};

inline ExitCode ExitCodeOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument: return kExitUsage;
    case ErrorCode::kMalformed:
    case ErrorCode::kUnsupported: return kExitBadInput;
    case ErrorCode::kGate: return kExitGate;
    case ErrorCode::kIo: return kExitIo;
    case ErrorCode::kBatch: return kExitBatch;
    case ErrorCode::kNumerical: return kExitInternal;
    case ErrorCode::kCancelled: return kExitInterrupted;
  }
  return kExitInternal;
}

}  // namespace adaround::cli
