#include "io/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>
#include <string_view>
#include <utility>

#include "adaround/base/error.h"
#include "io/descriptor.h"
#include "io/file_error.h"

namespace adaround {
namespace {

constexpr int kOpenFlags = O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;

[[noreturn]] void ThrowCannotOpen(const std::string& name, int error) {
  const char* remedy = "";
  if (error == ENOENT || error == ENOTDIR) remedy = "; check the path";
  if (error == EACCES || error == EPERM) remedy = "; check its permissions";
  // An input that is not there is the user's to mend, like any other bad input; one that the system
  // keeps from us is not.
  const bool absent = error == ENOENT || error == ENOTDIR || error == ENAMETOOLONG;
  throw Error(absent ? ErrorCode::kMalformed : ErrorCode::kIo,
              name + ": cannot be opened: " + std::strerror(error) + remedy);
}

std::vector<std::string> SplitRelativePath(const std::string& relative,
                                           const std::string& named_by) {
  const auto refuse = [&](const char* why) {
    ThrowMalformed(named_by, "file name " + Quoted(relative) + " " + why +
                                 "; it must name a file inside the model's own folder");
  };
  if (relative.empty()) refuse("is empty");
  if (relative.front() == '/') refuse("is absolute");
  for (const char c : relative) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) refuse("has a control character");
    if (c == '\\') refuse("has a backslash");
  }
  std::vector<std::string> components;
  size_t begin = 0;
  while (true) {
    const size_t end = relative.find('/', begin);
    const std::string component = relative.substr(begin, end - begin);
    if (component.empty()) refuse("has an empty component");
    if (component == "." || component == "..") refuse("has the component '.' or '..'");
    components.push_back(component);
    if (end == std::string::npos) return components;
    begin = end + 1;
  }
}

struct Magic {
  std::string_view bytes;
  size_t offset;
  const char* description;
};

using std::string_view_literals::operator""sv;

constexpr std::array kMagics = {
    Magic{"\x93NUMPY"sv, 0, "a NumPy array (.npy)"},
    Magic{"PK\x03\x04"sv, 0, "a zip archive (.npz, or a PyTorch checkpoint)"},
    Magic{"PK\x05\x06"sv, 0, "an empty zip archive"},
    Magic{"\x89PNG\r\n\x1a\n"sv, 0, "a PNG image"},
    Magic{"\xff\xd8\xff"sv, 0, "a JPEG image"},
    Magic{"\x1f\x8b"sv, 0, "gzip-compressed data; unpack it first"},
    Magic{"\x28\xb5\x2f\xfd"sv, 0, "zstd-compressed data; unpack it first"},
    Magic{"\xfd"
          "7zXZ"sv,
          0, "xz-compressed data; unpack it first"},
    Magic{"\x89HDF\r\n\x1a\n"sv, 0, "an HDF5 file (Keras or .h5)"},
    Magic{"TFL3"sv, 4, "a TFLite model"},
    Magic{"GGUF"sv, 0, "a GGUF model"},
    Magic{"\x7f"
          "ELF"sv,
          0, "a program"},
    Magic{"%PDF"sv, 0, "a PDF document"},
    Magic{"\x80\x02"sv, 0, "a Python pickle"},
    Magic{"\x80\x03"sv, 0, "a Python pickle"},
    Magic{"\x80\x04"sv, 0, "a Python pickle"},
    Magic{"\x80\x05"sv, 0, "a Python pickle"},
    Magic{"<!DOCTYPE"sv, 0, "a web page; the download may have failed"},
    Magic{"<html"sv, 0, "a web page; the download may have failed"},
    Magic{"{\""sv, 8, "a safetensors file"},
    Magic{"{"sv, 0, "JSON text"},
};

constexpr std::string_view kLfsPointer = "version https://git-lfs";

}  // namespace

InputFile::InputFile(const std::filesystem::path& path)
    : descriptor_(-1), name_(Printable(path.string(), 4096)) {
  Descriptor descriptor(open(path.c_str(), kOpenFlags));
  if (descriptor.get() < 0) ThrowCannotOpen(name_, errno);
  descriptor_ = descriptor.get();
  CheckKindAndContents();
  descriptor.Release();
}

InputFile::InputFile(int descriptor, std::string name)
    : descriptor_(descriptor), name_(std::move(name)) {}

