// Tensors of an ONNX model whose elements lie in other files of its folder.
#pragma once

#include <onnx/onnx_pb.h>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "io/input_file.h"

namespace adaround {

// A tensor's external_data, as stated.
struct OnnxExternalRange {
  std::string location;  // relative to the model's folder
  int64_t offset = 0;
  std::optional<int64_t> length;  // absent: to the file's end
};

// The entries of `tensor`: location, offset and length; a checksum may be there and is not looked
// at. `what` names file and tensor.
// Throws Error(kMalformed) for unknown and repeated keys, a missing location, and numbers that are
// not written in decimal digits alone or exceed 2^63 - 1.
OnnxExternalRange ParseExternalRange(const onnx::TensorProto& tensor, const std::string& what);

// Opens such a file. It must lie in the folder or below it, be reached through no link, and have no
// second name (hard link): what a model says to read is read, and nothing else.
// Throws Error(kIo | kMalformed).
InputFile OpenExternalFile(const std::filesystem::path& folder, const std::string& location,
                           const std::string& what);

// Reads ranges of the files beside one model. A byte belongs to one tensor: two tensors may name
// exactly the same range, and ranges that overlap otherwise are refused, so that a small model
// cannot make a large one out of the same bytes.
class OnnxExternalData {
 public:
  // `folder` holds the model.
  explicit OnnxExternalData(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // Makes the range the caller's, before memory is taken for it.
  // Throws Error(kIo); Error(kMalformed), naming file and sizes, where the range has not num_bytes
  // bytes, lies outside its file, or overlaps an earlier one.
  void Claim(const OnnxExternalRange& range, int64_t num_bytes, const std::string& what);

  // Fills `out` with num_bytes bytes.  REQUIRES: the same arguments passed Claim().
  void Read(const OnnxExternalRange& range, int64_t num_bytes, void* out, const std::string& what);

 private:
  const InputFile& Open(const std::string& location, const std::string& what);
  void RefuseOverlap(const OnnxExternalRange& range, int64_t num_bytes, const std::string& what);

  std::filesystem::path folder_;
  // The latest file: some writers put each tensor into a file of its own, more than may be open.
  std::string open_location_;
  std::unique_ptr<InputFile> open_file_;
  // By location: begin -> end of the ranges read so far.
  std::map<std::string, std::map<int64_t, int64_t>> claimed_;
};

}  // namespace adaround
