#include "cli/model_digest.h"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "adaround/base/error.h"
#include "adaround/io/sha256.h"

namespace adaround::cli {

std::string ModelDigest(const std::string& model) {
  namespace fs = std::filesystem;
  const fs::path file = fs::is_directory(model) ? fs::path(model) / "model.json" : fs::path(model);
  // The path may come from a file that somebody else wrote: nothing but a regular file is opened.
  if (!fs::is_regular_file(file)) {
    throw Error(ErrorCode::kMalformed, Printable(file.string()) + " is no regular file");
  }
  std::ifstream stream(file, std::ios::binary);
  const nlohmann::json document = nlohmann::json::parse(stream, nullptr, false);
  if (!document.is_object() || !document.contains("weights") || !document["weights"].is_string()) {
    throw Error(ErrorCode::kIo, Printable(file.string()) + " changed while it was read");
  }
  const fs::path weights = file.parent_path() / document["weights"].get<std::string>();
  if (weights.lexically_relative(file.parent_path()).string().starts_with("..")) {
    throw Error(ErrorCode::kMalformed,
                Printable(file.string()) + ": its weights lie outside its folder");
  }
  return Sha256OfBytes(Sha256OfFile(file) + Sha256OfFile(weights));
}

}  // namespace adaround::cli
