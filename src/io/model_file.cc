#include "adaround/io/model_file.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <system_error>

#include "adaround/base/error.h"
#include "adaround/io/model_json.h"
#include "adaround/io/onnx_import.h"
#include "adaround/io/quantized_model_io.h"
#include "adaround/io/sha256.h"
#include "io/file_error.h"
#include "io/model_document.h"
#include "io/onnx_external_data.h"
#include "io/onnx_message.h"

namespace adaround {
namespace {

namespace fs = std::filesystem;

constexpr const char* kProvenanceKey = "adaround.provenance";

// By its extension; a file with neither extension by its first byte, as no ONNX model begins with
// '{' or a space.
bool IsOnnxFile(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return false;
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (extension == ".onnx") return true;
  if (extension == ".json") return false;
  const uint8_t first = InputFile(path).ReadHead(1)[0];
  return first != '{' && std::isspace(first) == 0;
}

std::map<std::string, std::string> ParseProvenance(const OnnxModel& model,
                                                   const std::string& file) {
  std::map<std::string, std::string> provenance;
  const auto found = model.metadata.find(kProvenanceKey);
  if (found == model.metadata.end()) return provenance;
  const std::string place = file + ": metadata '" + kProvenanceKey + "'";
  const nlohmann::json json = ParseStrictJson(found->second, place);
  const JsonView view(json, place);
  view.CheckObject();
  for (const auto& [key, unused] : json.items()) provenance.emplace(key, view.At(key).AsString());
  return provenance;
}

[[noreturn]] void ThrowQuantized(const std::string& file, const char* remedy) {
  ThrowUnsupported(file, std::string("is already quantized; ") + remedy);
}

// External data files of the model, by location.
std::set<std::string> ExternalLocations(const onnx::ModelProto& model, const std::string& file) {
  std::set<std::string> locations;
  ForEachTensor(model.graph(), [&](const onnx::TensorProto& tensor) {
    if (tensor.data_location() != onnx::TensorProto::EXTERNAL) return;
    const std::string what = file + ": tensor " + Quoted(tensor.name());
    locations.insert(ParseExternalRange(tensor, what).location);
  });
  return locations;
}

std::string OnnxDigest(const fs::path& path) {
  const InputFile file(path);
  std::string digests = Sha256OfFile(file);
  const std::set<std::string> locations = ExternalLocations(ReadOnnxMessage(file), file.name());
  if (locations.empty()) return digests;
  for (const std::string& location : locations) {
    digests += Sha256OfFile(OpenExternalFile(path.parent_path(), location, file.name()));
  }
  return Sha256OfBytes(digests);
}

fs::path JsonFileOf(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error) ? path / "model.json" : path;
}

}  // namespace

ModelFile ReadModelFile(const fs::path& path) {
  if (!IsOnnxFile(path)) {
    const ModelDocument document = OpenModelDocument(path);
    if (document.IsQuantized()) return ReadQuantizedModel(path);
    return ReadFloatDocument(document);
  }
  OnnxModel model = ReadOnnxModel(path);
  const std::string file = Printable(path.string(), 4096);
  if (model.is_own_export) {
    return QdqModel{std::move(model.graph), ParseProvenance(model, file)};
  }
  if (model.is_quantized) ThrowQuantized(file, "give the float model that it was made from");
  return std::move(model.graph);
}

Graph ReadFloatModel(const fs::path& path) {
  if (!IsOnnxFile(path)) return ReadModelJson(path);
  OnnxModel model = ReadOnnxModel(path);
  if (model.is_quantized || model.is_own_export) {
    ThrowQuantized(Printable(path.string(), 4096), "give the float model that it was made from");
  }
  return std::move(model.graph);
}

std::vector<fs::path> ModelFiles(const fs::path& path) {
  if (IsOnnxFile(path)) {
    const InputFile file(path);
    std::vector<fs::path> files = {path};
    for (const std::string& location : ExternalLocations(ReadOnnxMessage(file), file.name())) {
      files.push_back(path.parent_path() / location);
    }
    return files;
  }
  const ModelDocument document = OpenModelDocument(path);
  const JsonView weights = JsonView(document.json, document.file).At("weights");
  return {JsonFileOf(path), document.directory / weights.AsString()};
}

std::string ModelDigest(const fs::path& path) {
  if (IsOnnxFile(path)) return OnnxDigest(path);
  const ModelDocument document = OpenModelDocument(path);
  return Sha256OfBytes(Sha256OfFile(JsonFileOf(path)) + Sha256OfFile(OpenWeightsFile(document)));
}

}  // namespace adaround
