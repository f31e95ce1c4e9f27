#include "adaround/runtime/executor.h"

#include <algorithm>
#include <optional>

#include "adaround/base/error.h"
#include "runtime/kernel.h"
#include "runtime/op_macs.h"
#include "runtime/output_limit.h"

namespace adaround {

struct Executor::NodeState {
  KernelFunction kernel;  // empty where the operator has none
  std::atomic<int64_t> macs{0};
};

namespace {

std::string NodeTitle(const Node& node) {
  return "node '" + Printable(node.name) + "' (" + Printable(node.op) + ")";
}

// "net.onnx: ", where the graph was read from a file.
std::string SourcePrefix(const Graph& graph) {
  return graph.source.empty() ? "" : Printable(graph.source, 4096) + ": ";
}

KernelInputs ConstantInputs(const Graph& graph, const Node& node) {
  KernelInputs constants;
  for (const std::string& input : node.inputs) {
    const auto found = graph.initializers.find(input);
    constants.push_back(found == graph.initializers.end() ? nullptr : &found->second);
  }
  return constants;
}

KernelFunction BuildNodeKernel(const Graph& graph, const Node& node) {
  try {
    return CreateKernel({node, graph.opset, ConstantInputs(graph, node)});
  } catch (const Error& error) {
    throw error.WithContext(SourcePrefix(graph) + NodeTitle(node));
  }
}

std::vector<Tensor> RunKernel(const KernelFunction& kernel, const Graph& graph, const Node& node,
                              const KernelInputs& inputs) {
  try {
    std::vector<Tensor> outputs = kernel(inputs);
    ADAROUND_CHECK(outputs.size() >= node.outputs.size());
    return outputs;
  } catch (const Error& error) {
    throw error.WithContext(SourcePrefix(graph) + NodeTitle(node));
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::kUnsupported, SourcePrefix(graph) + NodeTitle(node) +
                                             ": its output does not fit into memory");
  }
}

// What folding may add to a graph: a few bytes of ConstantOfShape, Expand or Tile must not become
// gigabytes that are kept. Dequantized weights have four times the bytes of their integers, and
// some steps may follow.
constexpr size_t kFoldedBytes = size_t{512} << 20;
constexpr size_t kFoldedBytesPerStored = 8;

size_t InitializerBytes(const Graph& graph) {
  size_t bytes = 0;
  for (const auto& [name, tensor] : graph.initializers) bytes += tensor.num_bytes();
  return bytes;
}

// What the node makes of initializers, where all outputs together have at most `max_bytes`.
std::optional<std::vector<Tensor>> Fold(const Graph& graph, const Node& node, size_t max_bytes) {
  const ScopedOutputLimit limit(max_bytes);
  std::vector<Tensor> outputs;
  try {
    outputs = RunKernel(BuildNodeKernel(graph, node), graph, node, ConstantInputs(graph, node));
  } catch (const Error&) {
    if (limit.exceeded()) return std::nullopt;
    throw;
  }
  size_t bytes = 0;
  for (const Tensor& output : outputs) bytes += output.num_bytes();
  if (bytes > max_bytes) return std::nullopt;
  return outputs;
}

}  // namespace

Executor::Executor(Graph graph)
    : graph_(std::move(graph)), producers_(graph_.Producers()), consumers_(graph_.Consumers()) {
  for (size_t i = 0; i < graph_.nodes.size(); ++i) {
    states_.push_back(std::make_unique<NodeState>());
    if (HasKernel(graph_.nodes[i].op, graph_.opset)) BuildKernel(i);
  }
}

Executor::~Executor() = default;

void Executor::BuildKernel(size_t node) {
  states_[node]->kernel = BuildNodeKernel(graph_, graph_.nodes[node]);
}

void Executor::SetInitializer(const std::string& name, Tensor value) {
  const auto found = graph_.initializers.find(name);
  ADAROUND_CHECK(found != graph_.initializers.end());
  ADAROUND_CHECK(found->second.dtype() == value.dtype() && found->second.shape() == value.shape());
  found->second = std::move(value);
  for (const size_t node : consumers_[name]) {
    if (states_[node]->kernel) BuildKernel(node);
  }
}

void Executor::SetHook(const std::string& tensor, Hook hook) {
  hooks_[tensor] = std::move(hook);
}

