// Runs a graph, or a part of it, on one sample.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "adaround/graph/graph.h"

namespace adaround {

using TensorMap = std::map<std::string, Tensor>;

// The nodes that turn some tensors into others, with the point where each tensor is last needed.
struct ExecutionPlan {
  std::vector<size_t> nodes;                        // indices in graph.nodes, in order
  std::vector<std::vector<std::string>> last_used;  // per entry of `nodes`: freed after it
  std::vector<std::string> needed;                  // tensors that Run() must be given
  std::set<std::string> wanted;                     // tensors that Run() returns
};

// Holds one kernel per node. The graph must be sorted and validated.
// Threads: Run() may be called from several threads; SetInitializer() may not overlap with it.
class Executor {
 public:
  // Nodes whose operator has no kernel are accepted as long as no plan needs them.
  // Takes the graph by value: tensors are shared, not copied.
  explicit Executor(Graph graph);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  const Graph& graph() const { return graph_; }

  // Replaces an initializer, and rebuilds the kernels that read it.
  // REQUIRES: the initializer exists with the same dtype and shape.
  void SetInitializer(const std::string& name, Tensor value);

  // From now on every reader of `tensor`, observers and the caller included, sees hook(value)
  // instead of the value that is given or computed. Initializers are not hooked.
  // Threads: may not overlap with Run(); the hook itself is called concurrently.
  using Hook = std::function<Tensor(const Tensor& value)>;
  void SetHook(const std::string& tensor, Hook hook);

  // What computes `wanted` from `available`, and no more. Tensors in `available` are taken as given
  // even where a node makes them: what only feeds that node does not run.
  // Throws Error(kUnsupported), listing every node that would be needed and has no kernel;
  // Error(kMalformed), naming the graph inputs that are needed and not available.
  ExecutionPlan Plan(const std::set<std::string>& available,
                     const std::set<std::string>& wanted) const;

  // The same, but Run() returns nothing: `wanted` is computed, observed, and freed like the rest.
  ExecutionPlan PlanAndFree(const std::set<std::string>& available,
                            const std::set<std::string>& wanted) const;

  // Called with each tensor of a run, given or computed, as soon as it is there.
  using Observer = std::function<void(const std::string& name, const Tensor& value)>;

  // Runs the plan on one sample. `values` holds at least plan.needed. Returns plan.wanted.
  // `before_hook` is called with each hooked tensor as it was before its hook.
  // Throws what kernels throw, with the node's name in front.
  TensorMap Run(const ExecutionPlan& plan, TensorMap values, const Observer& observer = {},
                const Observer& before_hook = {}) const;

  // Multiply-accumulates of all runs so far.
  int64_t num_macs() const { return num_macs_; }
  // Those of one node, as counted in its latest run; 0 before.
  int64_t NodeMacs(size_t node) const;

 private:
  struct NodeState;
  void BuildKernel(size_t node);
  void FindLastUses(ExecutionPlan& plan) const;

  Graph graph_;
  std::map<std::string, Hook> hooks_;
  std::vector<std::unique_ptr<NodeState>> states_;
  std::map<std::string, size_t> producers_;
  std::map<std::string, std::vector<size_t>> consumers_;
  mutable std::atomic<int64_t> num_macs_{0};
};

// Replaces nodes whose inputs are all initializers by their results. Results that only dead nodes
// read are dropped. Returns the number of folded nodes. All results together have at most 512 MiB
// more than eight times the bytes of the graph's initializers: nodes whose results go beyond stay,
// and run with the others.
// REQUIRES: sorted, validated graph.
int64_t FoldConstants(Graph& graph);

}  // namespace adaround
