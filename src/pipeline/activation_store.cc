#include "pipeline/activation_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "adaround/base/error.h"

namespace adaround {

struct ActivationStore::Entry {
  DType dtype;
  Shape shape;
  int64_t bytes_per_sample;
  std::vector<Tensor> tensors;  // in memory; empty where spilled
  int file = -1;

  ~Entry() {
    if (file >= 0) ::close(file);
  }
};

namespace {

[[noreturn]] void ThrowIo(const std::string& what, const std::filesystem::path& where) {
  throw Error(ErrorCode::kIo, what + " in " + Printable(where.string()) + ": " +
                                  std::strerror(errno) +
                                  "; free some space, or raise --memory-limit");
}

// An open file without a name: nothing to clean up, however the process ends.
int OpenSpillFile(const std::filesystem::path& directory) {
  std::string pattern = (directory / "activations-XXXXXX").string();
  const int file = ::mkostemp(pattern.data(), O_CLOEXEC);
  if (file < 0) ThrowIo("cannot create a file for activations", directory);
  ::unlink(pattern.c_str());
  return file;
}

}  // namespace

ActivationStore::ActivationStore(int64_t budget_bytes, std::filesystem::path spill_directory,
                                 int64_t num_samples)
    : budget_bytes_(budget_bytes),
      spill_directory_(std::move(spill_directory)),
      num_samples_(num_samples) {}

ActivationStore::~ActivationStore() = default;

void ActivationStore::Reserve(Stream stream, const std::string& name, DType dtype,
                              const Shape& shape) {
  auto entry = std::make_unique<Entry>();
  entry->dtype = dtype;
  entry->shape = shape;
  entry->bytes_per_sample = NumElements(shape) * static_cast<int64_t>(DTypeSize(dtype));
  const int64_t total = entry->bytes_per_sample * num_samples_;
  if (memory_bytes_ + total <= budget_bytes_) {
    entry->tensors.resize(static_cast<size_t>(num_samples_));
    memory_bytes_ += total;
    peak_memory_bytes_ = std::max(peak_memory_bytes_, memory_bytes_);
  } else {
    entry->file = OpenSpillFile(spill_directory_);
    spilled_bytes_ += total;
  }
  const bool inserted = entries_.emplace(std::pair(stream, name), std::move(entry)).second;
  ADAROUND_CHECK(inserted);
}

const ActivationStore::Entry& ActivationStore::Find(Stream stream, const std::string& name) const {
  return *entries_.at(std::pair(stream, name));
}

void ActivationStore::Put(Stream stream, const std::string& name, int64_t sample,
                          const Tensor& value) {
  Entry& entry = *entries_.at(std::pair(stream, name));
  if (value.dtype() != entry.dtype || value.shape() != entry.shape) {
    throw Error(ErrorCode::kUnsupported,
                "tensor '" + Printable(name) + "' has shape " + ShapeToString(value.shape()) +
                    " for calibration sample " + std::to_string(sample) + " and " +
                    ShapeToString(entry.shape) +
                    " for the first; shapes that depend on the data are not supported");
  }
  if (entry.file < 0) {
    entry.tensors[static_cast<size_t>(sample)] = value;
    return;
  }
  const uint8_t* bytes = value.raw();
  int64_t left = entry.bytes_per_sample;
  int64_t at = sample * entry.bytes_per_sample;
  while (left > 0) {
    const ssize_t written = ::pwrite(entry.file, bytes, static_cast<size_t>(left), at);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) ThrowIo("cannot write activations", spill_directory_);
    bytes += written;
    at += written;
    left -= written;
  }
}

Tensor ActivationStore::Get(Stream stream, const std::string& name, int64_t sample) const {
  const Entry& entry = Find(stream, name);
  if (entry.file < 0) return entry.tensors[static_cast<size_t>(sample)];
  Tensor value(entry.dtype, entry.shape);
  uint8_t* bytes = value.mutable_raw();
  int64_t left = entry.bytes_per_sample;
  int64_t at = sample * entry.bytes_per_sample;
  while (left > 0) {
    const ssize_t read = ::pread(entry.file, bytes, static_cast<size_t>(left), at);
    if (read < 0 && errno == EINTR) continue;
    if (read <= 0) ThrowIo("cannot read activations back", spill_directory_);
    bytes += read;
    at += read;
    left -= read;
  }
  return value;
}

void ActivationStore::Drop(Stream stream, const std::string& name) {
  const auto found = entries_.find(std::pair(stream, name));
  ADAROUND_CHECK(found != entries_.end());
  if (found->second->file < 0) memory_bytes_ -= found->second->bytes_per_sample * num_samples_;
  entries_.erase(found);
}

}  // namespace adaround
