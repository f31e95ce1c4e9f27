#include "runtime/differentiator.h"

#include <algorithm>
#include <utility>

#include "adaround/base/error.h"
#include "runtime/kernels/kernel_util.h"

namespace adaround {
namespace {

std::string NodeTitle(const Node& node) {
  return "node '" + Printable(node.name) + "' (" + Printable(node.op) + ")";
}

void Append(std::string& list, const std::string& entry) {
  list += (list.empty() ? "" : ", ") + entry;
}

void AddTo(Tensor& sum, const Tensor& more) {
  // Out of place: a gradient may share its buffer with another one (Identity, Reshape).
  Tensor result(DType::kFloat32, sum.shape());
  const float* a = sum.data<float>();
  const float* b = more.data<float>();
  float* out = result.mutable_data<float>();
  for (int64_t i = 0; i < result.num_elements(); ++i) out[i] = a[i] + b[i];
  sum = std::move(result);
}

void Accumulate(TensorMap& gradients, const std::string& name, Tensor gradient) {
  const auto [entry, inserted] = gradients.try_emplace(name, gradient);
  if (!inserted) AddTo(entry->second, gradient);
}

std::vector<bool> KeptInputs(const GradientRow& row, const std::vector<bool>& wanted) {
  const auto num_wanted = std::count(wanted.begin(), wanted.end(), true);
  std::vector<bool> keeps;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const bool is_parameter = !Holds(row.differentiable, i);
    const bool has_wanted_other = num_wanted > (wanted[i] ? 1 : 0);
    keeps.push_back(is_parameter || row.keeps == Keeps::kInputs ||
                    (row.keeps == Keeps::kOthers && has_wanted_other));
  }
  return keeps;
}

}  // namespace

Differentiator::Differentiator(const Executor& executor, DerivativeRequest request)
    : executor_(executor), request_(std::move(request)) {
  const Graph& graph = executor.graph();
  plan_ = executor.Plan(request_.available, request_.outputs);

  // Forwards: which tensors depend on `wrt`. Nodes without a derivative are noted, and refused
  // where a path goes through them.
  std::set<std::string> dependent = request_.wrt;
  std::map<size_t, std::string> refusals;
  for (const size_t index : plan_.nodes) {
    const Node& node = graph.nodes[index];
    std::vector<bool> wanted;
    for (const std::string& input : node.inputs) {
      wanted.push_back(!input.empty() && dependent.contains(input));
    }
    if (std::find(wanted.begin(), wanted.end(), true) == wanted.end()) continue;
    const GradientRow* row = FindGradientRow(node.op, graph.opset);
    if (row != nullptr && row->create == nullptr) continue;
    BackwardNode step{index, {}, wanted, std::vector<bool>(wanted.size(), false)};
    if (row == nullptr) {
      Append(refusals[index], NodeTitle(node));
    } else {
      for (size_t i = 0; i < wanted.size(); ++i) {
        if (!wanted[i] || Holds(row->differentiable, i)) continue;
        Append(refusals[index], NodeTitle(node) + " by its input " + std::to_string(i));
      }
      try {
        step.gradient = row->create({node, graph.opset});
        step.keeps = KeptInputs(*row, wanted);
      } catch (const Error& error) {
        Append(refusals[index], NodeTitle(node) + " (" + error.what() + ")");
      }
    }
    backward_.push_back(std::move(step));
    for (const std::string& output : node.outputs) {
      // A given tensor is a leaf, also where its node runs for another output.
      if (!output.empty() && !request_.available.contains(output)) dependent.insert(output);
    }
  }

  // Backwards: which of them lead to the outputs.
  std::set<std::string> leading = request_.outputs;
  std::reverse(backward_.begin(), backward_.end());
  std::vector<BackwardNode> kept_nodes;
  std::string unsupported;
  for (BackwardNode& step : backward_) {
    const Node& node = graph.nodes[step.node];
    const bool leads =
        std::any_of(node.outputs.begin(), node.outputs.end(), [&](const std::string& output) {
          return leading.contains(output) && !request_.available.contains(output);
        });
    if (!leads) continue;
    if (const auto refusal = refusals.find(step.node); refusal != refusals.end()) {
      Append(unsupported, refusal->second);
    }
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const std::string& input = node.inputs[i];
      if (input.empty()) continue;
      if (step.wanted[i]) leading.insert(input);
      if (graph.initializers.contains(input) && !request_.available.contains(input)) continue;
      shaped_.insert(input);
      if (step.keeps[i]) kept_.insert(input);
    }
    kept_nodes.push_back(std::move(step));
  }
  backward_ = std::move(kept_nodes);
  if (!unsupported.empty()) {
    throw Error(ErrorCode::kUnsupported,
                "no derivative at opset " + std::to_string(graph.opset) + " of: " + unsupported +
                    "; methods and losses that need no derivatives run these networks");
  }
  std::string missing;
  for (const std::string& name : request_.wrt) {
    if (!leading.contains(name)) Append(missing, "'" + Printable(name) + "'");
  }
  if (!missing.empty()) {
    std::string outputs;
    for (const std::string& name : request_.outputs) Append(outputs, "'" + Printable(name) + "'");
    throw Error(ErrorCode::kInvalidArgument,
                outputs + " does not depend on " + missing + ": there is no derivative");
  }
}

