// Writes ONNX models.
#pragma once

#include <filesystem>

#include "adaround/graph/graph.h"
#include "adaround/model/quantized_model.h"

namespace adaround {

// The float graph at its own opset. Metadata "adaround.preprocess" is an object {input's name:
// `preprocess` as in model.json}. Operators of other domains are stated to be of version 1 of
// theirs: a graph does not hold that version. The same graph gives the same bytes. The file appears
// whole or not at all.
// REQUIRES: sorted, validated graph.
// Throws Error(kIo); Error(kUnsupported) where the message would exceed 2 GiB.
void WriteOnnx(const std::filesystem::path& path, const Graph& graph);

// The quantized model as QDQ: integers behind DequantizeLinear, QuantizeLinear and DequantizeLinear
// on every activation that has a grid, int32 biases behind DequantizeLinear. What is dequantized
// keeps its name.
//
// Weights of up to 4 bits are INT4 or UINT4 (opset 21, IR 10), wider ones INT8 or UINT8; per group
// with block_size (opset 21); all else needs opset 13. The graph is lifted to the opset that this
// needs. Grids that lie on no axis of the weight (groups over a kernel, output channels of a
// grouped ConvTranspose) are stored as the matrix of ChannelLayout and reshaped. Activations of
// fewer than 8 bits are clipped before QuantizeLinear.
//
// MatMul and Gemm by a quantized weight [K, N] become Gemm(transB = 1) by [N, K], with Reshapes
// where a MatMul's input is no matrix: runtimes fuse the former with DequantizeLinear into products
// whose activations are rounded to 8 bits, which is off by some 3e-3 of the largest output.
//
// metadata_props: "adaround.export" = "qdq", "adaround.provenance" (an object of texts),
// "adaround.preprocess" as in WriteOnnx. The same model gives the same bytes. The file appears
// whole or not at all.
//
// Throws Error(kIo); Error(kInvalidArgument) where a grid is not sound or belongs to no tensor;
// Error(kUnsupported) where an operator cannot be lifted, a tensor is input, output and on a grid
// at once, or the message would exceed 2 GiB.
void WriteQuantizedOnnx(const std::filesystem::path& path, const QuantizedModel& model);

}  // namespace adaround
