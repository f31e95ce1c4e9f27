#include "adaround/io/model_json.h"

#include <system_error>

#include "adaround/base/error.h"
#include "adaround/io/atomic_output.h"
#include "io/model_document.h"
#include "io/output_file.h"
#include "io/strict_json.h"

namespace adaround {

std::string FreeName(const std::map<std::string, Tensor>& tensors, const std::string& name) {
  std::string candidate = name;
  for (int i = 2; tensors.contains(candidate); ++i) candidate = name + "." + std::to_string(i);
  return candidate;
}

void WriteModelFiles(const std::filesystem::path& directory, const nlohmann::ordered_json& document,
                     const std::map<std::string, Tensor>& tensors,
                     const std::map<std::string, std::string>& metadata) {
  std::error_code error;
  std::filesystem::create_directory(directory, error);
  if (error) ThrowCannotWrite(directory, error.value());
  const std::filesystem::path json_path = directory / "model.json";
  nlohmann::ordered_json complete = document;
  complete["weights"] = "weights.safetensors";
  const std::string text = DumpJson(complete, 1, Printable(json_path.string(), 4096)) + "\n";
  // The weights first: a model.json never names a file that is not there yet.
  WriteSafetensors(directory / "weights.safetensors", tensors, metadata);
  WriteFileAtomically(json_path, text);
}

void WriteModelJson(const std::filesystem::path& directory, const Graph& graph) {
  std::map<std::string, Tensor> tensors = graph.initializers;
  const std::string file = Printable((directory / "model.json").string(), 4096);
  const nlohmann::ordered_json document = GraphToJson(graph, file, &tensors);
  WriteModelFiles(directory, document, tensors, {{"format", "adaround-model"}});
}

Graph ReadModelJson(const std::filesystem::path& path) {
  return ReadFloatDocument(OpenModelDocument(path));
}

}  // namespace adaround