void Differentiator::SetGradientHook(const std::string& tensor, GradientHook hook) {
  hooks_[tensor] = std::move(hook);
}

std::vector<size_t> Differentiator::nodes() const {
  std::vector<size_t> indices;
  for (size_t i = backward_.size(); i-- > 0;) indices.push_back(backward_[i].node);
  return indices;
}

size_t Differentiator::Tape::num_bytes() const {
  size_t bytes = 0;
  for (const TensorMap* tensors : {&kept_, &before_hook_}) {
    for (const auto& [name, tensor] : *tensors) bytes += tensor.num_bytes();
  }
  return bytes;
}

Differentiator::Tape Differentiator::Forward(TensorMap values) const {
  Tape tape;
  const auto keep = [&](const std::string& name, const Tensor& value) {
    if (shaped_.contains(name)) tape.shapes_[name] = value.shape();
    if (kept_.contains(name)) tape.kept_[name] = value;
  };
  const auto keep_before = [&](const std::string& name, const Tensor& value) {
    if (hooks_.contains(name)) tape.before_hook_[name] = value;
  };
  tape.outputs_ = executor_.Run(plan_, std::move(values), keep, keep_before);
  return tape;
}

TensorMap Differentiator::Backward(const Tape& tape, const TensorMap& output_gradients) const {
  const Graph& graph = executor_.graph();
  TensorMap gradients;
  for (const auto& [name, gradient] : output_gradients) {
    const Tensor& output = tape.outputs_.at(name);
    ADAROUND_CHECK(gradient.dtype() == DType::kFloat32 && gradient.shape() == output.shape());
    gradients[name] = gradient;
  }
  TensorMap result;
  // A tensor's gradient is complete when the node that makes it is reached, or at the end.
  const auto finish = [&](const std::string& name, Tensor gradient) {
    if (const auto hook = hooks_.find(name); hook != hooks_.end()) {
      if (const auto before = tape.before_hook_.find(name); before != tape.before_hook_.end()) {
        gradient = hook->second(before->second, gradient);
      }
    }
    if (request_.wrt.contains(name)) result[name] = gradient;
    return gradient;
  };
  for (const BackwardNode& step : backward_) {
    const Node& node = graph.nodes[step.node];
    GradientCall call;
    call.wanted = step.wanted;
    std::vector<Tensor> of_outputs(node.outputs.size());
    bool any = false;
    for (size_t o = 0; o < node.outputs.size(); ++o) {
      call.output_gradients.push_back(nullptr);
      const auto found = gradients.find(node.outputs[o]);
      if (node.outputs[o].empty() || found == gradients.end()) continue;
      if (request_.available.contains(node.outputs[o])) continue;
      of_outputs[o] = finish(node.outputs[o], std::move(found->second));
      gradients.erase(found);
      call.output_gradients[o] = &of_outputs[o];
      any = true;
    }
    if (!any) continue;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const std::string& input = node.inputs[i];
      call.inputs.push_back(nullptr);
      call.input_shapes.emplace_back();
      if (input.empty()) continue;
      if (const auto shape = tape.shapes_.find(input); shape != tape.shapes_.end()) {
        call.input_shapes[i] = shape->second;
        if (step.keeps[i]) call.inputs[i] = &tape.kept_.at(input);
      } else {
        const Tensor& constant = graph.initializers.at(input);
        call.input_shapes[i] = constant.shape();
        call.inputs[i] = &constant;
      }
    }
    std::vector<Tensor> of_inputs;
    try {
      for (const Tensor* gradient : call.output_gradients) {
        if (gradient != nullptr) kernels::CheckFloat(*gradient, "the derivative");
      }
      of_inputs = step.gradient(call);
    } catch (const Error& error) {
      throw error.WithContext("derivative of " + NodeTitle(node));
    }
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (!step.wanted[i]) continue;
      ADAROUND_CHECK(of_inputs[i].shape() == call.input_shapes[i]);
      Accumulate(gradients, node.inputs[i], std::move(of_inputs[i]));
    }
  }
  for (auto& [name, gradient] : gradients) finish(name, std::move(gradient));
  for (const std::string& name : request_.wrt) {
    if (result.contains(name)) continue;
    // Reached by no output that a gradient was given for.
    Shape shape;
    if (const auto found = tape.shapes_.find(name); found != tape.shapes_.end()) {
      shape = found->second;
    } else if (const auto output = tape.outputs_.find(name); output != tape.outputs_.end()) {
      shape = output->second.shape();
    } else {
      shape = graph.initializers.at(name).shape();
    }
    result[name] = Tensor::Zeros(DType::kFloat32, shape);
  }
  return result;
}

}  // namespace adaround
