// Bounds what kernels may give out.
#pragma once

#include <cstddef>

namespace adaround {

// While it is alive, kernels that this thread makes and runs allocate no output of more than
// `max_bytes`: they throw Error(kUnsupported) instead, before they allocate, and exceeded() tells
// that it was for this. Limits nest, the latest one counts.
class ScopedOutputLimit {
 public:
  explicit ScopedOutputLimit(size_t max_bytes);
  ~ScopedOutputLimit();
  ScopedOutputLimit(const ScopedOutputLimit&) = delete;
  ScopedOutputLimit& operator=(const ScopedOutputLimit&) = delete;

  bool exceeded() const { return exceeded_; }

  // Whether this thread's limit, if there is one, leaves room for an output of `num_bytes`.
  static bool Admits(size_t num_bytes);

 private:
  size_t max_bytes_;
  bool exceeded_ = false;
  ScopedOutputLimit* outer_;
};

}  // namespace adaround
