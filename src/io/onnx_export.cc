#include "adaround/io/onnx_export.h"

#include "adaround/base/error.h"
#include "io/onnx_export_message.h"
#include "io/onnx_qdq.h"
#include "io/strict_json.h"

namespace adaround {

void WriteOnnx(const std::filesystem::path& path, const Graph& graph) {
  OnnxDocument document;
  document.graph = graph;
  AddPreprocessMetadata(path, document);
  WriteOnnxDocument(path, document);
}

void WriteQuantizedOnnx(const std::filesystem::path& path, const QuantizedModel& model) {
  OnnxDocument document = MakeQdqDocument(model);
  AddPreprocessMetadata(path, document);
  document.metadata["adaround.export"] = "qdq";
  document.metadata["adaround.provenance"] =
      DumpJson(nlohmann::ordered_json(model.provenance), -1, Printable(path.string(), 4096));
  WriteOnnxDocument(path, document);
}

}  // namespace adaround