InputFile::InputFile(InputFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      name_(std::move(other.name_)),
      size_(other.size_) {}

InputFile::~InputFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

InputFile InputFile::OpenBeneath(const std::filesystem::path& directory,
                                 const std::string& relative, const std::string& named_by) {
  const std::vector<std::string> components = SplitRelativePath(relative, named_by);
  const std::filesystem::path root = directory.empty() ? "." : directory;
  const std::string name = Printable((directory / relative).string(), 4096);
  Descriptor current(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (current.get() < 0) ThrowCannotOpen(Printable(root.string(), 4096), errno);
  for (size_t i = 0; i < components.size(); ++i) {
    const bool last = i + 1 == components.size();
    const int flags =
        last ? kOpenFlags | O_NOFOLLOW : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    const int next = openat(current.get(), components[i].c_str(), flags);
    if (next < 0) {
      const int error = errno;
      struct stat status {};
      // ELOOP: it was a link; it may be something else by now.
      const bool is_link =
          error == ELOOP ||
          (fstatat(current.get(), components[i].c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISLNK(status.st_mode));
      if (is_link) {
        ThrowMalformed(named_by, "file name " + Quoted(relative) +
                                     " goes through a symbolic link; put a copy of the file "
                                     "inside the model's own folder");
      }
      ThrowCannotOpen(named_by + ": " + name, error);
    }
    current.Reset(next);
  }
  InputFile file(current.Release(), name);
  file.CheckKindAndContents();
  return file;
}

void InputFile::CheckKindAndContents() {
  struct stat status {};
  if (fstat(descriptor_, &status) != 0) ThrowCannotOpen(name_, errno);
  if (!S_ISREG(status.st_mode)) {
    const char* kind = S_ISDIR(status.st_mode)    ? "a folder"
                       : S_ISFIFO(status.st_mode) ? "a pipe (FIFO)"
                                                  : "a device";
    ThrowMalformed(name_, std::string("is ") + kind + ", a regular file is needed");
  }
  size_ = status.st_size;
  if (size_ == 0) {
    ThrowMalformed(name_, "the file is empty; fetch or write it again");
  }
  const std::vector<uint8_t> head = ReadHead(static_cast<int64_t>(kLfsPointer.size()));
  if (std::equal(head.begin(), head.end(), kLfsPointer.begin(), kLfsPointer.end())) {
    ThrowMalformed(name_,
                   "is a Git-LFS pointer, not the file itself; run 'git lfs pull' to fetch it");
  }
}

void InputFile::ReadAt(int64_t offset, void* out, int64_t count) const {
  ADAROUND_CHECK(offset >= 0 && count >= 0 && offset <= size_ && count <= size_ - offset);
  auto* to = static_cast<char*>(out);
  while (count > 0) {
    const ssize_t got = pread(descriptor_, to, static_cast<size_t>(count), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      throw Error(ErrorCode::kIo, name_ + ", byte " + std::to_string(offset) +
                                      ": cannot be read: " + std::strerror(errno));
    }
    if (got == 0) {
      throw Error(ErrorCode::kIo, name_ + ", byte " + std::to_string(offset) +
                                      ": the file became shorter while it was read; run again when "
                                      "nothing else writes it");
    }
    to += got;
    offset += got;
    count -= got;
  }
}

std::vector<uint8_t> InputFile::ReadHead(int64_t count) const {
  std::vector<uint8_t> head(static_cast<size_t>(std::min(count, size_)));
  ReadAt(0, head.data(), static_cast<int64_t>(head.size()));
  return head;
}

std::string InputFile::ReadText(int64_t limit) const {
  if (size_ > limit) {
    ThrowMalformed(name_, "has " + std::to_string(size_) + " bytes, at most " +
                              std::to_string(limit) + " are allowed for a file of this kind");
  }
  std::string text(static_cast<size_t>(size_), '\0');
  ReadAt(0, text.data(), size_);
  return text;
}

std::string DescribeMagic(std::span<const uint8_t> head) {
  for (const Magic& magic : kMagics) {
    if (head.size() >= magic.offset + magic.bytes.size() &&
        std::memcmp(head.data() + magic.offset, magic.bytes.data(), magic.bytes.size()) == 0) {
      return magic.description;
    }
  }
  return "";
}

std::string LooksLike(std::span<const uint8_t> head) {
  const std::string description = DescribeMagic(head);
  return description.empty() ? "" : ": it looks like " + description;
}

Tensor AllocateTensor(DType dtype, const Shape& shape, const std::string& what) {
  try {
    return Tensor(dtype, shape);
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::kIo, what + ": not enough memory for " + std::string(DTypeName(dtype)) +
                                    " " + ShapeToString(shape));
  }
}

}  // namespace adaround
