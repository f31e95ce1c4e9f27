// Activations of all samples at the narrow places between two segments of the network.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "adaround/tensor/tensor.h"

namespace adaround {

enum class Stream { kFloat, kQuantized };

// Keeps tensors in memory up to a budget and the rest in unlinked files, read and written with
// positioned calls so that they do not count as resident. Where a tensor lies never changes what
// comes out.
// Threads: Put and Get may be called concurrently for different samples.
class ActivationStore {
 public:
  ActivationStore(int64_t budget_bytes, std::filesystem::path spill_directory,
                  int64_t num_samples);
  ~ActivationStore();

  // Makes room for a tensor of every sample.
  void Reserve(Stream stream, const std::string& name, DType dtype, const Shape& shape);
  // REQUIRES: reserved, with this dtype and shape.  Throws Error(kIo) where the disk is full.
  void Put(Stream stream, const std::string& name, int64_t sample, const Tensor& value);
  Tensor Get(Stream stream, const std::string& name, int64_t sample) const;
  void Drop(Stream stream, const std::string& name);

  int64_t peak_memory_bytes() const { return peak_memory_bytes_; }
  int64_t spilled_bytes() const { return spilled_bytes_; }

 private:
  struct Entry;
  const Entry& Find(Stream stream, const std::string& name) const;

  int64_t budget_bytes_;
  std::filesystem::path spill_directory_;
  int64_t num_samples_;
  int64_t memory_bytes_ = 0;
  int64_t peak_memory_bytes_ = 0;
  int64_t spilled_bytes_ = 0;
  std::map<std::pair<Stream, std::string>, std::unique_ptr<Entry>> entries_;
};

}  // namespace adaround
