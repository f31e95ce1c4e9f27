#include "adaround/base/peak_memory.h"

#include <malloc.h>
#include <sys/resource.h>

#include <fstream>
#include <limits>
#include <optional>
#include <string>

namespace adaround {
namespace {

// VmHWM; the rusage's peak is that of the whole process, whatever was started anew.
std::optional<int64_t> HighWaterBytes() {
  std::ifstream status("/proc/self/status");
  std::string key;
  while (status >> key) {
    int64_t kibibytes = 0;
    if (key == "VmHWM:" && status >> kibibytes) return kibibytes * 1024;
    status.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return std::nullopt;
}

}  // namespace

PeakMemory::PeakMemory() {
  // What an earlier part freed but the allocator keeps is not this part's.
  ReturnFreedMemory();
  std::ofstream clear("/proc/self/clear_refs");
  clear << "5" << std::flush;
  is_own_ = clear.good() && HighWaterBytes().has_value();
}

int64_t PeakMemory::Bytes() const {
  if (is_own_) {
    if (const auto bytes = HighWaterBytes()) return *bytes;
  }
  return PeakResidentBytes();
}

void ReturnFreedMemory() { malloc_trim(0); }

int64_t PeakResidentBytes() {
  // A program starts with the rusage's peak of the process that started it.
  if (const auto bytes = HighWaterBytes()) return *bytes;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<int64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace adaround
