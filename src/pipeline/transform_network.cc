#include "pipeline/transform_network.h"

#include <map>
#include <set>
#include <utility>

#include "adaround/base/error.h"
#include "adaround/runtime/executor.h"
#include "graph/linear_layer.h"
#include "graph/passes/absorb_bias.h"
#include "graph/passes/cross_layer_equalization.h"
#include "graph/passes/split_outlier_channels.h"
#include "pipeline/activation_calibration.h"
#include "pipeline/layer_capture.h"
#include "pipeline/measure_moments.h"
#include "pipeline/prepared_network.h"

namespace adaround {
namespace {

std::string Counted(int64_t count, const std::string& one, const std::string& many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

// "; left as they are: " and at most kMaxNamed of them.
std::string LeftAsTheyAre(const std::vector<std::string>& left) {
  constexpr size_t kMaxNamed = 8;
  std::string text;
  for (size_t i = 0; i < left.size() && i < kMaxNamed; ++i) {
    text += (i == 0 ? "; left as they are: " : ", ") + Printable(left[i]);
  }
  if (left.size() > kMaxNamed) text += " and " + std::to_string(left.size() - kMaxNamed) + " more";
  return text;
}

bool IsFlatShape(const Graph& graph, const Node& node) {
  if (node.op != "Reshape" || node.inputs.empty()) return false;
  std::vector<int64_t> shape = node.GetInts("shape", {});
  if (node.inputs.size() > 1) {
    const auto found = graph.initializers.find(node.inputs[1]);
    if (found == graph.initializers.end() || found->second.dtype() != DType::kInt64) return false;
    shape = ToInt64Vector(found->second);
  }
  return shape.size() == 2 && shape[0] == -1 && shape[1] > 0;
}

// Turns Reshape to [-1, n] into Flatten where the first sample shows that n is all that one sample
// holds: then both are the same for any number of samples, and channels can be followed.
void NameFlattening(const CalibrationSet& samples, Graph& graph) {
  std::set<std::string> wanted;
  for (const Node& node : graph.nodes) {
    if (IsFlatShape(graph, node)) wanted.insert({node.inputs[0], node.outputs[0]});
  }
  wanted = ReachedTensors(graph, samples, wanted);
  if (wanted.empty()) return;
  std::map<std::string, Shape> shapes;
  {
    const Executor executor(graph);
    const ExecutionPlan plan = executor.PlanAndFree(samples.names(), wanted);
    const TensorMap given = GivenTensors(samples, plan.needed, 0, false);
    for (const auto& [name, value] : given) shapes[name] = value.shape();
    executor.Run(plan, given, [&](const std::string& name, const Tensor& value) {
      shapes[name] = value.shape();
    });
  }
  for (Node& node : graph.nodes) {
    if (!IsFlatShape(graph, node)) continue;
    const auto from = shapes.find(node.inputs[0]);
    const auto to = shapes.find(node.outputs[0]);
    if (from == shapes.end() || to == shapes.end()) continue;
    if (from->second.size() < 2 || from->second[0] != 1 || to->second[0] != 1) continue;
    const std::string shape = node.inputs.size() > 1 ? node.inputs[1] : "";
    node.op = "Flatten";
    node.inputs.resize(1);
    node.attributes = {{"axis", int64_t{1}}};
    if (!graph.Consumers().contains(shape) && !graph.IsOutput(shape)) {
      graph.initializers.erase(shape);
    }
  }
}

TransformStep Equalize(const CalibrationSet& samples, Graph& graph, ChannelMomentsMap& moments,
                       QuantizeObserver* observer) {
  const EqualizationResult result = EqualizeCrossLayer(graph, samples.names(), [&] {
    return observer != nullptr && observer->ShouldStop();
  });
  for (const EqualizedPair& pair : result.pairs) {
    auto known = moments.extract(pair.original_output);
    if (known.empty()) continue;
    for (size_t c = 0; c < pair.scale.size(); ++c) {
      known.mapped().mean[c] /= pair.scale[c];
      known.mapped().std[c] /= pair.scale[c];
    }
    known.key() = pair.output;
    moments.insert(std::move(known));
  }
  TransformStep step;
  step.name = "equalize";
  step.detail =
      Counted(static_cast<int64_t>(result.pairs.size()), "pair of layers", "pairs of layers") +
      ", " + Counted(result.num_sweeps, "sweep", "sweeps");
  if (!result.has_converged) step.detail += " (scales have not come to rest)";
  step.detail += ", " + Counted(result.num_dead_channels, "dead channel", "dead channels");
  step.detail += ", " + Counted(result.num_split_clips, "clip", "clips") + " made per channel";
  if (result.num_fixed_pairs > 0) {
    step.detail += ", " + Counted(result.num_fixed_pairs, "pair", "pairs") +
                   " left alone for calibration arrays between the layers";
  }
  step.detail += LeftAsTheyAre(result.left);
  return step;
}

TransformStep AbsorbBias(const CalibrationSet& samples, const QuantizeOptions& options,
                         Graph& graph, ChannelMomentsMap& moments, MomentPasses& passes,
                         QuantizeObserver* observer) {
  MeasureMoments(graph, FindLinearLayers(graph).layers, samples,
                 SplitSamples(samples.num_samples(), options.held_out_fraction),
                 options.num_threads, observer, moments, passes);
  const AbsorptionResult result = AbsorbHighBias(graph, samples.names(), moments);
  TransformStep step;
  step.name = "absorb-bias";
  step.detail = Counted(result.num_channels, "channel", "channels") + " of " +
                Counted(result.num_layers, "layer", "layers") + " lowered, " +
                Counted(result.num_padded, "layer", "layers") +
                " left alone for the padding behind";
  return step;
}

}  // namespace

Graph TransformNetwork(Graph graph, const CalibrationSet& samples, const QuantizeOptions& options,
                       ChannelMomentsMap& moments, MomentPasses& passes,
                       QuantizeObserver* observer) {
  const auto tell = [&](const TransformStep& step) {
    if (observer != nullptr) observer->OnTransform(step, graph);
  };
  if (options.transform.equalize || options.transform.absorb_bias ||
      options.bias_correction == BiasCorrection::kAnalytic) {
    NameFlattening(samples, graph);
  }
  if (options.transform.equalize) tell(Equalize(samples, graph, moments, observer));
  if (options.transform.absorb_bias) {
    tell(AbsorbBias(samples, options, graph, moments, passes, observer));
  }
  return graph;
}

Graph SplitOutliers(Graph graph, const std::map<std::string, LayerGrid>& grids, double ratio,
                    QuantizeObserver* observer) {
  std::map<std::string, OutlierSplitOptions> options;
  for (const auto& [name, grid] : grids) {
    OutlierSplitOptions& own = options[name];
    own.ratio = ratio;
    own.steps = (1 << (grid.bits - 1)) - 1;
    own.scale_per_row = grid.granularity != Granularity::kPerTensor;
  }
  const OutlierSplit result = SplitOutlierChannels(options, graph);
  int64_t num_channels = 0;
  int64_t num_weights = 0;
  for (const SplitLayer& layer : result.layers) {
    num_channels += layer.num_split_channels;
    num_weights += layer.num_added_weights;
  }
  TransformStep step;
  step.name = "split-outliers";
  step.detail = Counted(num_channels, "channel", "channels") + " of " +
                Counted(static_cast<int64_t>(result.layers.size()), "layer", "layers") +
                " split, " + Counted(num_weights, "weight", "weights") + " added" +
                LeftAsTheyAre(result.left);
  if (observer != nullptr) observer->OnTransform(step, graph);
  return graph;
}

}  // namespace adaround
