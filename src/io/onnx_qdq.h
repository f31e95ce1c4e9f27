// Quantized models in ONNX's QDQ form: integers behind DequantizeLinear.
#pragma once

#include "adaround/model/quantized_model.h"
#include "io/onnx_export_message.h"

namespace adaround {

// Throws Error(kInvalidArgument), with every violation, where a grid of the model is not sound or
// neither signed nor unsigned at its bit width.
void CheckGrids(const QuantizedModel& model);

// The graph that WriteQuantizedOnnx describes, without metadata.
//
// Dequantized weights, biases and activations keep their names, so that whatever reads them is as
// before; integers, scales and what lies between get names that are free.
// Throws Error(kInvalidArgument) where a tensor does not pass Validate() or an activation is not in
// the graph; Error(kUnsupported) where an operator cannot be lifted to the opset that is needed.
OnnxDocument MakeQdqDocument(const QuantizedModel& model);

}  // namespace adaround
