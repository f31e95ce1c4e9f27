#include "adaround/io/atomic_output.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <system_error>
#include <utility>

#include "adaround/base/error.h"
#include "io/output_file.h"

namespace adaround {
namespace {

namespace fs = std::filesystem;

// Says that a folder is ours to remove, and holds the lock of the run that builds it.
constexpr const char* kMarker = ".adaround-partial";
// In partial(): what becomes OUT; an OUT that is being replaced, for a moment, where the file
// system cannot exchange two folders; and a journal that is being removed.
constexpr const char* kContents = "result";
constexpr const char* kReplaced = "replaced";
constexpr const char* kDropped = "dropped";

std::string Shown(const fs::path& path) {
  return Printable(path.string(), 4096);
}

bool Exists(const fs::path& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

bool IsRealFolder(const fs::path& path) {
  std::error_code error;
  return fs::symlink_status(path, error).type() == fs::file_type::directory;
}

bool IsEmptyFolder(const fs::path& path) {
  std::error_code error;
  return fs::is_empty(path, error) && !error;
}

void SyncTree(const fs::path& folder) {
  std::error_code error;
  fs::recursive_directory_iterator entry(folder, error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    if (!fs::is_symlink(entry->symlink_status(error))) SyncToDisk(entry->path());
  }
  if (error) ThrowCannotWrite(folder, error.value());
  SyncToDisk(folder);
}

bool NotOnThisFileSystem(int error) {
  return error == EINVAL || error == ENOSYS;
}

}  // namespace

void WriteFileAtomically(const fs::path& path, std::string_view bytes) {
  OutputFile file(path);
  file.Write(bytes.data(), bytes.size());
  file.Commit();
}

OutputDirectory::OutputDirectory(const fs::path& out, bool force, OutputKind kind)
    : force_(force), kind_(std::move(kind)) {
  out_ = out.lexically_normal();
  if (out_.filename().empty()) out_ = out_.parent_path();
  const fs::path name = out_.filename();
  if (name.empty() || name == "." || name == "..") {
    throw Error(ErrorCode::kInvalidArgument,
                "'" + Shown(out) + "' cannot be the output folder; name a folder to be made");
  }
  partial_ = out_;
  partial_ += ".partial";
  contents_ = partial_ / kContents;
  CheckTarget();
  ClaimPartial();
}

OutputDirectory::~OutputDirectory() {
  if (lock_ < 0) return;
  if (HoldsJournal()) {
    std::error_code error;
    Clear(true, error);
  } else {
    RemovePartial();
  }
  close(lock_);
}

void OutputDirectory::CheckTarget() const {
  if (!Exists(out_)) return;
  if (!force_) {
    throw Error(ErrorCode::kInvalidArgument,
                Shown(out_) + ": already exists; give --force to replace it, or another -o");
  }
  if (!IsRealFolder(out_) || (!IsEmptyFolder(out_) && !Exists(out_ / kind_.finished_file))) {
    throw Error(ErrorCode::kInvalidArgument,
                Shown(out_) + ": exists and is no folder that adaround wrote (it " +
                    (IsRealFolder(out_) ? "holds no " + kind_.finished_file : "is no folder") +
                    "), so that --force does not replace it; remove it yourself, or give another "
                    "-o");
  }
}

void OutputDirectory::ClaimPartial() {
  const fs::path marker = partial_ / kMarker;
  if (mkdir(partial_.c_str(), 0777) != 0) {
    if (errno != EEXIST) ThrowCannotWrite(partial_, errno);
    if (!IsRealFolder(partial_) || (!IsEmptyFolder(partial_) && !Exists(marker))) {
      throw Error(ErrorCode::kInvalidArgument,
                  Shown(partial_) +
                      ": is in the way of the output's construction and was not "
                      "left by an earlier run; move it elsewhere");
    }
  }
  lock_ = open(marker.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (lock_ < 0) ThrowCannotWrite(marker, errno);
  if (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    close(std::exchange(lock_, -1));
    if (error != EWOULDBLOCK) ThrowCannotWrite(marker, error);
    throw Error(ErrorCode::kIo, Shown(partial_) +
                                    ": another run is building this output; wait for "
                                    "it, or give another -o");
  }
  if (HoldsJournal() && !kind_.resume && !force_) {
    close(std::exchange(lock_, -1));
    throw Error(ErrorCode::kInvalidArgument,
                Shown(partial_) +
                    ": holds what an interrupted run had finished; --resume goes on from there, "
                    "--force starts afresh");
  }
  if (RestoreReplaced() && !force_) {
    close(std::exchange(lock_, -1));
    CheckTarget();
  }
  std::error_code error;
  Clear(kind_.resume, error);
  if (!error) fs::create_directory(contents_, error);
  if (error) {
    close(std::exchange(lock_, -1));
    ThrowCannotWrite(partial_, error.value());
  }
}

// Of a run that was killed between the two renames of a replacement.
bool OutputDirectory::RestoreReplaced() const {
  const fs::path replaced = partial_ / kReplaced;
  return IsRealFolder(replaced) && !Exists(out_) && rename(replaced.c_str(), out_.c_str()) == 0;
}

bool OutputDirectory::HoldsJournal() const {
  if (kind_.journal.empty()) return false;
  std::error_code error;
  return fs::symlink_status(journal(), error).type() == fs::file_type::regular &&
         fs::file_size(journal(), error) > 0 && !error;
}

// Renamed first: a run that is killed in between leaves no journal of files that are gone.
void OutputDirectory::DropJournal() const {
  if (kind_.journal.empty()) return;
  const fs::path dropped = partial_ / kDropped;
  std::error_code ignored;
  fs::remove_all(dropped, ignored);
  fs::rename(partial_ / *fs::path(kind_.journal).begin(), dropped, ignored);
  fs::remove_all(dropped, ignored);
}

void OutputDirectory::Clear(bool keep_journal, std::error_code& error) const {
  fs::path kept;
  if (keep_journal && HoldsJournal()) {
    kept = *fs::path(kind_.journal).begin();
  } else {
    DropJournal();
  }
  for (fs::directory_iterator entry(partial_, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const fs::path name = entry->path().filename();
    if (name == kMarker || name == kept) continue;
    fs::remove_all(entry->path(), error);
    if (error) break;
  }
}

// The marker last: it says that the rest is ours.
void OutputDirectory::RemovePartial() const {
  std::error_code error;
  Clear(false, error);
  fs::remove(partial_ / kMarker, error);
  fs::remove(partial_, error);
}

void OutputDirectory::Commit() {
  ADAROUND_CHECK(lock_ >= 0);
  CheckTarget();
  SyncTree(contents_);
  MoveIntoPlace();
  // From here on the result is in place: what follows is tidying, and lock_ < 0 keeps the
  // destructor away from partial_.
  RemovePartial();
  close(std::exchange(lock_, -1));
  const fs::path parent = out_.parent_path();
  SyncToDisk(parent.empty() ? "." : parent);
}

void OutputDirectory::MoveIntoPlace() {
  const bool replace = Exists(out_);
  // The exchange leaves the old folder at contents_, from where it is removed.
  const unsigned flags = replace ? RENAME_EXCHANGE : RENAME_NOREPLACE;
  if (renameat2(AT_FDCWD, contents_.c_str(), AT_FDCWD, out_.c_str(), flags) == 0) return;
  if (errno == EEXIST) CheckTarget();
  if (!NotOnThisFileSystem(errno)) ThrowCannotWrite(out_, errno);
  const fs::path old = partial_ / kReplaced;
  if (replace && rename(out_.c_str(), old.c_str()) != 0) ThrowCannotWrite(out_, errno);
  if (rename(contents_.c_str(), out_.c_str()) != 0) {
    const int error = errno;
    if (replace) rename(old.c_str(), out_.c_str());
    ThrowCannotWrite(out_, error);
  }
}

}  // namespace adaround
