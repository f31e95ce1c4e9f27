// Files that we read: regular ones only, by position, so that threads may share them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "adaround/tensor/tensor.h"

namespace adaround {

// An open regular file that is not empty. Reads carry their own position: concurrent ReadAt calls
// are safe.
class InputFile {
 public:
  // Throws Error(kIo) where the system refuses, Error(kMalformed) for a folder, FIFO, device,
  // empty file or Git-LFS pointer. Never blocks on a FIFO.
  explicit InputFile(const std::filesystem::path& path);

  // Opens `relative` below `directory`, following no symbolic link on the way and never leaving
  // the directory; a link exchanged for a file in the meantime changes nothing.
  // Throws as above, and Error(kMalformed) where `relative` is absolute, has "..", ".", an empty
  // component, a backslash or a control character, or meets a link. `named_by` tells the user who
  // asked for the file ("/m/model.json: weights").
  static InputFile OpenBeneath(const std::filesystem::path& directory, const std::string& relative,
                               const std::string& named_by);

  InputFile(InputFile&& other) noexcept;
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  InputFile& operator=(InputFile&&) = delete;
  ~InputFile();

  const std::string& name() const { return name_; }  // the path, ready to print
  int64_t size() const { return size_; }             // bytes, as it was opened
  int descriptor() const { return descriptor_; }     // stays ours; its position is never used

  // Fills `out`. Throws Error(kIo) where the file has become shorter or cannot be read.
  // REQUIRES: 0 <= offset, 0 <= count, offset + count <= size().
  void ReadAt(int64_t offset, void* out, int64_t count) const;

  // The first min(count, size()) bytes.
  std::vector<uint8_t> ReadHead(int64_t count) const;

  // Everything. Throws Error(kMalformed) where the file is longer than `limit` bytes.
  std::string ReadText(int64_t limit) const;

 private:
  InputFile(int descriptor, std::string name);
  void CheckKindAndContents();

  int descriptor_ = -1;
  std::string name_;
  int64_t size_ = 0;
};

// What the first bytes of a file say it is ("a PNG image", "a zip archive (.npz)"), "" where no
// magic number is known.
std::string DescribeMagic(std::span<const uint8_t> head);

// ": it looks like a PNG image" or nothing: the tail of a message on a wrong magic number.
std::string LooksLike(std::span<const uint8_t> head);

// A tensor whose size a file declares.
// Throws Error(kIo) where the memory is not to be had.  REQUIRES: CheckedNumElements(shape).
Tensor AllocateTensor(DType dtype, const Shape& shape, const std::string& what);

}  // namespace adaround
