// What an operator's derivative looks like, and the table that finds it.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "adaround/graph/graph.h"
#include "runtime/kernel.h"

namespace adaround {

// What one call may look at. L is the scalar whose derivatives are carried backwards.
struct GradientCall {
  // As the forward kernel saw them; nullptr where left out and where GradientRow::keeps says that
  // the value is not needed. A kept activation is the forward pass's own.
  KernelInputs inputs;
  std::vector<Shape> input_shapes;  // of every input; empty for those left out
  // dL/d(output); nullptr where L does not depend on that output (never all of them).
  std::vector<const Tensor*> output_gradients;
  // Inputs whose derivative is asked for.
  std::vector<bool> wanted;
};

// dL/d(input) for every wanted input, in its shape; the others stay empty tensors. Safe to call
// from several threads at once.
using GradientFunction = std::function<std::vector<Tensor>(const GradientCall&)>;

struct GradientSpec {
  const Node& node;
  int64_t opset;
};

using GradientFactory = GradientFunction (*)(const GradientSpec&);

// Inputs as a set: bit i for input i, bit 63 for all from there on.
using InputSet = uint64_t;
inline constexpr InputSet kAllInputs = ~InputSet{0};
inline constexpr InputSet kFirstInput = 1;
inline bool Holds(InputSet set, size_t input) {
  return ((set >> (input < 63 ? input : 63)) & 1) != 0;
}

// Which input values the backward pass reads, beside every input that is never differentiated
// (shapes, axes, indices, which are small): those that the forward pass must keep.
enum class Keeps {
  kNothing,  // linear, and the same everywhere: shapes suffice
  kInputs,   // all of them
  kOthers,   // products: input i where the derivative by another input is wanted
};

// One row: this factory differentiates `op` from opset `since_version` until the operator's next
// row, by the inputs in `differentiable`. Without a factory the operator's results do not depend on
// its inputs in a way that has a derivative (shapes, comparisons, integers), and L's dependence
// ends there.
struct GradientRow {
  std::string_view op;
  int64_t since_version;
  InputSet differentiable;
  Keeps keeps;
  GradientFactory create;
};

// The row with the highest since_version <= opset; nullptr where there is none.
const GradientRow* FindGradientRow(std::string_view op, int64_t opset);

}  // namespace adaround
