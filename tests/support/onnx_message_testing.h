// What an ONNX file says, read from its message alone: the oracle of the writers' tests.
#pragma once

#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "adaround/graph/graph.h"

namespace adaround::testing {

inline onnx::ModelProto ReadMessage(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  onnx::ModelProto model;
  EXPECT_TRUE(model.ParseFromIstream(&in)) << path;
  return model;
}

inline const onnx::TensorProto& MessageInitializer(const onnx::ModelProto& model,
                                                   const std::string& name) {
  static const onnx::TensorProto none;
  for (const onnx::TensorProto& tensor : model.graph().initializer()) {
    if (tensor.name() == name) return tensor;
  }
  ADD_FAILURE() << "no initializer '" << name << "'";
  return none;
}

// The node that makes a tensor.
inline const onnx::NodeProto& MessageProducer(const onnx::ModelProto& model,
                                              const std::string& tensor) {
  static const onnx::NodeProto none;
  for (const onnx::NodeProto& node : model.graph().node()) {
    for (const std::string& output : node.output()) {
      if (output == tensor) return node;
    }
  }
  ADD_FAILURE() << "no node makes '" << tensor << "'";
  return none;
}

inline const onnx::AttributeProto* MessageAttribute(const onnx::NodeProto& node,
                                                    const std::string& name) {
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (attribute.name() == name) return &attribute;
  }
  return nullptr;
}

inline std::string MessageMetadata(const onnx::ModelProto& model, const std::string& key) {
  for (const onnx::StringStringEntryProto& entry : model.metadata_props()) {
    if (entry.key() == key) return entry.value();
  }
  return "(none)";
}

inline Shape MessageShape(const onnx::TensorProto& tensor) {
  return {tensor.dims().begin(), tensor.dims().end()};
}

// The whole numbers of an initializer in raw_data.
inline std::vector<int64_t> MessageIntegers(const onnx::TensorProto& tensor) {
  const std::string& raw = tensor.raw_data();
  const int64_t count = NumElements(MessageShape(tensor));
  std::vector<int64_t> values;
  for (int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<size_t>(i);
    const auto byte = [&](size_t index) {
      return index < raw.size() ? static_cast<uint8_t>(raw[index]) : uint8_t{0};
    };
    const int nibble = byte(at / 2) >> (i % 2 == 0 ? 0 : 4) & 0xF;
    int32_t word = 0;
    switch (tensor.data_type()) {
      case 2: values.push_back(byte(at)); break;
      case 3: values.push_back(static_cast<int8_t>(byte(at))); break;
      case 6:
        for (size_t b = 4; b-- > 0;) word = static_cast<int32_t>(word * 256U + byte(4 * at + b));
        values.push_back(word);
        break;
      case 21: values.push_back(nibble); break;
      case 22: values.push_back(nibble < 8 ? nibble : nibble - 16); break;
      default: ADD_FAILURE() << "data type " << tensor.data_type();
    }
  }
  return values;
}

inline Tensor MessageTensor(const onnx::TensorProto& proto) {
  Tensor tensor(proto.data_type() == 7 ? DType::kInt64 : DType::kFloat32, MessageShape(proto));
  EXPECT_TRUE(proto.data_type() == 7 || proto.data_type() == 1) << proto.name();
  EXPECT_EQ(proto.raw_data().size(), tensor.num_bytes());
  std::memcpy(tensor.mutable_raw(), proto.raw_data().data(), tensor.num_bytes());
  return tensor;
}

