#include "fuzz/fuzz_input.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>

namespace adaround::fuzz {
namespace {

namespace fs = std::filesystem;

// Far above the longest: ten violations, each with names cut at 200 bytes.
constexpr size_t kMaxMessageBytes = 16'384;

fs::path ParentFolder() {
  if (const char* folder = std::getenv("TMPDIR")) return folder;
  const fs::path memory = "/dev/shm";
  return access(memory.c_str(), W_OK) == 0 ? memory : fs::temp_directory_path();
}

void CheckSystem(bool succeeded, const fs::path& path) {
  if (!succeeded) throw std::runtime_error(path.string() + ": " + std::strerror(errno));
}

}  // namespace

InputFolder::InputFolder() {
  std::string name = (ParentFolder() / "adaround_fuzz.XXXXXX").string();
  CheckSystem(mkdtemp(name.data()) != nullptr, name);
  path_ = name;
}

InputFolder::~InputFolder() {
  for (const auto& [name, descriptor] : descriptors_) close(descriptor);
  std::error_code error;
  fs::remove_all(path_, error);
}

fs::path InputFolder::Write(const std::string& name, std::span<const uint8_t> bytes) {
  const fs::path path = path_ / name;
  const auto [entry, is_new] = descriptors_.emplace(name, -1);
  int& descriptor = entry->second;
  if (is_new) descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  CheckSystem(descriptor >= 0, path);
  CheckSystem(ftruncate(descriptor, static_cast<off_t>(bytes.size())) == 0, path);
  CheckSystem(
      pwrite(descriptor, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()),
      path);
  return path;
}

void CheckRefusal(const Error& error, const fs::path& named) {
  const std::string message = error.what();
  const auto refuse = [&](const char* why) {
    throw std::logic_error(std::string(why) + ": " + message);
  };
  if (error.code() != ErrorCode::kMalformed && error.code() != ErrorCode::kUnsupported) {
    refuse("a refusal of another kind than malformed and unsupported");
  }
  if (message.find(named.string()) == std::string::npos)
    refuse("a refusal without the file's name");
  if (message.size() > kMaxMessageBytes) refuse("a refusal of too many words");
  if (Printable(message, message.size()) != message) refuse("a refusal that is not printable");
}

void Require(bool condition, const char* what) {
  if (!condition) throw std::logic_error(what);
}

bool SameTensor(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         (a.num_bytes() == 0 || std::memcmp(a.raw(), b.raw(), a.num_bytes()) == 0);
}

std::string BytesOf(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void RequireSameModels(const fs::path& a, const fs::path& b) {
  for (const char* name : {"model.json", "weights.safetensors"}) {
    Require(BytesOf(a / name) == BytesOf(b / name), "other bytes");
  }
}

TextAndBytes SplitAtNul(std::span<const uint8_t> input) {
  const auto nul = std::find(input.begin(), input.end(), uint8_t{0});
  const auto length = static_cast<size_t>(nul - input.begin());
  return {input.first(length), input.subspan(std::min(length + 1, input.size()))};
}

fs::path WriteModel(InputFolder& folder, std::span<const uint8_t> input) {
  const TextAndBytes parts = SplitAtNul(input);
  folder.Write("weights.safetensors", parts.bytes);
  return folder.Write("model.json", parts.text);
}

}  // namespace adaround::fuzz
