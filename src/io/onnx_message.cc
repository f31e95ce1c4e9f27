#include "io/onnx_message.h"

#include <google/protobuf/stubs/logging.h>

#include <limits>
#include <new>

#include "io/file_error.h"
#include "io/onnx_wire_scan.h"

namespace adaround {
namespace {

constexpr int64_t kMaxMessageBytes = std::numeric_limits<int32_t>::max();

std::vector<uint8_t> ReadAll(const InputFile& file) {
  try {
    std::vector<uint8_t> bytes(static_cast<size_t>(file.size()));
    file.ReadAt(0, bytes.data(), file.size());
    return bytes;
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::kIo, file.name() + ": not enough memory for its " +
                                    std::to_string(file.size()) + " bytes");
  }
}

}  // namespace

onnx::ModelProto ReadOnnxMessage(const InputFile& file) {
  const std::vector<uint8_t> head = file.ReadHead(64);
  if (!BeginsLikeOnnxModel(head)) ThrowMalformed(file.name(), "is no ONNX model" + LooksLike(head));
  if (file.size() > kMaxMessageBytes) {
    ThrowUnsupported(file.name(), "has " + std::to_string(file.size()) +
                                      " bytes, an ONNX message ends at " +
                                      std::to_string(kMaxMessageBytes) +
                                      "; save the model with its weights as external data");
  }
  const std::vector<uint8_t> bytes = ReadAll(file);
  try {
    ScanOnnxModel(bytes, file.name());
  } catch (const Error& error) {
    // Text and other formats may begin like a message by chance.
    if (error.code() != ErrorCode::kMalformed) throw;
    throw Error(error.code(), std::string(error.what()) + "; it is no ONNX model, or damaged" +
                                  LooksLike(head) + "; fetch or write the file again");
  }
  const google::protobuf::LogSilencer silencer;
  onnx::ModelProto model;
  if (!model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    ThrowMalformed(file.name(), "is no ONNX model, or damaged; fetch or write the file again");
  }
  return model;
}

void ForEachTensor(const onnx::GraphProto& graph,
                   const std::function<void(const onnx::TensorProto&)>& visit) {
  for (const onnx::TensorProto& tensor : graph.initializer()) visit(tensor);
  for (const onnx::NodeProto& node : graph.node()) {
    for (const onnx::AttributeProto& attribute : node.attribute()) {
      if (attribute.has_t()) visit(attribute.t());
      for (const onnx::TensorProto& tensor : attribute.tensors()) visit(tensor);
      if (attribute.has_g()) ForEachTensor(attribute.g(), visit);
      for (const onnx::GraphProto& body : attribute.graphs()) ForEachTensor(body, visit);
    }
  }
}

}  // namespace adaround
