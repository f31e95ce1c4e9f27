// safetensors files: named tensors behind a JSON header.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "adaround/tensor/tensor.h"

namespace adaround {

class InputFile;

// An open file whose header has been read and checked; the tensors' bytes are read when asked for.
//
// Every rule of the format binds: header length against the file's, strict JSON, byte ranges equal
// to shape times element size, no overlap, no hole, nothing after the last one.
// Threads: const members may be called concurrently.
class SafetensorsFile {
 public:
  struct Entry {
    DType dtype = DType::kFloat32;
    Shape shape;
    int64_t begin = 0;  // byte range in the file, [begin, end)
    int64_t end = 0;
  };

  // Throws Error(kIo | kMalformed), and Error(kUnsupported) for element types that are newer than
  // this program (F8_E4M3, ...).
  explicit SafetensorsFile(const std::filesystem::path& path);
  explicit SafetensorsFile(std::shared_ptr<const InputFile> file);

  const std::string& name() const;  // the path, ready to print
  const std::map<std::string, Entry>& entries() const { return entries_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  // Throws Error(kMalformed) where there is no such entry, or a BOOL is neither 0 nor 1.
  Tensor Read(const std::string& name) const;
  // Indices [begin, begin + count) of axis 0.
  // REQUIRES: the entry has an axis 0 and the range lies in it.
  Tensor ReadRows(const std::string& name, int64_t begin, int64_t count) const;

 private:
  const Entry& Find(const std::string& name) const;
  void ReadHeader();

  std::shared_ptr<const InputFile> file_;
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> metadata_;
};

// Every tensor of the file.  Throws as SafetensorsFile does.
std::map<std::string, Tensor> ReadSafetensors(const std::filesystem::path& path);

// Writes the tensors ordered by descending element size, then name, with the header padded to a
// multiple of 8; the same arguments give the same bytes. The file appears whole or not at all.
// Throws Error(kIo) where it cannot be written, Error(kInvalidArgument) for a name that is not
// UTF-8 or is the reserved "__metadata__".
void WriteSafetensors(const std::filesystem::path& path,
                      const std::map<std::string, Tensor>& tensors,
                      const std::map<std::string, std::string>& metadata);

}  // namespace adaround
