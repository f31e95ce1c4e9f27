// The one error channel: every failure that input, environment or numbers can cause is an Error.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

namespace adaround {

enum class ErrorCode {
  kInvalidArgument,  // the caller's options make no sense (command line: exit 2)
  kMalformed,        // a file breaks its format's rules (exit 3)
  kUnsupported,      // a legal file asks for what this program does not do (exit 3)
  kGate,             // a result misses what the user demands of it (exit 4)
  kIo,               // the system refused to read or write (exit 5)
  kNumerical,        // a computation left the finite numbers (exit 1)
  kBatch,            // some items of a batch failed, and were named (exit 6)
  kCancelled,        // the progress observer asked to stop (exit 130)
};

// what() is a finished sentence for the user: it names file, tensor or option, what was found, what
// was wanted, and the remedy. Callers that know more add to the front with WithContext.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}

  ErrorCode code() const { return code_; }

  // The same error, its message preceded by "context: ".
  Error WithContext(const std::string& context) const {
    return Error(code_, context + ": " + what());
  }

 private:
  ErrorCode code_;
};

// Throws Error(code) with all violations joined by "; ", or returns where there is none.
void ThrowIfAny(ErrorCode code, const std::vector<std::string>& violations);

// For the user's eyes: control characters, those that turn the direction of text among them, and
// bytes that are not UTF-8 become \xNN, and anything beyond max_length bytes is cut. Every name
// from a file goes through here before it is printed.
std::string Printable(const std::string& text, size_t max_length = 200);

// Our own mistake, never the input's: throws std::logic_error with file and line.
[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);

}  // namespace adaround

#define ADAROUND_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::adaround::CheckFailed(#condition, __FILE__, __LINE__))
