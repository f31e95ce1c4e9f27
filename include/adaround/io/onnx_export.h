// Writes ONNX models.
#pragma once

#include <filesystem>

#include "adaround/graph/graph.h"
#include "adaround/model/quantized_model.h"

namespace adaround {

// The float graph at its own opset, with each input's `preprocess` as metadata. The same graph gives
// the same bytes. The file appears whole or not at all.
// Throws Error(kIo); Error(kUnsupported) where the message would exceed 2 GiB.
void WriteOnnx(const std::filesystem::path& path, const Graph& graph);

// The quantized model as QDQ: integers behind DequantizeLinear, QuantizeLinear and DequantizeLinear
// on every activation that has a grid, int32 biases behind DequantizeLinear.
//
// Weights of up to 4 bits are INT4 or UINT4 (opset 21, IR 10), wider ones INT8 or UINT8; per group
// with block_size (opset 21). The graph is lifted to the opset that this needs. A MatMul by a
// quantized weight becomes Gemm(transB = 1), with Reshapes where its input is no matrix: runtimes
// fuse MatMul and DequantizeLinear into products with requantized activations. `provenance` goes
// into metadata_props. The same model gives the same bytes. The file appears whole or not at all.
// Throws Error(kIo); Error(kUnsupported) where an operator cannot be lifted or the message would
// exceed 2 GiB.
void WriteQuantizedOnnx(const std::filesystem::path& path, const QuantizedModel& model);

}  // namespace adaround
