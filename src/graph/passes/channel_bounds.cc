#include "graph/passes/channel_bounds.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace adaround {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

bool AllAre(const std::vector<float>& values, float wanted) {
  return std::all_of(values.begin(), values.end(), [&](float value) { return value == wanted; });
}

}  // namespace

std::string BoundedInput(const Graph& graph, const Node& node) {
  for (const std::string& input : node.inputs) {
    if (!graph.initializers.contains(input)) return input;
  }
  return "";
}

ChannelBoundsEditor::ChannelBoundsEditor(Graph& graph) : graph_(graph) {
  for (const Node& node : graph.nodes) {
    node_names_.Add(node.name);
    for (const std::string& output : node.outputs) tensor_names_.Add(output);
  }
  for (const GraphInput& input : graph.inputs) tensor_names_.Add(input.name);
  for (const auto& [name, tensor] : graph.initializers) tensor_names_.Add(name);
}

void ChannelBoundsEditor::SetBounds(size_t index, const ChannelPlace& place,
                                    const ChannelBounds& bounds) {
  const Node& node = graph_.nodes[index];
  const std::string input = BoundedInput(graph_, node);
  const bool has_lower = !AllAre(bounds.lower, -kInfinity);
  const bool has_upper = !AllAre(bounds.upper, kInfinity);
  std::vector<Node>& made = replacements_[index];
  if (AllAre(bounds.lower, bounds.lower[0]) && AllAre(bounds.upper, bounds.upper[0]) &&
      (node.op == "Clip" || node.op == "Relu")) {
    made = {ClipNode(node, input, bounds.lower[0], bounds.upper[0])};
    return;
  }
  if (node.op == "Clip" || node.op == "Relu") ++num_split_;
  const std::string& output = node.outputs[0];
  std::string last = input;
  if (has_lower) {
    const std::string bounded = has_upper ? tensor_names_.Fresh(output + "/lower") : output;
    if (AllAre(bounds.lower, 0.0F)) {
      made.push_back(NewNode(node_names_, "Relu", {last}, bounded, {}));
    } else {
      const std::string constant = AddConstant(output + "/lower_bound", place, bounds.lower);
      made.push_back(NewNode(node_names_, "Max", {last, constant}, bounded, {}));
    }
    last = bounded;
  }
  if (has_upper) {
    const std::string constant = AddConstant(output + "/upper_bound", place, bounds.upper);
    made.push_back(NewNode(node_names_, "Min", {last, constant}, output, {}));
  }
}

std::string ChannelBoundsEditor::AddConstant(const std::string& wanted, const ChannelPlace& place,
                                             const std::vector<float>& values) {
  const std::string name = tensor_names_.Fresh(wanted);
  graph_.initializers[name] = values.size() == 1
                                  ? Tensor::FromVector<float>({1}, values)
                                  : Tensor::FromVector<float>(ChannelConstantShape(place), values);
  return name;
}

Node ChannelBoundsEditor::ClipNode(const Node& node, const std::string& input, float lower,
                                   float upper) {
  const std::string& output = node.outputs[0];
  if (lower == 0.0F && upper == kInfinity) {
    return NewNode(node_names_, "Relu", {input}, output, {});
  }
  Node clip = NewNode(node_names_, "Clip", {input}, output, {});
  const float values[2] = {lower, upper};
  const char* const names[2] = {"min", "max"};
  for (size_t i = 0; i < 2; ++i) {
    const bool bounds = std::isfinite(values[i]);
    if (graph_.opset < 11) {
      if (bounds) clip.attributes[names[i]] = static_cast<double>(values[i]);
      continue;
    }
    clip.inputs.emplace_back();
    if (!bounds) continue;
    clip.inputs.back() = tensor_names_.Fresh(output + "/" + names[i]);
    graph_.initializers[clip.inputs.back()] = Tensor::Scalar(values[i]);
  }
  while (clip.inputs.back().empty()) clip.inputs.pop_back();
  return clip;
}

void ChannelBoundsEditor::Apply() {
  const auto before = graph_.Consumers();
  std::vector<Node> nodes;
  for (size_t i = 0; i < graph_.nodes.size(); ++i) {
    const auto replacement = replacements_.find(i);
    if (replacement == replacements_.end()) {
      nodes.push_back(std::move(graph_.nodes[i]));
    } else {
      for (Node& node : replacement->second) nodes.push_back(std::move(node));
    }
  }
  graph_.nodes = std::move(nodes);
  replacements_.clear();
  const auto after = graph_.Consumers();
  std::erase_if(graph_.initializers, [&](const auto& entry) {
    return before.contains(entry.first) && !after.contains(entry.first) &&
           !graph_.IsOutput(entry.first);
  });
}

}  // namespace adaround
