#include "adaround/io/sha256.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "adaround/base/error.h"
#include "io/input_file.h"

namespace adaround {
namespace {

constexpr int64_t kChunkBytes = 1 << 20;

class Hasher {
 public:
  Hasher() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    Require(context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
  }

  void Add(const void* bytes, size_t count) {
    Require(EVP_DigestUpdate(context_.get(), bytes, count) == 1);
  }

  std::string Finish() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned length = 0;
    Require(EVP_DigestFinal_ex(context_.get(), digest.data(), &length) == 1);
    std::string text;
    for (unsigned i = 0; i < length; ++i) {
      text += "0123456789abcdef"[digest[i] >> 4];
      text += "0123456789abcdef"[digest[i] & 15];
    }
    return text;
  }

 private:
  static void Require(bool succeeded) {
    if (!succeeded) throw Error(ErrorCode::kIo, "the system's SHA-256 is not available");
  }

  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

std::string Sha256OfBytes(std::string_view bytes) {
  Hasher hasher;
  hasher.Add(bytes.data(), bytes.size());
  return hasher.Finish();
}

std::string Sha256OfFile(const std::filesystem::path& path) {
  return Sha256OfFile(InputFile(path));
}

std::string Sha256OfFile(const InputFile& file) {
  std::vector<char> chunk(static_cast<size_t>(std::min(kChunkBytes, file.size())));
  Hasher hasher;
  for (int64_t at = 0; at < file.size();) {
    const int64_t count = std::min(kChunkBytes, file.size() - at);
    file.ReadAt(at, chunk.data(), count);
    hasher.Add(chunk.data(), static_cast<size_t>(count));
    at += count;
  }
  return hasher.Finish();
}

}  // namespace adaround
