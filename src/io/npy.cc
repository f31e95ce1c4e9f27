#include "adaround/io/npy.h"

#include "adaround/base/error.h"
#include "io/array_checks.h"
#include "io/input_file.h"
#include "io/npy_header.h"
#include "io/output_file.h"

namespace adaround {

NpyFile::NpyFile(const std::filesystem::path& path)
    : file_(std::make_shared<const InputFile>(path)),
      header_(std::make_shared<const NpyHeader>(
          ParseNpyHeader(file_->ReadHead(kMaxNpyHeaderBytes), file_->size(), file_->name()))) {}

const std::string& NpyFile::name() const {
  return file_->name();
}
DType NpyFile::dtype() const {
  return header_->dtype;
}
const Shape& NpyFile::shape() const {
  return header_->shape;
}

Tensor NpyFile::Read() const {
  Tensor tensor = AllocateTensor(header_->dtype, header_->shape, name());
  file_->ReadAt(header_->data_offset, tensor.mutable_raw(), header_->data_bytes);
  NormalizeNpyElements(*header_, &tensor);
  CheckBooleans(tensor, name());
  return tensor;
}

Tensor NpyFile::ReadRows(int64_t begin, int64_t count) const {
  ADAROUND_CHECK(!shape().empty() && begin >= 0 && count >= 0 && begin <= shape()[0] &&
                 count <= shape()[0] - begin);
  if (count == shape()[0]) return Read();
  Shape rows = shape();
  rows[0] = count;
  Tensor tensor = AllocateTensor(header_->dtype, rows, name());
  const int64_t row_bytes = header_->data_bytes / shape()[0];
  if (!header_->fortran_order) {
    file_->ReadAt(header_->data_offset + begin * row_bytes, tensor.mutable_raw(),
                  count * row_bytes);
  } else {
    // Axis 0 varies fastest: each element of a sample lies as a run over the samples.
    const auto element = static_cast<int64_t>(DTypeSize(header_->dtype));
    uint8_t* out = tensor.mutable_raw();
    for (int64_t run = 0; run < row_bytes / element; ++run, out += count * element) {
      file_->ReadAt(header_->data_offset + (run * shape()[0] + begin) * element, out,
                    count * element);
    }
  }
  NormalizeNpyElements(*header_, &tensor);
  CheckBooleans(tensor, name());
  return tensor;
}

Tensor ReadNpy(const std::filesystem::path& path) {
  return NpyFile(path).Read();
}

void WriteNpy(const std::filesystem::path& path, const Tensor& tensor) {
  const std::string header =
      FormatNpyHeader(tensor.dtype(), tensor.shape(), Printable(path.string(), 4096));
  OutputFile out(path);
  out.Write(header.data(), header.size());
  out.Write(tensor.raw(), tensor.num_bytes());
  out.Commit();
}

}  // namespace adaround
