#include "adaround/io/input_stamps.h"

#include <sys/stat.h>

#include <system_error>

#include "adaround/base/error.h"

namespace adaround {

namespace fs = std::filesystem;

bool MayBeSameTime(const timespec& first, const timespec& second) {
  const bool forgotten = first.tv_nsec == 0 || second.tv_nsec == 0;
  return first.tv_sec == second.tv_sec && (forgotten || first.tv_nsec == second.tv_nsec);
}

bool InputStamps::Stamp::Agrees(const Stamp& other) const {
  return size == other.size && MayBeSameTime(written, other.written) &&
         MayBeSameTime(changed, other.changed);
}

bool InputStamps::Read(const std::string& path, Stamp& stamp) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return false;
  stamp = {static_cast<int64_t>(status.st_size), status.st_mtim, status.st_ctim};
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
    if (!Read(path, now) || !now.Agrees(before)) ThrowInputChanged(path);
  }
}

void ThrowInputChanged(const fs::path& path) {
  throw Error(ErrorCode::kMalformed,
              Printable(path.string(), 4096) +
                  ": changed while the program was reading it; leave the inputs alone during a "
                  "run, and run again (quantize and compare: with --resume once the file is as "
                  "it was, else with --force)");
}

}  // namespace adaround
