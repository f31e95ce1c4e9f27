// A first look at the bytes of an ONNX file, before any of them becomes an object in memory.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace adaround {

// What a file may ask for. Two bytes of a file can make an object of two hundred in memory, and
// nesting costs stack: both are bounded by counts, far above what real networks hold.
inline constexpr int kMaxOnnxDepth = 64;                // messages inside messages
inline constexpr int64_t kMaxOnnxMessages = 1'000'000;  // nodes, attributes, tensors, types, ...
inline constexpr int64_t kMaxOnnxTexts = 2'000'000;     // names in lists, and unknown fields
inline constexpr int64_t kMaxOnnxVarints = int64_t{1} << 28;  // elements of integer lists

// Walks a serialized ModelProto with the field numbers of the ONNX schema, in one pass and without
// allocating. Fields that the schema does not know are passed over, as newer writers add some.
// Throws Error(kMalformed), with the byte's offset, for what is no protobuf message or not one of
// this schema (wrong wire type, groups, a singular field given twice), and Error(kUnsupported)
// where a limit is exceeded. `file` is ready to print.
void ScanOnnxModel(std::span<const uint8_t> bytes, const std::string& file);

// Whether `head`, the first bytes of a file, begin with a field of ModelProto.
bool BeginsLikeOnnxModel(std::span<const uint8_t> head);

}  // namespace adaround
