#include "adaround/pipeline/inspect.h"

#include "adaround/base/error.h"
#include "adaround/runtime/executor.h"
#include "graph/linear_layer.h"
#include "graph/passes/find_activation.h"
#include "graph/passes/fold_batch_norm.h"
#include "runtime/kernel.h"

namespace adaround {
namespace {

// A model whose inputs are larger than this is not run just to be looked at.
constexpr int64_t kMaxInputElements = int64_t{1} << 28;

TensorMap ZeroInputs(const Graph& graph) {
  TensorMap values;
  for (const GraphInput& input : graph.inputs) {
    Shape shape = input.shape;
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      if (shape[axis] >= 0) continue;
      if (axis > 0) {
        throw Error(ErrorCode::kUnsupported, "input '" + Printable(input.name) +
                                                 "' leaves the extent of axis " +
                                                 std::to_string(axis) + " open");
      }
      shape[axis] = 1;
    }
    const std::optional<int64_t> count = CheckedNumElements(shape);
    if (!count || *count > kMaxInputElements) {
      throw Error(ErrorCode::kUnsupported, "input '" + Printable(input.name) + "' is too large");
    }
    values[input.name] = Tensor::Zeros(input.dtype, shape);
  }
  return values;
}

// Tensors that are computed from integers behind DequantizeLinear and other constants alone.
std::set<std::string> DequantizedConstants(const Graph& graph) {
  std::set<std::string> dequantized;
  for (const Node& node : graph.nodes) {
    bool from_integers = node.op == "DequantizeLinear";
    bool constant = true;
    for (const std::string& input : node.inputs) {
      const bool from_earlier = dequantized.contains(input);
      from_integers = from_integers || from_earlier;
      constant = constant && (input.empty() || from_earlier || graph.initializers.contains(input));
    }
    if (from_integers && constant) dequantized.insert(node.outputs.begin(), node.outputs.end());
  }
  return dequantized;
}

}  // namespace

Inspection InspectModel(Graph graph) {
  Inspection inspection;
  for (const Node& node : graph.nodes) ++inspection.ops[node.op];
  for (const auto& [name, tensor] : graph.initializers) {
    if (tensor.dtype() == DType::kFloat32) inspection.num_parameters += tensor.num_elements();
  }
  for (const Node& node : graph.nodes) {
    if (HasKernel(node.op, graph.opset)) continue;
    inspection.unsupported.push_back("node '" + Printable(node.name) + "' (" + Printable(node.op) +
                                     ")");
  }
  const std::set<std::string> dequantized = DequantizedConstants(graph);
  FoldConstants(graph);
  inspection.num_folded_batch_norms = FoldBatchNorm(graph);
  const LinearLayers found = FindLinearLayers(graph);
  const auto consumers = graph.Consumers();

  const Executor executor(graph);
  std::map<std::string, Shape> shapes;
  try {
    TensorMap inputs = ZeroInputs(graph);
    std::set<std::string> available;
    for (const auto& [name, value] : inputs) available.insert(name);
    std::set<std::string> wanted(graph.outputs.begin(), graph.outputs.end());
    for (const LinearLayer& layer : found.layers) wanted.insert(layer.output);
    executor.Run(
        executor.PlanAndFree(available, wanted), std::move(inputs),
        [&](const std::string& name, const Tensor& value) { shapes[name] = value.shape(); });
    inspection.macs = executor.num_macs();
  } catch (const Error& error) {
    inspection.run_failure = error.what();
  }

  for (const LinearLayer& linear : found.layers) {
    InspectedLayer layer;
    layer.name = linear.name;
    layer.op = graph.nodes[linear.node].op;
    const Tensor& weight = graph.initializers.at(linear.weight);
    layer.weight = linear.weight;
    layer.from_integers = dequantized.contains(linear.weight);
    layer.weight_shape = weight.shape();
    layer.activation = FindActivation(graph, consumers, linear.output, OutputChannels(linear))
                           .activation.Name();
    layer.num_parameters = weight.num_elements();
    if (!linear.bias.empty()) {
      layer.num_parameters += graph.initializers.at(linear.bias).num_elements();
    }
    if (inspection.macs) {
      layer.macs = executor.NodeMacs(linear.node);
      layer.output_shape = shapes.at(linear.output);
    }
    inspection.layers.push_back(std::move(layer));
  }
  for (const SkippedLayer& skipped : found.skipped) {
    InspectedLayer layer;
    layer.name = skipped.name;
    layer.op = skipped.op;
    layer.left_because = skipped.reason;
    inspection.layers.push_back(std::move(layer));
  }
  return inspection;
}

}  // namespace adaround
