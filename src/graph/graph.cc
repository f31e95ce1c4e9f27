#include "adaround/graph/graph.h"

#include <algorithm>
#include <queue>
#include <set>

#include "adaround/base/error.h"

namespace adaround {
namespace {

[[noreturn]] void WrongAttributeType(const Node& node, std::string_view name, const char* wanted) {
  throw Error(ErrorCode::kMalformed, "node '" + Printable(node.name) + "' (" + Printable(node.op) +
                                         "): attribute '" + Printable(std::string(name)) +
                                         "' must be " + wanted);
}

const Attribute* Find(const Node& node, std::string_view name) {
  const auto found = node.attributes.find(std::string(name));
  return found == node.attributes.end() ? nullptr : &found->second;
}

// Others could not be written to ONNX and read back as what they are.
bool NamesOperator(const std::string& op) {
  const size_t at = op.rfind("::");
  if (at == std::string::npos) return !op.empty();
  return at > 0 && at + 2 < op.size() && op.compare(0, at, "ai.onnx") != 0;
}

// Positions of nodes in an order that respects the edges, smallest index first among the ready;
// shorter than `nodes` where there is a cycle.
std::vector<size_t> TopologicalOrder(const std::vector<Node>& nodes) {
  std::map<std::string, size_t> producer;
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const std::string& output : nodes[i].outputs) {
      if (!output.empty()) producer.emplace(output, i);
    }
  }
  std::vector<size_t> missing(nodes.size(), 0);
  std::vector<std::vector<size_t>> successors(nodes.size());
  for (size_t i = 0; i < nodes.size(); ++i) {
    std::set<size_t> predecessors;
    for (const std::string& input : nodes[i].inputs) {
      const auto found = producer.find(input);
      if (found != producer.end()) predecessors.insert(found->second);
    }
    missing[i] = predecessors.size();
    for (const size_t predecessor : predecessors) successors[predecessor].push_back(i);
  }
  std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (missing[i] == 0) ready.push(i);
  }
  std::vector<size_t> order;
  while (!ready.empty()) {
    const size_t node = ready.top();
    ready.pop();
    order.push_back(node);
    for (const size_t successor : successors[node]) {
      if (--missing[successor] == 0) ready.push(successor);
    }
  }
  return order;
}

}  // namespace

int64_t Node::GetInt(std::string_view key, int64_t fallback) const {
  const Attribute* attribute = Find(*this, key);
  if (attribute == nullptr) return fallback;
  if (const auto* value = std::get_if<int64_t>(attribute)) return *value;
  WrongAttributeType(*this, key, "a whole number");
}

double Node::GetFloat(std::string_view key, double fallback) const {
  const Attribute* attribute = Find(*this, key);
  if (attribute == nullptr) return fallback;
  if (const auto* value = std::get_if<double>(attribute)) return *value;
  if (const auto* value = std::get_if<int64_t>(attribute)) return static_cast<double>(*value);
  WrongAttributeType(*this, key, "a number");
}

std::string Node::GetString(std::string_view key, std::string_view fallback) const {
  const Attribute* attribute = Find(*this, key);
  if (attribute == nullptr) return std::string(fallback);
  if (const auto* value = std::get_if<std::string>(attribute)) return *value;
  WrongAttributeType(*this, key, "a string");
}

std::vector<int64_t> Node::GetInts(std::string_view key, std::vector<int64_t> fallback) const {
  const Attribute* attribute = Find(*this, key);
  if (attribute == nullptr) return fallback;
  if (const auto* value = std::get_if<std::vector<int64_t>>(attribute)) return *value;
  if (const auto* value = std::get_if<std::vector<double>>(attribute); value && value->empty()) {
    return {};
  }
  WrongAttributeType(*this, key, "a list of whole numbers");
}

std::vector<double> Node::GetFloats(std::string_view key, std::vector<double> fallback) const {
  const Attribute* attribute = Find(*this, key);
  if (attribute == nullptr) return fallback;
  if (const auto* value = std::get_if<std::vector<double>>(attribute)) return *value;
  if (const auto* value = std::get_if<std::vector<int64_t>>(attribute)) {
    return {value->begin(), value->end()};
  }
  WrongAttributeType(*this, key, "a list of numbers");
}

bool Node::HasAttribute(std::string_view key) const {
  return Find(*this, key) != nullptr;
}

std::vector<std::string> Graph::Validate() const {
  std::vector<std::string> violations;
  std::set<std::string> available;
  const auto define = [&](const std::string& tensor, const std::string& by) {
    if (!available.insert(tensor).second) {
      violations.push_back("tensor '" + Printable(tensor) +
                           "' is defined twice, the second time by " + by);
    }
  };
  for (const auto& [name, tensor] : initializers) define(name, "an initializer");
  for (const GraphInput& input : inputs) {
    if (input.name.empty()) violations.push_back("a graph input has no name");
    define(input.name, "a graph input");
  }
  for (const Node& node : nodes) {
    if (!NamesOperator(node.op)) {
      violations.push_back("node '" + Printable(node.name) + "': '" + Printable(node.op) +
                           "' names no operator; write NAME for one of ONNX's own, DOMAIN::NAME "
                           "for another");
    }
    for (const std::string& output : node.outputs) {
      if (!output.empty()) define(output, "node '" + Printable(node.name) + "'");
    }
  }
  for (const Node& node : nodes) {
    for (const std::string& input : node.inputs) {
      if (!input.empty() && !available.contains(input)) {
        violations.push_back("node '" + Printable(node.name) + "' (" + Printable(node.op) +
                             ") reads tensor '" + Printable(input) +
                             "', which no node makes and no file holds");
      }
    }
  }
  for (const std::string& output : outputs) {
    if (!available.contains(output)) {
      violations.push_back("graph output '" + Printable(output) + "' is made by no node");
    }
  }
  if (violations.empty() && TopologicalOrder(nodes).size() != nodes.size()) {
    violations.push_back("the nodes form a cycle");
  }
  return violations;
}

void Graph::SortTopologically() {
  const std::vector<size_t> order = TopologicalOrder(nodes);
  ADAROUND_CHECK(order.size() == nodes.size());
  std::vector<Node> sorted;
  sorted.reserve(nodes.size());
  for (const size_t i : order) sorted.push_back(std::move(nodes[i]));
  nodes = std::move(sorted);
}

std::map<std::string, std::vector<size_t>> Graph::Consumers() const {
  std::map<std::string, std::vector<size_t>> consumers;
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const std::string& input : nodes[i].inputs) {
      if (input.empty()) continue;
      std::vector<size_t>& readers = consumers[input];
      if (readers.empty() || readers.back() != i) readers.push_back(i);
    }
  }
  return consumers;
}

std::map<std::string, size_t> Graph::Producers() const {
  std::map<std::string, size_t> producers;
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const std::string& output : nodes[i].outputs) {
      if (!output.empty()) producers[output] = i;
    }
  }
  return producers;
}

bool Graph::IsOutput(const std::string& tensor) const {
  return std::find(outputs.begin(), outputs.end(), tensor) != outputs.end();
}

}  // namespace adaround
