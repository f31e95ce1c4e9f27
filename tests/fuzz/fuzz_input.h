// What fuzz targets share: bytes as the files that readers take, and what readers may do with them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <type_traits>

#include "adaround/base/error.h"
#include "adaround/tensor/tensor.h"

namespace adaround::fuzz {

// A folder of this process, removed when it ends: in TMPDIR where that is set, else in memory where
// the system has such a folder. Writing a file anew keeps its inode, which is what costs least.
class InputFolder {
 public:
  InputFolder();
  ~InputFolder();
  InputFolder(const InputFolder&) = delete;
  InputFolder& operator=(const InputFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  // The file of this name holds these bytes and no others.
  std::filesystem::path Write(const std::string& name, std::span<const uint8_t> bytes);

 private:
  std::filesystem::path path_;
  std::map<std::string, int> descriptors_;
};

// The oracle. Bytes are refused as malformed or unsupported by a message that names `named`, is
// short, and has nothing in it that a terminal would obey. Throws std::logic_error otherwise.
void CheckRefusal(const Error& error, const std::filesystem::path& named);

// Throws std::logic_error, which is no Error: the input is a finding.
void Require(bool condition, const char* what);

// What `read` returns, nothing where it refuses the input; whatever else it throws is a finding.
template <typename Read>
auto Accepted(const std::filesystem::path& named, Read read)
    -> std::optional<std::invoke_result_t<Read>> {
  try {
    return read();
  } catch (const Error& error) {
    CheckRefusal(error, named);
    return std::nullopt;
  }
}

bool SameTensor(const Tensor& a, const Tensor& b);
std::string BytesOf(const std::filesystem::path& path);
// Of two folders that hold a model.json and its weights.
void RequireSameModels(const std::filesystem::path& a, const std::filesystem::path& b);

// Two files in one input: a text, and after its first NUL byte the other file. Mutations of one
// then leave the other as it is.
struct TextAndBytes {
  std::span<const uint8_t> text;
  std::span<const uint8_t> bytes;
};
TextAndBytes SplitAtNul(std::span<const uint8_t> input);
// Makes a folder's model.json and weights.safetensors of the two; the former's path.
std::filesystem::path WriteModel(InputFolder& folder, std::span<const uint8_t> input);

}  // namespace adaround::fuzz
