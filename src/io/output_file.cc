#include "io/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

#include "adaround/base/error.h"

namespace adaround {
namespace {

std::filesystem::path ParentOf(const std::filesystem::path& path) {
  const std::filesystem::path parent = path.parent_path();
  return parent.empty() ? "." : parent;
}

}  // namespace

void ThrowCannotWrite(const std::filesystem::path& path, int error) {
  const char* remedy = "; check the path";
  if (error == ENOSPC || error == EDQUOT) remedy = "; free some space or write elsewhere";
  if (error == EACCES || error == EPERM) remedy = "; check the folder's permissions";
  if (error == EROFS) remedy = "; write to another file system";
  if (error == ENOENT) remedy = "; create the folder first";
  throw Error(ErrorCode::kIo, Printable(path.string(), 4096) +
                                  ": cannot be written: " + std::strerror(error) + remedy);
}

void SyncToDisk(const std::filesystem::path& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (descriptor < 0) ThrowCannotWrite(path, errno);
  const int error = fsync(descriptor) == 0 ? 0 : errno;
  close(descriptor);
  // Some file systems do not sync folders (EINVAL); all else is a write that failed late.
  if (error != 0 && error != EINVAL) ThrowCannotWrite(path, error);
}

OutputFile::OutputFile(const std::filesystem::path& path) : path_(path) {
  struct stat status {};
  const bool exists = stat(path_.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode)) ThrowCannotWrite(path_, EISDIR);
  if (exists && !S_ISREG(status.st_mode)) {
    descriptor_ = open(path_.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (descriptor_ < 0) ThrowCannotWrite(path_, errno);
    return;
  }
  // Through a symbolic link the file it names is replaced, not the link.
  std::error_code error;
  if (exists) path_ = std::filesystem::canonical(path_, error);
  if (error) ThrowCannotWrite(path, error.value());
  static std::atomic<int> next_number{0};
  // In a container every run may have the same number, and one that was killed has left a file.
  constexpr int kMaxTaken = 1000;
  for (int taken = 0; descriptor_ < 0; ++taken) {
    const std::string suffix = "." + std::to_string(getpid()) + "-" + std::to_string(next_number++);
    temporary_ = path_.string() + suffix + ".tmp";
    descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ >= 0) break;
    if (errno != EEXIST || taken == kMaxTaken) ThrowCannotWrite(path_, errno);
  }
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) close(descriptor_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void OutputFile::Write(const void* bytes, size_t count) {
  const auto* from = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t written = write(descriptor_, from, count);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) ThrowCannotWrite(path_, errno);
    from += written;
    count -= static_cast<size_t>(written);
  }
}

void OutputFile::Commit() {
  if (!temporary_.empty() && fsync(descriptor_) != 0) ThrowCannotWrite(path_, errno);
  if (close(std::exchange(descriptor_, -1)) != 0) ThrowCannotWrite(path_, errno);
  if (temporary_.empty()) return;
  if (rename(temporary_.c_str(), path_.c_str()) != 0) ThrowCannotWrite(path_, errno);
  temporary_.clear();
  SyncToDisk(ParentOf(path_));
}

}  // namespace adaround
