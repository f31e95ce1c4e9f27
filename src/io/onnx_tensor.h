// TensorProto messages as tensors.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <tuple>

#include "adaround/tensor/tensor.h"
#include "io/onnx_external_data.h"

namespace adaround {

// TensorProto.DataType, those that came after the installed schema included.
namespace onnx_type {
inline constexpr int32_t kFloat = 1;
inline constexpr int32_t kUInt8 = 2;
inline constexpr int32_t kInt8 = 3;
inline constexpr int32_t kUInt16 = 4;
inline constexpr int32_t kInt16 = 5;
inline constexpr int32_t kInt32 = 6;
inline constexpr int32_t kInt64 = 7;
inline constexpr int32_t kString = 8;
inline constexpr int32_t kBool = 9;
inline constexpr int32_t kFloat16 = 10;
inline constexpr int32_t kDouble = 11;
inline constexpr int32_t kUInt32 = 12;
inline constexpr int32_t kUInt64 = 13;
inline constexpr int32_t kBFloat16 = 16;
inline constexpr int32_t kUInt4 = 21;
inline constexpr int32_t kInt4 = 22;
}  // namespace onnx_type

// The dtype in memory of an element type: float32 for every float type, one byte for 4-bit
// integers.  `what` names file and tensor.
// Throws Error(kUnsupported) for strings, complex and 8-bit floats, Error(kMalformed) for a number
// that names no type.
DType DTypeFromOnnxType(int32_t data_type, const std::string& what);

// Reads the tensors of one model. Tensors that name the same range of the same file share a buffer.
class OnnxTensorReader {
 public:
  // `folder` holds the model, and the files of external data.
  explicit OnnxTensorReader(const std::filesystem::path& folder) : external_(folder) {}

  // Elements from raw_data, the field that the type prescribes, or external data, whichever is
  // there; the message is empty afterwards, its memory freed.
  // Throws Error(kMalformed) for shapes and element counts that do not fit each other, values out
  // of their type's range, NaN, float64 values beyond float32, segments; Error(kUnsupported) as
  // DTypeFromOnnxType, and for more than kMaxRank dimensions; Error(kIo).
  Tensor Read(onnx::TensorProto* message, const std::string& what);

 private:
  Tensor ReadExternal(const onnx::TensorProto& message, const Shape& shape,
                      const std::string& what);

  OnnxExternalData external_;
  // location, offset, bytes, element type -> elements as one dimension
  std::map<std::tuple<std::string, int64_t, int64_t, int32_t>, Tensor> shared_;
};

}  // namespace adaround
