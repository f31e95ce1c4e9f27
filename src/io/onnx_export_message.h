// From a graph to the bytes of an ONNX file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "adaround/graph/graph.h"
#include "graph/tensor_types.h"

namespace adaround {

// TensorProto.DataType of the 4-bit integers, which Graph does not hold; from opset 21.
inline constexpr int32_t kOnnxUInt4 = 21;
inline constexpr int32_t kOnnxInt4 = 22;

// An initializer of a type that Graph does not hold.
struct PackedInitializer {
  int32_t data_type = 0;
  Shape shape;
  std::vector<uint8_t> bytes;  // as raw_data
};

// What a file will hold. `packed` adds to the graph's initializers, under names of their own.
struct OnnxDocument {
  Graph graph;
  std::map<std::string, PackedInitializer> packed;
  std::map<std::string, std::string> metadata;
};

// Each input's `preprocess`, added to the metadata where there is one.
void AddPreprocessMetadata(const std::filesystem::path& path, OnnxDocument& document);

// Writes the message, its IR version the one that came with the graph's opset. The same document
// gives the same bytes. The file appears whole or not at all.
// Throws Error(kIo); Error(kUnsupported) where the message would exceed 2 GiB.
void WriteOnnxDocument(const std::filesystem::path& path, const OnnxDocument& document);

}  // namespace adaround
