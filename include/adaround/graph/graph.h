// A network as a graph of ONNX operators: the one representation between readers, passes, the
// executor and writers.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "adaround/tensor/tensor.h"

namespace adaround {

// An operator's attribute, named and meant as in ONNX at the graph's opset.
using Attribute = std::variant<int64_t, double, std::string, std::vector<int64_t>,
                               std::vector<double>, std::vector<std::string>, Tensor>;

struct Node {
  std::string name;
  std::string op;                    // ONNX operator name; DOMAIN::NAME in another domain
  std::vector<std::string> inputs;   // "" = an optional input left out
  std::vector<std::string> outputs;  // "" = an optional output left out
  std::map<std::string, Attribute> attributes;

  // The attribute's value, or `fallback` where it is absent.
  // Throws Error(kMalformed), naming node and attribute, where the type does not fit. A whole
  // number serves as float; an empty list fits every list type.
  int64_t GetInt(std::string_view key, int64_t fallback) const;
  double GetFloat(std::string_view key, double fallback) const;
  std::string GetString(std::string_view key, std::string_view fallback) const;
  std::vector<int64_t> GetInts(std::string_view key, std::vector<int64_t> fallback) const;
  std::vector<double> GetFloats(std::string_view key, std::vector<double> fallback) const;
  bool HasAttribute(std::string_view key) const;
};

// How 8-bit pixels become the input's values: value = (pixel * scale - mean[c]) / std[c], with c
// along ChannelAxis (image_layout.h). `mean` and `std` hold one value or one per channel.
struct Preprocess {
  double scale = 1.0;
  std::vector<double> mean = {0.0};
  std::vector<double> std = {1.0};
  // For image folders: shorter side after resizing; central crop's extent; pixel order.
  std::optional<int64_t> resize;
  std::optional<int64_t> crop;
  std::optional<std::string> interpolation;
  std::optional<std::string> channel_order;
};

struct GraphInput {
  std::string name;
  DType dtype = DType::kFloat32;
  // Extents; -1 where the file holds a symbol (the number of samples, for axis 0).
  Shape shape;
  // What the file calls each symbolic extent; "" for the others. Same length as shape.
  std::vector<std::string> symbols;
  std::optional<Preprocess> preprocess;
};

struct Graph {
  int64_t opset = 13;
  std::vector<GraphInput> inputs;
  std::vector<std::string> outputs;
  std::vector<Node> nodes;  // any order until SortTopologically()
  std::map<std::string, Tensor> initializers;
  std::string source;  // the file that it was read from, for messages; "" = none

  // Every violation of: unique node outputs, inputs and initializers; every consumed tensor is
  // produced, given or an initializer; every output exists; no cycles. Empty = sound.
  std::vector<std::string> Validate() const;

  // Orders nodes so that each follows its producers; keeps the given order among equals.
  // REQUIRES: Validate() is empty.
  void SortTopologically();

  // Indices of the nodes that read each tensor, in node order; a node that reads a tensor twice is
  // named once. Graph outputs are not consumers.
  std::map<std::string, std::vector<size_t>> Consumers() const;
  // Index of the node that makes each tensor.
  std::map<std::string, size_t> Producers() const;
  bool IsOutput(const std::string& tensor) const;
};

}  // namespace adaround
