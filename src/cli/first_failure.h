// Several things that are all attempted, whatever becomes of each.
#pragma once

#include <optional>

#include "adaround/base/error.h"
#include "cli/log_sink.h"

namespace adaround::cli {

// Keeps the first failure to be thrown at the end; those that follow are logged.
class FirstFailure {
 public:
  void Note(const Error& error) {
    if (first_) {
      LogError(error.what());
    } else {
      first_ = error;
    }
  }

  template <typename Work>
  void Attempt(Work work) {
    try {
      work();
    } catch (const Error& error) {
      Note(error);
    }
  }

  bool Any() const { return first_.has_value(); }
  void ThrowIfAny() const {
    if (first_) throw *first_;
  }

 private:
  std::optional<Error> first_;
};

}  // namespace adaround::cli
