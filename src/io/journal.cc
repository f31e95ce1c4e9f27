#include "adaround/io/journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "adaround/base/error.h"
#include "adaround/io/sha256.h"
#include "io/descriptor.h"
#include "io/output_file.h"

namespace adaround {
namespace {

constexpr size_t kDigestDigits = 16;
constexpr int64_t kMaxBytes = int64_t{256} << 20;

std::string DigestOf(const std::string& record) {
  return Sha256OfBytes(record).substr(0, kDigestDigits);
}

[[noreturn]] void ThrowCannotRead(const std::filesystem::path& path, int error) {
  throw Error(ErrorCode::kIo, Printable(path.string(), 4096) + ": cannot be read: " +
                                  std::strerror(error) + "; --force starts afresh");
}

[[noreturn]] void ThrowMalformed(const std::filesystem::path& path, const std::string& what) {
  throw Error(ErrorCode::kMalformed, Printable(path.string(), 4096) + ": " + what +
                                         "; --force starts afresh");
}

// "" where there is no file.
std::string ReadAll(const std::filesystem::path& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (file.get() < 0) {
    if (errno == ENOENT) return "";
    if (errno == ELOOP) ThrowMalformed(path, "is a symbolic link, not a journal");
    ThrowCannotRead(path, errno);
  }
  struct stat status {};
  if (fstat(file.get(), &status) != 0) ThrowCannotRead(path, errno);
  if (!S_ISREG(status.st_mode)) ThrowMalformed(path, "is no regular file, and no journal");
  if (status.st_size > kMaxBytes) ThrowMalformed(path, "is larger than any journal (256 MiB)");
  std::string bytes(static_cast<size_t>(status.st_size), '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = read(file.get(), bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) ThrowCannotRead(path, errno);
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  bytes.resize(done);
  return bytes;
}

}  // namespace

Journal::Journal(std::filesystem::path path) : path_(std::move(path)) {
  const std::string bytes = ReadAll(path_);
  size_t begin = 0;
  while (true) {
    const size_t end = bytes.find('\n', begin);
    if (end == std::string::npos) break;  // what follows was being written
    const std::string line = bytes.substr(begin, end - begin);
    const bool has_digest = line.size() > kDigestDigits && line[kDigestDigits] == ' ';
    const std::string record = has_digest ? line.substr(kDigestDigits + 1) : "";
    if (!has_digest || DigestOf(record) != line.substr(0, kDigestDigits)) {
      ThrowMalformed(path_, "line " + std::to_string(records_.size() + 1) +
                                " is damaged: its digest does not fit its text");
    }
    records_.push_back(record);
    begin = end + 1;
  }
  sound_bytes_ = static_cast<int64_t>(begin);
}

Journal::~Journal() {
  if (descriptor_ >= 0) close(descriptor_);
}

void Journal::Append(const std::string& record) {
  ADAROUND_CHECK(record.find('\n') == std::string::npos);
  if (descriptor_ < 0) {
    descriptor_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (descriptor_ < 0) ThrowCannotWrite(path_, errno);
    // What a stopped program left of its last line goes.
    if (ftruncate(descriptor_, sound_bytes_) != 0 || lseek(descriptor_, 0, SEEK_END) < 0) {
      ThrowCannotWrite(path_, errno);
    }
    SyncToDisk(path_.parent_path().empty() ? "." : path_.parent_path());
  }
  const std::string line = DigestOf(record) + " " + record + "\n";
  size_t done = 0;
  while (done < line.size()) {
    const ssize_t count = write(descriptor_, line.data() + done, line.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) ThrowCannotWrite(path_, errno);
    done += static_cast<size_t>(count);
  }
  if (fsync(descriptor_) != 0) ThrowCannotWrite(path_, errno);
  records_.push_back(record);
}

}  // namespace adaround
