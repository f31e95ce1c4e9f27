#include "adaround/io/input_stamps.h"

#include <sys/stat.h>

#include <system_error>

#include "adaround/base/error.h"

namespace adaround {

namespace fs = std::filesystem;

bool InputStamps::Stamp::Agrees(const Stamp& other) const {
  const bool forgotten = nanoseconds == 0 || other.nanoseconds == 0;
  return size == other.size && seconds == other.seconds &&
         (forgotten || nanoseconds == other.nanoseconds);
}

bool InputStamps::Read(const std::string& path, Stamp& stamp) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return false;
  stamp = {static_cast<int64_t>(status.st_size), static_cast<int64_t>(status.st_mtim.tv_sec),
           static_cast<int64_t>(status.st_mtim.tv_nsec)};
  return true;
}

void InputStamps::Add(const fs::path& path) {
  // Pipes and devices are read once, and have no state to keep.
  std::error_code error;
  Stamp stamp;
  if (fs::is_regular_file(path, error) && Read(path.string(), stamp)) {
    stamps_[path.string()] = stamp;
  }
}

void InputStamps::Check() const {
  for (const auto& [path, before] : stamps_) {
    Stamp now;
    if (Read(path, now) && now.Agrees(before)) continue;
    throw Error(ErrorCode::kMalformed,
                Printable(path, 4096) +
                    ": changed while the program was reading it; leave the inputs alone during a "
                    "run, and run again (quantize and compare: with --resume once the file is as "
                    "it was, else with --force)");
  }
}

}  // namespace adaround
