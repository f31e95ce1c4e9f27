#include "adaround/io/onnx_export.h"

#include "adaround/base/error.h"
#include "io/onnx_export_message.h"
#include "io/onnx_qdq.h"
#include "io/strict_json.h"

namespace adaround {
namespace {

OnnxDocument MakeDocumentFor(const std::string& file, const QuantizedModel& model) {
  try {
    return MakeQdqDocument(model);
  } catch (const Error& error) {
    throw error.WithContext(file + ": cannot be written as ONNX");
  }
}

}  // namespace

void WriteOnnx(const std::filesystem::path& path, const Graph& graph) {
  OnnxDocument document;
  document.graph = graph;
  AddPreprocessMetadata(path, document);
  WriteOnnxDocument(path, document);
}

void WriteQuantizedOnnx(const std::filesystem::path& path, const QuantizedModel& model) {
  const std::string file = Printable(path.string(), 4096);
  OnnxDocument document = MakeDocumentFor(file, model);
  AddPreprocessMetadata(path, document);
  document.metadata["adaround.export"] = "qdq";
  document.metadata["adaround.provenance"] =
      DumpJson(nlohmann::ordered_json(model.provenance), -1, file);
  WriteOnnxDocument(path, document);
}

}  // namespace adaround
