#include "graph/passes/rename_tensors.h"

#include "graph/name_book.h"

namespace adaround {

std::map<std::string, std::string> RenameTensors(Graph& graph, const std::set<std::string>& names,
                                                 const std::string& suffix) {
  NameBook book = TensorNames(graph);
  std::map<std::string, std::string> renamed;
  for (const std::string& name : names) renamed[name] = book.Fresh(name + suffix);
  for (Node& node : graph.nodes) {
    for (auto* tensors : {&node.inputs, &node.outputs}) {
      for (std::string& tensor : *tensors) {
        const auto found = renamed.find(tensor);
        if (found != renamed.end()) tensor = found->second;
      }
    }
  }
  return renamed;
}

}  // namespace adaround
