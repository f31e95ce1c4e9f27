#include "graph/passes/element_function.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <optional>
#include <set>

#include "adaround/base/error.h"

namespace adaround {
namespace {

constexpr size_t kMaxNodes = 16;

// Operators that Apply() knows, with the inputs they take.
struct ElementOperator {
  std::string_view op;
  size_t min_inputs;
  size_t max_inputs;
};
constexpr ElementOperator kOperators[] = {
    {"Abs", 1, 1},     {"Add", 2, 2},        {"Clip", 1, 3},       {"Div", 2, 2},
    {"Erf", 1, 1},     {"Exp", 1, 1},        {"HardSigmoid", 1, 1}, {"Identity", 1, 1},
    {"LeakyRelu", 1, 1}, {"Log", 1, 1},      {"Max", 1, 4},        {"Min", 1, 4},
    {"Mul", 2, 2},     {"Neg", 1, 1},        {"Pow", 2, 2},        {"Reciprocal", 1, 1},
    {"Relu", 1, 1},    {"Sigmoid", 1, 1},    {"Softplus", 1, 1},   {"Sqrt", 1, 1},
    {"Sub", 2, 2},     {"Tanh", 1, 1},
};

bool IsElementOperator(const Node& node) {
  if (node.outputs.size() != 1) return false;
  return std::any_of(std::begin(kOperators), std::end(kOperators),
                     [&](const ElementOperator& known) {
                       return known.op == node.op && node.inputs.size() >= known.min_inputs &&
                              node.inputs.size() <= known.max_inputs;
                     });
}

// The value of an initializer with one element.
std::optional<double> ConstantValue(const Graph& graph, const std::string& name) {
  const auto found = graph.initializers.find(name);
  if (found == graph.initializers.end() || found->second.num_elements() != 1) return std::nullopt;
  return ConvertTo(found->second, DType::kFloat64).data<double>()[0];
}

double Sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

}  // namespace

double ElementFunction::Apply(const Step& step, const std::vector<double>& operands) {
  const std::string& op = step.op;
  const double x = operands[0];
  const double y = operands.size() > 1 ? operands[1] : 0.0;
  if (op == "Abs") return std::abs(x);
  if (op == "Add") return x + y;
  if (op == "Clip") {
    const double low = operands.size() > 1 ? operands[1] : step.alpha;
    const double high = operands.size() > 2 ? operands[2] : step.beta;
    return std::min(std::max(x, low), high);
  }
  if (op == "Div") return x / y;
  if (op == "Erf") return std::erf(x);
  if (op == "Exp") return std::exp(x);
  if (op == "HardSigmoid") return std::clamp(step.alpha * x + step.beta, 0.0, 1.0);
  if (op == "Identity") return x;
  if (op == "LeakyRelu") return x < 0.0 ? step.alpha * x : x;
  if (op == "Log") return std::log(x);
  if (op == "Max") return *std::max_element(operands.begin(), operands.end());
  if (op == "Min") return *std::min_element(operands.begin(), operands.end());
  if (op == "Mul") return x * y;
  if (op == "Neg") return -x;
  if (op == "Pow") return std::pow(x, y);
  if (op == "Reciprocal") return 1.0 / x;
  if (op == "Relu") return std::max(0.0, x);
  if (op == "Sigmoid") return Sigmoid(x);
  if (op == "Softplus") return std::max(0.0, x) + std::log1p(std::exp(-std::abs(x)));
  if (op == "Sqrt") return std::sqrt(x);
  if (op == "Sub") return x - y;
  ADAROUND_CHECK(op == "Tanh");
  return std::tanh(x);
}

double ElementFunction::operator()(double x) const {
  std::vector<double> values = {x};
  std::vector<double> operands;
  for (const Step& step : steps_) {
    operands.clear();
    for (const Operand& operand : step.operands) {
      operands.push_back(operand.is_constant ? operand.value : values[operand.slot]);
    }
    values.push_back(Apply(step, operands));
  }
  return values.back();
}

// Grows a group node by node, each reading only the group and constants, and keeps it as it is
// whenever one tensor alone is read from outside. The last tensor of such a group lies on every
// path from the first, so it is complete just when its node is added, whatever the order.
class ElementFunctionFinder {
 public:
  ElementFunctionFinder(const Graph& graph,
                        const std::map<std::string, std::vector<size_t>>& consumers,
                        const std::string& tensor)
      : graph_(graph), consumers_(consumers), slots_{{tensor, 0}} {
    AddReaders(tensor);
  }