ExecutionPlan Executor::Plan(const std::set<std::string>& available,
                             const std::set<std::string>& wanted) const {
  ExecutionPlan plan;
  plan.wanted = wanted;
  std::vector<std::string> open(wanted.begin(), wanted.end());
  std::set<std::string> seen(wanted.begin(), wanted.end());
  std::set<size_t> nodes;
  std::string unsupported;
  std::string missing;
  while (!open.empty()) {
    const std::string tensor = std::move(open.back());
    open.pop_back();
    if (available.contains(tensor)) {
      plan.needed.push_back(tensor);
      continue;
    }
    if (graph_.initializers.contains(tensor)) continue;
    const auto producer = producers_.find(tensor);
    if (producer == producers_.end()) {
      missing += (missing.empty() ? "'" : ", '") + Printable(tensor) + "'";
      continue;
    }
    if (!nodes.insert(producer->second).second) continue;
    const Node& node = graph_.nodes[producer->second];
    if (!states_[producer->second]->kernel) {
      unsupported += (unsupported.empty() ? "" : ", ") + NodeTitle(node);
    }
    for (const std::string& input : node.inputs) {
      if (!input.empty() && seen.insert(input).second) open.push_back(input);
    }
  }
  if (!unsupported.empty()) {
    throw Error(ErrorCode::kUnsupported,
                SourcePrefix(graph_) + "no kernel at opset " + std::to_string(graph_.opset) +
                    " for: " + unsupported +
                    "; give the tensors these nodes make as calibration arrays to go around them");
  }
  if (!missing.empty()) {
    throw Error(ErrorCode::kMalformed, "the data holds no array for graph input " + missing +
                                           "; add one .npy file per input, named like the tensor");
  }
  plan.nodes.assign(nodes.begin(), nodes.end());
  std::sort(plan.needed.begin(), plan.needed.end());

  FindLastUses(plan);
  return plan;
}

ExecutionPlan Executor::PlanAndFree(const std::set<std::string>& available,
                                    const std::set<std::string>& wanted) const {
  ExecutionPlan plan = Plan(available, wanted);
  plan.wanted.clear();
  FindLastUses(plan);
  return plan;
}

void Executor::FindLastUses(ExecutionPlan& plan) const {
  plan.last_used.assign(plan.nodes.size(), {});
  std::set<std::string> used_later = plan.wanted;
  for (size_t i = plan.nodes.size(); i-- > 0;) {
    const Node& node = graph_.nodes[plan.nodes[i]];
    for (const auto* names : {&node.inputs, &node.outputs}) {
      for (const std::string& name : *names) {
        if (!name.empty() && used_later.insert(name).second) plan.last_used[i].push_back(name);
      }
    }
  }
}

TensorMap Executor::Run(const ExecutionPlan& plan, TensorMap values, const Observer& observer,
                        const Observer& before_hook) const {
  const auto show = [&](const std::string& name, Tensor& value) {
    if (const auto hook = hooks_.find(name); hook != hooks_.end()) {
      if (before_hook) before_hook(name, value);
      value = hook->second(value);
    }
    if (observer) observer(name, value);
  };
  for (const std::string& name : plan.needed) show(name, values.at(name));
  for (size_t i = 0; i < plan.nodes.size(); ++i) {
    const Node& node = graph_.nodes[plan.nodes[i]];
    NodeState& state = *states_[plan.nodes[i]];
    KernelInputs inputs;
    for (const std::string& name : node.inputs) {
      if (name.empty()) {
        inputs.push_back(nullptr);
      } else if (const auto given = values.find(name); given != values.end()) {
        inputs.push_back(&given->second);
      } else {
        inputs.push_back(&graph_.initializers.at(name));
      }
    }
    std::vector<Tensor> outputs = RunKernel(state.kernel, graph_, node, inputs);
    const int64_t macs = CountMacs(node, inputs, outputs);
    state.macs = macs;
    num_macs_ += macs;
    for (size_t o = 0; o < node.outputs.size(); ++o) {
      if (node.outputs[o].empty()) continue;
      // A tensor that was given stays as given, also where its node runs for another output.
      const auto [entry, inserted] = values.try_emplace(node.outputs[o], std::move(outputs[o]));
      if (inserted) show(entry->first, entry->second);
    }
    for (const std::string& name : plan.last_used[i]) values.erase(name);
  }
  TensorMap result;
  for (const std::string& name : plan.wanted) {
    const auto found = values.find(name);
    result[name] = found != values.end() ? found->second : graph_.initializers.at(name);
  }
  return result;
}

int64_t Executor::NodeMacs(size_t node) const {
  return states_[node]->macs;
}

int64_t FoldConstants(Graph& graph) {
  std::vector<Node> kept;
  int64_t num_folded = 0;
  size_t bytes_left = kFoldedBytes + kFoldedBytesPerStored * InitializerBytes(graph);
  for (Node& node : graph.nodes) {
    const bool constant =
        std::all_of(node.inputs.begin(), node.inputs.end(), [&](const std::string& input) {
          return input.empty() || graph.initializers.contains(input);
        });
    std::optional<std::vector<Tensor>> outputs;
    if (constant && HasKernel(node.op, graph.opset)) outputs = Fold(graph, node, bytes_left);
    if (!outputs) {
      kept.push_back(std::move(node));
      continue;
    }
    for (const Tensor& output : *outputs) bytes_left -= output.num_bytes();
    for (size_t o = 0; o < node.outputs.size(); ++o) {
      if (!node.outputs[o].empty()) graph.initializers[node.outputs[o]] = std::move((*outputs)[o]);
    }
    ++num_folded;
  }
  graph.nodes = std::move(kept);
  if (num_folded > 0) {
    const auto consumers = graph.Consumers();
    std::erase_if(graph.initializers, [&](const auto& entry) {
      return !consumers.contains(entry.first) && !graph.IsOutput(entry.first);
    });
  }
  return num_folded;
}

}  // namespace adaround
