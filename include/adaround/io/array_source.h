// Arrays of samples that are read piece by piece: calibration and evaluation data.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "adaround/tensor/tensor.h"

namespace adaround {

// One array in a file, samples along axis 0.
// Threads: const members may be called concurrently.
class ArraySource {
 public:
  virtual ~ArraySource() = default;

  // What ReadSamples returns: float32 for every float type in the file, else the file's own.
  DType dtype() const { return dtype_; }
  // Of the whole array; at least one dimension, at least one sample.
  const Shape& shape() const { return shape_; }
  int64_t num_samples() const { return shape_[0]; }
  // File and entry, ready to print.
  const std::string& description() const { return description_; }

  // Samples [begin, begin + count), row-major, as a tensor [count, ...].
  // Throws Error(kIo | kMalformed): the file cannot be read, is damaged, or holds NaN or an
  // infinity, whose index the message names.
  // REQUIRES: 0 <= begin, 0 <= count, begin + count <= num_samples().
  Tensor ReadSamples(int64_t begin, int64_t count) const;

  // Bytes of memory that reading all samples leaves in use.
  virtual int64_t cache_bytes() const { return 0; }

 protected:
  // Throws Error(kMalformed) for an array without axis 0 or without samples.
  ArraySource(DType file_dtype, Shape shape, std::string description);

 private:
  // As stored; the range has been checked.
  virtual Tensor ReadStored(int64_t begin, int64_t count) const = 0;

  DType dtype_;
  Shape shape_;
  std::string description_;
};

// The arrays of one .npy (under its file name without ".npy", percent-decoded), .npz or
// .safetensors file, by name. npy and safetensors are read from the file at each ReadSamples; an
// npz entry is inflated at the first and then kept in memory.
// Throws Error(kIo | kMalformed | kUnsupported); Error(kUnsupported) for other extensions.
std::map<std::string, std::unique_ptr<ArraySource>> OpenArrays(const std::filesystem::path& path);

// A file name without its extension as the tensor name it stands for: %2F is '/', %25 is '%', %2E a
// '.'. Throws Error(kMalformed), naming `file`, for a '%' without two hexadecimal digits.
std::string DecodeFileName(const std::string& stem, const std::string& file);

// The inverse: what a tensor's file must be called, without extension. '/', '%', control characters
// and a leading '.' are encoded, and the '.' of a name that ends in ".quantized".
std::string EncodeFileName(const std::string& tensor_name);

}  // namespace adaround
