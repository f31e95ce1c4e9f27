// Reads ONNX models: opset 6 to 21, through the protobuf messages alone.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "adaround/graph/graph.h"

namespace adaround {

// What a node's attribute of this name lists: its attributes that Graph cannot hold (the bodies of
// If, Loop and Scan, and such of other domains' operators). Such a node never runs, given tensors
// can go around it, and it cannot be written to ONNX again.
inline constexpr const char* kUnreadAttributes = "adaround.unread_attributes";

// A model as the file holds it.
struct OnnxModel {
  // Validated and sorted. Initializers in any legal storage, external files included; Constant
  // nodes become initializers. float16, bfloat16 and float64 become float32, in Cast's `to` as
  // well; 4-bit integers become int8 and uint8. Operators of other domains are named "DOMAIN::OP";
  // nodes without a name, or with one that is taken, get one of their own. The bodies of If, Loop
  // and Scan are dropped, their nodes stay. An input without shape has the rank that its reader
  // wants; its `preprocess` comes from the metadata that WriteOnnx leaves.
  Graph graph;
  std::map<std::string, std::string> metadata;  // metadata_props
  // Holds integer arithmetic or a (Dynamic)QuantizeLinear or DequantizeLinear node.
  bool is_quantized = false;
  // Written by WriteQuantizedOnnx: its metadata says so.
  bool is_own_export = false;
};

// Throws Error(kIo); Error(kMalformed) for damaged messages, external data that leaves the model's
// folder or is reached through a link, names that clash or are missing, texts that are not
// UTF-8, cycles; Error(kUnsupported) for opsets outside kMinOpset ... kMaxOpset (model_json.h), IR
// versions above 13, sparse or string tensors, model-local functions, messages beyond the limits of
// onnx_wire_scan.h. Operators are not checked: the executor knows which it has.
OnnxModel ReadOnnxModel(const std::filesystem::path& path);

}  // namespace adaround
