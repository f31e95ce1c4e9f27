// How much memory a part of the program's life took.
#pragma once

#include <cstdint>

namespace adaround {

// The peak of the process's resident memory since construction, where the system lets it be started
// anew (Linux: 5 written to /proc/self/clear_refs); else since the process began.
// One at a time: a second one starts the first anew.
class PeakMemory {
 public:
  PeakMemory();

  bool is_own() const { return is_own_; }
  int64_t Bytes() const;  // PeakResidentBytes() where it is not

 private:
  bool is_own_ = false;
};

// Of the process, as the system counts it.
int64_t PeakResidentBytes();

// To the system, as far as the allocator has kept it for itself.
void ReturnFreedMemory();

}  // namespace adaround
