// Models on disk, whatever their format: model.json, the folder that holds it, or an .onnx file.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "adaround/graph/graph.h"
#include "adaround/model/quantized_model.h"

namespace adaround {

// An ONNX file that this program exported: the graph runs as it is, QuantizeLinear and
// DequantizeLinear nodes included.
struct QdqModel {
  Graph graph;
  std::map<std::string, std::string> provenance;
};

using ModelFile = std::variant<Graph, QuantizedModel, QdqModel>;

// Throws as ReadModelJson, ReadQuantizedModel and ReadOnnxModel do; Error(kUnsupported) for an ONNX
// model that somebody else quantized.
ModelFile ReadModelFile(const std::filesystem::path& path);

// A float model. Throws likewise; Error(kUnsupported) where it is quantized.
Graph ReadFloatModel(const std::filesystem::path& path);

// Every file that the model at `path` consists of: model.json and its weights, or an ONNX file and
// its external data.  Throws as the readers do.
std::vector<std::filesystem::path> ModelFiles(const std::filesystem::path& path);

// SHA-256 over every file that the model at `path` consists of: model.json and its weights, or an
// ONNX file and its external data.  Throws as the readers do.
std::string ModelDigest(const std::filesystem::path& path);

}  // namespace adaround
