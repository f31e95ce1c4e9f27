// Reverse-mode derivatives of what an executor computes.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "adaround/runtime/executor.h"
#include "runtime/gradient.h"

namespace adaround {

// What is to be differentiated.
struct DerivativeRequest {
  // Tensors that each forward pass is given, as in Executor::Plan. They are leaves: no derivative
  // goes through the nodes that would make them.
  std::set<std::string> available;
  // Tensors that L is a function of; derivatives by them are what each backward pass starts from.
  std::set<std::string> outputs;
  // Tensors by which L is differentiated: given tensors, activations, initializers. Float32.
  std::set<std::string> wrt;
};

// Differentiates a scalar L, a function of some outputs, by activations and initializers: one
// forward pass keeps what the backward passes need and no more, any number of backward passes
// follow it (one per class, say). Only nodes on a path from `wrt` to `outputs` are differentiated.
//
// Where a function has a kink, the derivative there is that of the flat side (0) for Relu, Clip,
// Abs and the hard activations, the lower side's for LeakyRelu and PRelu; equal elements share the
// derivative of Min, Max, ReduceMin and ReduceMax evenly, the first one has that of a pooled
// maximum.
//
// For blocks of layers: `available` = what the block reads, `outputs` = its end, `wrt` = weights
// and the block's input. Weights that change from step to step are best graph inputs of a graph of
// the block's own: kernels keep what they derive from initializers, and
// Executor::SetInitializer() makes them anew.
//
// Threads: const members may be called concurrently, with a tape each or sharing one.
class Differentiator {
 public:
  // `executor` must outlive the object; its SetInitializer() may be called between a forward pass
  // and the next one, not between a forward pass and its backward passes.
  // Throws Error(kUnsupported), listing every node that has no derivative; Error(kInvalidArgument)
  // where the outputs do not depend on a tensor of `wrt`, naming all of them; Error as
  // Executor::Plan does.
  Differentiator(const Executor& executor, DerivativeRequest request);

  // Where the executor hooks a tensor, derivatives pass the hook as they are (straight through),
  // or as `hook(value before the executor's hook, dL/d(value behind it))` says: to give 0 outside a
  // grid's range, or to add to a scale's derivative.
  // Threads: may not overlap with anything; the hook itself is called concurrently.
  using GradientHook = std::function<Tensor(const Tensor& value, const Tensor& gradient)>;
  void SetGradientHook(const std::string& tensor, GradientHook hook);

  // What Forward() needs of `available`.
  const std::vector<std::string>& needed() const { return plan_.needed; }
  // The nodes that are differentiated, in the graph's order.
  std::vector<size_t> nodes() const;

  // What one sample's backward passes read.
  class Tape {
   public:
    // The value of a tensor of `outputs`.
    const Tensor& output(const std::string& name) const { return outputs_.at(name); }
    // Bytes of the kept activations.
    size_t num_bytes() const;

   private:
    friend class Differentiator;
    TensorMap outputs_;
    TensorMap kept_;         // behind hooks, as kernels read them
    TensorMap before_hook_;  // where a GradientHook reads them
    std::map<std::string, Shape> shapes_;
  };

  // One sample forwards.  Throws Error as Executor::Run does.
  Tape Forward(TensorMap values) const;

  // dL/d(tensor) for each tensor of `wrt`, from dL/d(output) for some of `outputs` (the others'
  // are zero). Each is freed as soon as nothing needs it.
  // REQUIRES: the gradients have the outputs' shapes, float32.
  // Throws Error(kUnsupported) where a dtype is not differentiated, with the node's name in front.
  TensorMap Backward(const Tape& tape, const TensorMap& output_gradients) const;

 private:
  struct BackwardNode {
    size_t node = 0;
    GradientFunction gradient;
    std::vector<bool> wanted;  // per input
    std::vector<bool> keeps;   // per input
  };

  const Executor& executor_;
  DerivativeRequest request_;
  ExecutionPlan plan_;
  std::vector<BackwardNode> backward_;  // last node first
  std::set<std::string> kept_;          // names of activations that a tape holds
  std::set<std::string> shaped_;        // names of activations whose shapes it holds
  std::map<std::string, GradientHook> hooks_;
};

}  // namespace adaround
