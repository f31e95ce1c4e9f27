// NumPy arrays in .npy files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "adaround/tensor/tensor.h"

namespace adaround {

class InputFile;
struct NpyHeader;

// An open .npy file whose header has been read and checked; samples are read when asked for.
//
// Versions 1.0 to 3.0, either byte order, C or Fortran order. Object arrays (pickles), structured
// dtypes, strings, dates and complex numbers are refused.
// Threads: const members may be called concurrently.
class NpyFile {
 public:
  // Throws Error(kIo | kMalformed | kUnsupported).
  explicit NpyFile(const std::filesystem::path& path);

  const std::string& name() const;  // the path, ready to print
  DType dtype() const;
  const Shape& shape() const;

  Tensor Read() const;
  // Indices [begin, begin + count) of axis 0.  A Fortran-ordered file takes one read per element of
  // a sample: correct, and slower.
  // REQUIRES: the array has an axis 0 and the range lies in it.
  Tensor ReadRows(int64_t begin, int64_t count) const;

 private:
  std::shared_ptr<const InputFile> file_;
  std::shared_ptr<const NpyHeader> header_;
};

// The whole array, row-major.  Throws as NpyFile does.
Tensor ReadNpy(const std::filesystem::path& path);

// Writes version 1.0. The file appears whole or not at all.
// Throws Error(kIo) where it cannot be written, Error(kUnsupported) for bfloat16.
void WriteNpy(const std::filesystem::path& path, const Tensor& tensor);

}  // namespace adaround