  std::vector<ElementFunction> Find() {
    std::vector<ElementFunction> found;
    while (function_.steps_.size() < kMaxNodes && AddNode()) {
      if (IsClosed()) found.push_back(function_);
    }
    return found;
  }

 private:
  void AddReaders(const std::string& tensor) {
    const auto readers = consumers_.find(tensor);
    if (readers == consumers_.end()) return;
    frontier_.insert(readers->second.begin(), readers->second.end());
  }

  bool AddNode() {
    for (const size_t index : frontier_) {
      const Node& node = graph_.nodes[index];
      const std::optional<ElementFunction::Step> step = StepOf(node);
      if (!step) continue;
      function_.steps_.push_back(*step);
      function_.last_node_ = node.name;
      nodes_.insert(index);
      frontier_.erase(index);
      slots_[node.outputs[0]] = function_.steps_.size();
      AddReaders(node.outputs[0]);
      return true;
    }
    return false;
  }

  // The node as a step, where all it reads is in the group or constant.
  std::optional<ElementFunction::Step> StepOf(const Node& node) const {
    if (!IsElementOperator(node)) return std::nullopt;
    ElementFunction::Step step;
    step.op = node.op;
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    if (node.op == "HardSigmoid") {
      step.alpha = node.GetFloat("alpha", 0.2);
      step.beta = node.GetFloat("beta", 0.5);
    } else if (node.op == "LeakyRelu") {
      step.alpha = node.GetFloat("alpha", 0.01);
    } else if (node.op == "Clip") {
      step.alpha = node.GetFloat("min", -kInfinity);
      step.beta = node.GetFloat("max", kInfinity);
    }
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      ElementFunction::Operand operand;
      const auto slot = slots_.find(node.inputs[i]);
      const std::optional<double> constant = ConstantValue(graph_, node.inputs[i]);
      if (slot != slots_.end()) {
        operand.slot = slot->second;
      } else if (constant) {
        operand.is_constant = true;
        operand.value = *constant;
      } else if (node.inputs[i].empty() && node.op == "Clip" && i > 0) {
        operand.is_constant = true;
        operand.value = i == 1 ? -kInfinity : kInfinity;
      } else {
        return std::nullopt;
      }
      step.operands.push_back(operand);
    }
    return step;
  }

  // Whether only the newest tensor is seen from outside the group.
  bool IsClosed() const {
    for (const auto& [tensor, slot] : slots_) {
      if (slot == function_.steps_.size()) continue;
      if (graph_.IsOutput(tensor)) return false;
      const auto readers = consumers_.find(tensor);
      if (readers == consumers_.end()) return false;
      for (const size_t reader : readers->second) {
        if (!nodes_.contains(reader)) return false;
      }
    }
    return true;
  }

  const Graph& graph_;
  const std::map<std::string, std::vector<size_t>>& consumers_;
  std::map<std::string, size_t> slots_;  // of the group's tensors
  std::set<size_t> nodes_;               // in the group
  std::set<size_t> frontier_;            // readers that are not
  ElementFunction function_;
};

std::vector<ElementFunction> FindElementFunctions(
    const Graph& graph, const std::map<std::string, std::vector<size_t>>& consumers,
    const std::string& tensor) {
  if (graph.IsOutput(tensor)) return {};
  return ElementFunctionFinder(graph, consumers, tensor).Find();
}

}  // namespace adaround
