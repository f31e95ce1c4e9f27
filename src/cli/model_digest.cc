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
  std::ifstream stream(file, std::ios::binary);
  const nlohmann::json document = nlohmann::json::parse(stream, nullptr, false);
  if (!document.is_object() || !document.contains("weights") || !document["weights"].is_string()) {
    throw Error(ErrorCode::kIo, Printable(file.string()) + " changed while it was read");
  }
  const fs::path weights = file.parent_path() / document["weights"].get<std::string>();
  return Sha256OfBytes(Sha256OfFile(file) + Sha256OfFile(weights));
}

}  // namespace adaround::cli
