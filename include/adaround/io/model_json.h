// The project's own model files: a folder with model.json (the graph) and weights.safetensors.
#pragma once

#include <filesystem>

#include "adaround/graph/graph.h"

namespace adaround {

// Operator set versions whose meaning the reader vouches for.
inline constexpr int64_t kMinOpset = 6;
inline constexpr int64_t kMaxOpset = 21;

// Reads a float model: `path` is a model.json or the folder that holds it.
//
// The graph is validated and sorted. float16, bfloat16 and float64 tensors become float32; tensors
// that no node reads are kept. The weights file must lie inside model.json's folder, reached
// through no symbolic link.
// Throws Error(kIo); Error(kMalformed) for unknown keys, wrong types, names that clash or are
// missing, cycles, NaN and infinities in weights; Error(kUnsupported) for newer versions or opsets
// and for a model that is already quantized.
Graph ReadModelJson(const std::filesystem::path& path);

// Writes model.json and weights.safetensors into `directory`, creating it where it is missing (its
// parent must exist). The same graph gives the same bytes.
// Throws Error(kIo); Error(kInvalidArgument) for names that are not UTF-8 and attributes that JSON
// cannot hold (NaN, infinity).
void WriteModelJson(const std::filesystem::path& directory, const Graph& graph);

}  // namespace adaround
