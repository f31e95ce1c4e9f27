#include "graph/passes/own_bias.h"

#include <algorithm>
#include <map>
#include <set>

#include "graph/name_book.h"

namespace adaround {
namespace {

class BiasGiver {
 public:
  explicit BiasGiver(Graph& graph)
      : graph_(graph),
        consumers_(graph.Consumers()),
        node_names_(NodeNames(graph)),
        tensor_names_(TensorNames(graph)) {}

  void Give(const LinearLayer& layer) {
    if (!layer.bias.empty() && IsOwn(layer)) return;
    const std::string name =
        tensor_names_.Fresh((layer.bias.empty() ? layer.output : layer.bias) + "/bias");
    graph_.initializers[name] =
        Tensor::FromVector<float>({layer.num_rows}, LayerBias(graph_, layer));
    Node& node = graph_.nodes[layer.node];
    if (layer.output != node.outputs[0]) {
      Node& add = graph_.nodes[consumers_.at(node.outputs[0]).front()];
      std::replace(add.inputs.begin(), add.inputs.end(), layer.bias, name);
    } else if (layer.kind == LinearKind::kMatMul) {
      node.outputs[0] = tensor_names_.Fresh(layer.output + "/product");
      Node add = NewNode(node_names_, "Add", {node.outputs[0], name}, layer.output, {});
      if (graph_.opset < 7) add.attributes["broadcast"] = int64_t{1};
      added_behind_[layer.node] = std::move(add);
    } else {
      node.inputs.resize(3);
      node.inputs[2] = name;
      if (layer.kind == LinearKind::kGemm) {
        node.attributes["beta"] = 1.0;
        if (graph_.opset < 7) node.attributes["broadcast"] = int64_t{1};
      }
    }
  }

  void Finish() {
    std::vector<Node> nodes;
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      nodes.push_back(std::move(graph_.nodes[i]));
      const auto added = added_behind_.find(i);
      if (added != added_behind_.end()) nodes.push_back(std::move(added->second));
    }
    graph_.nodes = std::move(nodes);
    const auto readers = graph_.Consumers();
    std::erase_if(graph_.initializers, [&](const auto& entry) {
      return consumers_.contains(entry.first) && !readers.contains(entry.first) &&
             !graph_.IsOutput(entry.first);
    });
  }

 private:
  bool IsOwn(const LinearLayer& layer) const {
    size_t times = 0;
    for (const size_t reader : consumers_.at(layer.bias)) {
      const std::vector<std::string>& inputs = graph_.nodes[reader].inputs;
      times += static_cast<size_t>(std::count(inputs.begin(), inputs.end(), layer.bias));
    }
    return times == 1 && !graph_.IsOutput(layer.bias) && layer.bias_factor == 1.0 &&
           graph_.initializers.at(layer.bias).num_elements() == layer.num_rows;
  }

  Graph& graph_;
  std::map<std::string, std::vector<size_t>> consumers_;
  NameBook node_names_;
  NameBook tensor_names_;
  std::map<size_t, Node> added_behind_;
};

}  // namespace

void GiveOwnBiases(Graph& graph, const std::vector<LinearLayer>& layers) {
  BiasGiver giver(graph);
  for (const LinearLayer& layer : layers) giver.Give(layer);
  giver.Finish();
}

}  // namespace adaround
