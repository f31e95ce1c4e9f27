// ONNX files as protobuf messages.
#pragma once

#include <onnx/onnx_pb.h>

#include <functional>

#include "io/input_file.h"

namespace adaround {

// Parses the file, which onnx_wire_scan.h has vouched for. The messages of If, Loop and Scan nest
// at most kMaxOnnxDepth deep. Throws Error(kIo); Error(kMalformed) for what is no ONNX model;
// Error(kUnsupported) for files beyond 2 GiB - 1, where protobuf ends, and beyond the limits of the
// scan.
onnx::ModelProto ReadOnnxMessage(const InputFile& file);

// Calls visit for each tensor of the graph: initializers and attributes, those of bodies included.
void ForEachTensor(const onnx::GraphProto& graph,
                   const std::function<void(const onnx::TensorProto&)>& visit);

}  // namespace adaround
