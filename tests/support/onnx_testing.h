// ONNX messages made by hand.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "adaround/tensor/shape.h"
#include "adaround/tensor/tensor.h"
#include "io/onnx_tensor.h"

namespace adaround::testing {

inline onnx::TensorProto FloatTensorProto(const std::string& name, const Shape& dims,
                                          const std::vector<float>& values) {
  onnx::TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(onnx_type::kFloat);
  for (const int64_t dim : dims) tensor.add_dims(dim);
  for (const float value : values) tensor.add_float_data(value);
  return tensor;
}

inline onnx::TensorProto IntTensorProto(const std::string& name, const Shape& dims,
                                        const std::vector<int64_t>& values) {
  onnx::TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(onnx_type::kInt64);
  for (const int64_t dim : dims) tensor.add_dims(dim);
  for (const int64_t value : values) tensor.add_int64_data(value);
  return tensor;
}

// Of any type, its elements' bytes as they are.
inline onnx::TensorProto RawTensorProto(const std::string& name, int32_t data_type,
                                        const Shape& dims, const std::string& bytes) {
  onnx::TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(data_type);
  for (const int64_t dim : dims) tensor.add_dims(dim);
  tensor.set_raw_data(bytes);
  return tensor;
}

inline onnx::AttributeProto IntAttribute(const std::string& name, int64_t value) {
  onnx::AttributeProto attribute;
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::INT);
  attribute.set_i(value);
  return attribute;
}

inline onnx::AttributeProto FloatAttribute(const std::string& name, float value) {
  onnx::AttributeProto attribute;
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::FLOAT);
  attribute.set_f(value);
  return attribute;
}

inline onnx::AttributeProto StringAttribute(const std::string& name, const std::string& value) {
  onnx::AttributeProto attribute;
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::STRING);
  attribute.set_s(value);
  return attribute;
}

inline onnx::AttributeProto IntsAttribute(const std::string& name,
                                          const std::vector<int64_t>& values) {
  onnx::AttributeProto attribute;
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::INTS);
  for (const int64_t value : values) attribute.add_ints(value);
  return attribute;
}

inline onnx::AttributeProto TensorAttribute(const std::string& name, onnx::TensorProto value) {
  onnx::AttributeProto attribute;
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::TENSOR);
  *attribute.mutable_t() = std::move(value);
  return attribute;
}

inline onnx::AttributeProto GraphAttribute(const std::string& name, onnx::GraphProto value) {
  onnx::AttributeProto attribute;
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::GRAPH);
  *attribute.mutable_g() = std::move(value);
  return attribute;
}

// A model under construction. Its message may be changed at will.
class OnnxBuilder {
 public:
  explicit OnnxBuilder(int64_t opset = 17, int64_t ir_version = 8) {
    proto_.set_ir_version(ir_version);
    proto_.add_opset_import()->set_version(opset);
    proto_.mutable_graph()->set_name("graph");
  }

  onnx::ModelProto& proto() { return proto_; }
  onnx::GraphProto& graph() { return *proto_.mutable_graph(); }

  // Extents below 0 are symbolic, called "N".
  onnx::ValueInfoProto* AddInput(const std::string& name, const Shape& dims,
                                 int32_t data_type = onnx_type::kFloat) {
    onnx::ValueInfoProto* value = graph().add_input();
    value->set_name(name);
    onnx::TypeProto::Tensor* type = value->mutable_type()->mutable_tensor_type();
    type->set_elem_type(data_type);
    type->mutable_shape();
    for (const int64_t dim : dims) {
      if (dim >= 0) {
        type->mutable_shape()->add_dim()->set_dim_value(dim);
      } else {
        type->mutable_shape()->add_dim()->set_dim_param("N");
      }
    }
    return value;
  }

  void AddOutput(const std::string& name) { graph().add_output()->set_name(name); }

  onnx::TensorProto* AddInitializer(onnx::TensorProto tensor) {
    *graph().add_initializer() = std::move(tensor);
    return graph().mutable_initializer(graph().initializer_size() - 1);
  }

  onnx::NodeProto* AddNode(const std::string& op, const std::vector<std::string>& inputs,
                           const std::vector<std::string>& outputs,
                           const std::vector<onnx::AttributeProto>& attributes = {}) {
    onnx::NodeProto* node = graph().add_node();
    node->set_op_type(op);
    for (const std::string& input : inputs) node->add_input(input);
    for (const std::string& output : outputs) node->add_output(output);
    for (const onnx::AttributeProto& attribute : attributes) *node->add_attribute() = attribute;
    return node;
  }

  std::string Bytes() const { return proto_.SerializeAsString(); }

  // Writes the model and returns `path`.
  std::filesystem::path Write(const std::filesystem::path& path) const {
    const std::string bytes = Bytes();
    std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<long>(bytes.size()));
    return path;
  }

 private:
  onnx::ModelProto proto_;
};

// The bytes of values, in this machine's order.
template <typename T>
std::string BytesOf(const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

}  // namespace adaround::testing
