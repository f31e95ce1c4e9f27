// Names that are free in a graph, and nodes that take one.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "adaround/graph/graph.h"

namespace adaround {

// A set of names, to which it adds new ones. Time does not depend on how many names clash.
class NameBook {
 public:
  void Add(const std::string& name) { names_.insert(name); }
  // `wanted`, or wanted + "_" + a number that makes it free; taken from now on.
  std::string Fresh(const std::string& wanted) {
    std::string name = wanted;
    int& next = next_number_[wanted];
    while (!names_.insert(name).second) name = wanted + "_" + std::to_string(++next);
    return name;
  }

 private:
  std::set<std::string> names_;
  std::map<std::string, int> next_number_;
};

inline NameBook TensorNames(const Graph& graph) {
  NameBook names;
  for (const GraphInput& input : graph.inputs) names.Add(input.name);
  for (const auto& [name, tensor] : graph.initializers) names.Add(name);
  for (const Node& node : graph.nodes) {
    for (const std::string& output : node.outputs) names.Add(output);
  }
  return names;
}

inline NameBook NodeNames(const Graph& graph) {
  NameBook names;
  for (const Node& node : graph.nodes) names.Add(node.name);
  return names;
}

// A node that makes `output` and is called after it, by a name that `nodes` holds from now on.
inline Node NewNode(NameBook& nodes, const std::string& op, std::vector<std::string> inputs,
                    const std::string& output, std::map<std::string, Attribute> attributes) {
  Node node;
  node.name = nodes.Fresh(output + "/" + op);
  node.op = op;
  node.inputs = std::move(inputs);
  node.outputs = {output};
  node.attributes = std::move(attributes);
  return node;
}

}  // namespace adaround
