// A file descriptor that closes itself.
#pragma once

#include <unistd.h>

#include <utility>

namespace adaround {

// Negative = none.
class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { Close(descriptor_); }

  int get() const { return descriptor_; }
  // Closes the one that was held.
  void Reset(int descriptor) { Close(std::exchange(descriptor_, descriptor)); }
  // The caller's to close from here on.
  int Release() { return std::exchange(descriptor_, -1); }

 private:
  static void Close(int descriptor) {
    if (descriptor >= 0) close(descriptor);
  }

  int descriptor_;
};

}  // namespace adaround
