#include "adaround/io/array_source.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

#include "adaround/io/npy.h"
#include "adaround/io/safetensors.h"
#include "io/array_checks.h"
#include "io/file_error.h"
#include "io/input_file.h"
#include "io/npz.h"

namespace adaround {
namespace {

class NpySource final : public ArraySource {
 public:
  explicit NpySource(NpyFile file)
      : ArraySource(file.dtype(), file.shape(), file.name()), file_(std::move(file)) {}

 private:
  Tensor ReadStored(int64_t begin, int64_t count) const override {
    return file_.ReadRows(begin, count);
  }

  NpyFile file_;
};

class SafetensorsSource final : public ArraySource {
 public:
  SafetensorsSource(std::shared_ptr<const SafetensorsFile> file, const std::string& name)
      : ArraySource(file->entries().at(name).dtype, file->entries().at(name).shape,
                    file->name() + ": tensor " + Quoted(name)),
        file_(std::move(file)),
        name_(name) {}

 private:
  Tensor ReadStored(int64_t begin, int64_t count) const override {
    return file_->ReadRows(name_, begin, count);
  }

  std::shared_ptr<const SafetensorsFile> file_;
  std::string name_;
};

class NpzSource final : public ArraySource {
 public:
  NpzSource(std::shared_ptr<const NpzFile> file, const std::string& name)
      : ArraySource(file->entries().at(name).dtype, file->entries().at(name).shape,
                    file->name() + ": entry " + Quoted(name + ".npy")),
        file_(std::move(file)),
        name_(name) {}

 private:
  Tensor ReadStored(int64_t begin, int64_t count) const override {
    const Tensor whole = Inflated();
    const int64_t row_bytes = static_cast<int64_t>(whole.num_bytes()) / num_samples();
    Shape rows = shape();
    rows[0] = count;
    Tensor result = AllocateTensor(whole.dtype(), rows, description());
    std::copy_n(whole.raw() + begin * row_bytes, count * row_bytes, result.mutable_raw());
    return result;
  }

  Tensor Inflated() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!inflated_) inflated_ = file_->Read(name_);
    return *inflated_;
  }

  std::shared_ptr<const NpzFile> file_;
  std::string name_;
  mutable std::mutex mutex_;
  mutable std::optional<Tensor> inflated_;
};

std::optional<unsigned> HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return std::nullopt;
}

}  // namespace

ArraySource::ArraySource(DType file_dtype, Shape shape, std::string description)
    : dtype_(IsFloat(file_dtype) ? DType::kFloat32 : file_dtype),
      shape_(std::move(shape)),
      description_(std::move(description)) {
  if (shape_.empty()) {
    ThrowMalformed(description_, "is a scalar; samples along axis 0 are needed");
  }
  if (shape_[0] == 0) {
    ThrowMalformed(description_, "has shape " + ShapeToString(shape_) +
                                     ", no samples; at least one is needed along axis 0");
  }
}

Tensor ArraySource::ReadSamples(int64_t begin, int64_t count) const {
  ADAROUND_CHECK(begin >= 0 && count >= 0 && begin <= num_samples() &&
                 count <= num_samples() - begin);
  return ToFiniteFloat32(ReadStored(begin, count), description_, begin);
}

std::map<std::string, std::unique_ptr<ArraySource>> OpenArrays(const std::filesystem::path& path) {
  std::map<std::string, std::unique_ptr<ArraySource>> arrays;
  const std::string extension = path.extension().string();
  if (extension == ".npy") {
    const std::string file = Printable(path.string(), 4096);
    arrays.emplace(DecodeFileName(path.stem().string(), file),
                   std::make_unique<NpySource>(NpyFile(path)));
  } else if (extension == ".npz") {
    const auto file = std::make_shared<const NpzFile>(path);
    for (const auto& [name, header] : file->entries()) {
      arrays.emplace(name, std::make_unique<NpzSource>(file, name));
    }
  } else if (extension == ".safetensors") {
    const auto file = std::make_shared<const SafetensorsFile>(path);
    for (const auto& [name, entry] : file->entries()) {
      arrays.emplace(name, std::make_unique<SafetensorsSource>(file, name));
    }
    if (arrays.empty()) ThrowMalformed(file->name(), "holds no tensors");
  } else {
    const InputFile file(path);
    ThrowUnsupported(file.name(), "data is read from .npy, .npz and .safetensors files" +
                                      LooksLike(file.ReadHead(16)) +
                                      "; convert it, or correct its extension");
  }
  return arrays;
}

std::string DecodeFileName(const std::string& stem, const std::string& file) {
  std::string name;
  for (size_t i = 0; i < stem.size(); ++i) {
    if (stem[i] != '%') {
      name += stem[i];
      continue;
    }
    const std::optional<unsigned> high = i + 1 < stem.size() ? HexDigit(stem[i + 1]) : std::nullopt;
    const std::optional<unsigned> low = i + 2 < stem.size() ? HexDigit(stem[i + 2]) : std::nullopt;
    if (!high || !low || (*high == 0 && *low == 0)) {
      ThrowMalformed(file,
                     "the '%' in its name is not followed by the two hexadecimal digits of a "
                     "character; write '%25' for '%' itself");
    }
    name += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return name;
}

std::string EncodeFileName(const std::string& tensor_name) {
  constexpr std::string_view kReserved = ".quantized";
  std::string stem;
  for (size_t i = 0; i < tensor_name.size(); ++i) {
    const char c = tensor_name[i];
    const bool dot = c == '.' && (i == 0 || (i + kReserved.size() == tensor_name.size() &&
                                             tensor_name.ends_with(kReserved)));
    if (dot || c == '/' || c == '%' || static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      stem += '%';
      stem += "0123456789ABCDEF"[static_cast<unsigned char>(c) >> 4];
      stem += "0123456789ABCDEF"[c & 15];
    } else {
      stem += c;
    }
  }
  return stem;
}

}  // namespace adaround
