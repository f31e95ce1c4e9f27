// Functions of one variable that are spread over several element-wise nodes.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "adaround/graph/graph.h"

namespace adaround {

// What a group of nodes computes from each element of one tensor, every other operand being one
// constant. Nothing outside the group reads any of its tensors but the last.
class ElementFunction {
 public:
  // The value for one element; may be NaN or infinite.
  double operator()(double x) const;

  // The node that makes the result, and how many nodes the group has.
  const std::string& last_node() const { return last_node_; }
  size_t num_nodes() const { return steps_.size(); }

 private:
  friend class ElementFunctionFinder;

  struct Operand {
    bool is_constant = false;
    double value = 0.0;  // where it is constant
    size_t slot = 0;     // else: 0 = the element, i = result of step i - 1
  };
  struct Step {
    std::string op;
    std::vector<Operand> operands;
    double alpha = 0.0;  // attributes of HardSigmoid, LeakyRelu and Clip (as bounds)
    double beta = 0.0;
  };

  static double Apply(const Step& step, const std::vector<double>& operands);

  std::vector<Step> steps_;
  std::string last_node_;
};

// Every such group that begins with all readers of `tensor`, shortest first; none where the tensor
// is a graph output. Groups of more than 16 nodes are not looked for.
// `consumers` is graph.Consumers().
std::vector<ElementFunction> FindElementFunctions(
    const Graph& graph, const std::map<std::string, std::vector<size_t>>& consumers,
    const std::string& tensor);

}  // namespace adaround
