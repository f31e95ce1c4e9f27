#include "adaround/io/input_stamps.h"

#include <sys/stat.h>

#include <system_error>

#include "adaround/base/error.h"

namespace adaround {

namespace fs = std::filesystem;

bool InputStamps::Read(const std::string& path, Stamp& stamp) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return false;
  stamp = {static_cast<uint64_t>(status.st_dev), static_cast<uint64_t>(status.st_ino),
           static_cast<int64_t>(status.st_size), static_cast<int64_t>(status.st_mtim.tv_sec),
           static_cast<int64_t>(status.st_mtim.tv_nsec)};
  return true;
}

void InputStamps::Add(const fs::path& path) {
  if (path.empty()) return;
  const auto add = [this](const fs::path& file) {
    Stamp stamp;
    if (Read(file.string(), stamp)) stamps_[file.string()] = stamp;
  };
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    // Pipes and devices are read once, and have no state to keep.
    if (fs::is_regular_file(path, error)) add(path);
    return;
  }
  for (fs::recursive_directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code ignored;
    if (entry->is_regular_file(ignored)) add(entry->path());
  }
}

void InputStamps::Check() const {
  for (const auto& [path, before] : stamps_) {
    Stamp now;
    if (Read(path, now) && now == before) continue;
    throw Error(ErrorCode::kMalformed,
                Printable(path, 4096) +
                    ": changed while the program was reading it; leave the inputs alone during a "
                    "run. What was finished before is kept: put the file back and give --resume, "
                    "or --force to start afresh");
  }
}

}  // namespace adaround
