// Quantized models on disk: what `quantize` writes.
//
// The folder holds model.json and weights.safetensors as for a float model (model_json.h), and
// model.json has more keys:
//   "quantization": tensor name -> {bit_width, q_min, q_max, granularity, group_size, shape, axis,
//       groups, packing: "lsb_first", integers, scale, zero_point}
//   "activations": tensor name -> {bit_width, scale, zero_point}, where activations are quantized
//   "biases": tensor name -> {integers, scale}, likewise: entries I32 and F32 of
//   weights.safetensors "provenance": key -> text
// The last three of a quantized tensor name entries of weights.safetensors: `integers` U8, packed
// as quant/packing.h says; `scale` F32, one per scale; `zero_point` I8 (q_min < 0) or U8, one per
// scale, or null where all are 0 on a signed grid. The weight itself has no entry.
#pragma once

#include <filesystem>

#include "adaround/graph/graph.h"
#include "adaround/model/quantized_model.h"

namespace adaround {

// Writes model.json and weights.safetensors into `directory`, creating it where it is missing (its
// parent must exist). The same model gives the same bytes; scales survive exactly.
// Throws Error(kIo); Error(kInvalidArgument) where a tensor does not pass Validate(), its range is
// neither signed nor unsigned at its bit width, or a name is not UTF-8.
void WriteQuantizedModel(const std::filesystem::path& directory, const QuantizedModel& model);

// Reads what WriteQuantizedModel wrote: `path` is the folder or the model.json in it.
// Throws as ReadModelJson does; Error(kUnsupported) for a model that is not quantized.
QuantizedModel ReadQuantizedModel(const std::filesystem::path& path);

}  // namespace adaround