// DequantizeLinear of initializers as ONNX defines it, element by element.
inline Tensor NaiveDequantize(const onnx::ModelProto& model, const onnx::NodeProto& node) {
  const onnx::TensorProto& x = MessageInitializer(model, node.input(0));
  const Tensor scale = MessageTensor(MessageInitializer(model, node.input(1)));
  const std::vector<int64_t> integers = MessageIntegers(x);
  std::vector<int64_t> zero_points(static_cast<size_t>(scale.num_elements()), 0);
  if (node.input_size() > 2) {
    const onnx::TensorProto& zero_point = MessageInitializer(model, node.input(2));
    EXPECT_EQ(zero_point.data_type(), x.data_type());
    EXPECT_EQ(MessageShape(zero_point), scale.shape());
    zero_points = MessageIntegers(zero_point);
  }
  const onnx::AttributeProto* axis_attribute = MessageAttribute(node, "axis");
  const onnx::AttributeProto* block_attribute = MessageAttribute(node, "block_size");
  const int64_t axis = axis_attribute != nullptr ? axis_attribute->i() : 1;
  const int64_t block = block_attribute != nullptr ? block_attribute->i() : 0;
  const Shape shape = MessageShape(x);
  Tensor result(DType::kFloat32, shape);
  for (int64_t i = 0; i < result.num_elements(); ++i) {
    int64_t at = 0;
    if (scale.rank() > 0) {
      const int64_t along = i / Strides(shape)[static_cast<size_t>(axis)] % shape[axis];
      at = along;
      if (block > 0) {
        // The scale's position is x's, with the axis divided into blocks.
        at = 0;
        for (int64_t d = 0; d < result.rank(); ++d) {
          const int64_t index = i / Strides(shape)[static_cast<size_t>(d)] % shape[d];
          at = at * scale.dim(d) + (d == axis ? index / block : index);
        }
      }
    }
    const auto s = static_cast<size_t>(at);
    result.mutable_data<float>()[i] =
        scale.data<float>()[s] *
        static_cast<float>(integers[static_cast<size_t>(i)] - zero_points[s]);
  }
  return result;
}

inline Attribute MessageAttributeValue(const onnx::AttributeProto& attribute) {
  switch (attribute.type()) {
    case onnx::AttributeProto::INT: return int64_t{attribute.i()};
    case onnx::AttributeProto::FLOAT: return static_cast<double>(attribute.f());
    case onnx::AttributeProto::STRING: return attribute.s();
    case onnx::AttributeProto::INTS:
      return std::vector<int64_t>(attribute.ints().begin(), attribute.ints().end());
    default: ADD_FAILURE() << attribute.name(); return int64_t{0};
  }
}

// The graph of a message with every DequantizeLinear of initializers carried out.
inline Graph DequantizedGraph(const onnx::ModelProto& model) {
  Graph graph;
  graph.opset = model.opset_import(0).version();
  for (const onnx::ValueInfoProto& input : model.graph().input()) {
    GraphInput to;
    to.name = input.name();
    for (const auto& dimension : input.type().tensor_type().shape().dim()) {
      to.shape.push_back(dimension.has_dim_value() ? dimension.dim_value() : -1);
      to.symbols.push_back(dimension.dim_param());
    }
    graph.inputs.push_back(to);
  }
  for (const onnx::ValueInfoProto& output : model.graph().output()) {
    graph.outputs.push_back(output.name());
  }
  for (const onnx::NodeProto& node : model.graph().node()) {
    if (node.op_type() == "DequantizeLinear") {
      graph.initializers[node.output(0)] = NaiveDequantize(model, node);
      continue;
    }
    Node to;
    to.name = node.name();
    to.op = node.op_type();
    to.inputs.assign(node.input().begin(), node.input().end());
    to.outputs.assign(node.output().begin(), node.output().end());
    for (const onnx::AttributeProto& attribute : node.attribute()) {
      to.attributes[attribute.name()] = MessageAttributeValue(attribute);
    }
    graph.nodes.push_back(to);
  }
  for (const onnx::TensorProto& tensor : model.graph().initializer()) {
    const bool is_plain = tensor.data_type() == 1 || tensor.data_type() == 7;
    if (is_plain) graph.initializers.emplace(tensor.name(), MessageTensor(tensor));
  }
  return graph;
}

}  // namespace adaround::testing
