#include "pipeline/transform_network.h"

#include <utility>

#include "adaround/base/error.h"
#include "graph/linear_layer.h"
#include "graph/passes/absorb_bias.h"
#include "graph/passes/cross_layer_equalization.h"
#include "graph/passes/split_outlier_channels.h"

namespace adaround {
namespace {

std::string Counted(int64_t count, const std::string& one, const std::string& many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

TransformStep Equalize(const CalibrationSet& samples, Graph& graph, ChannelMomentsMap& moments) {
  const EqualizationResult result = EqualizeCrossLayer(graph, samples.names());
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
  return step;
}

TransformStep AbsorbBias(const CalibrationSet& samples, const QuantizeOptions& options,
                         Graph& graph, ChannelMomentsMap& moments, MomentPasses& passes,
                         QuantizeObserver* observer) {
  MeasureMoments(graph, FindLinearLayers(graph).layers, samples, options.num_threads, observer,
                 moments, passes);
  const AbsorptionResult result = AbsorbHighBias(graph, samples.names(), moments);
  TransformStep step;
  step.name = "absorb-bias";
  step.detail = Counted(result.num_channels, "channel", "channels") + " of " +
                Counted(result.num_layers, "layer", "layers") + " lowered, " +
                Counted(result.num_padded, "layer", "layers") +
                " left alone for the padding behind";
  return step;
}

TransformStep SplitOutliers(const QuantizeOptions& options, Graph& graph) {
  OutlierSplitOptions split;
  split.ratio = options.transform.split_outliers;
  split.steps = (1 << (options.bits - 1)) - 1;
  split.scale_per_row = options.granularity != Granularity::kPerTensor;
  const OutlierSplit result = SplitOutlierChannels(split, graph);
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
                " split, " + Counted(num_weights, "weight", "weights") + " added";
  for (size_t i = 0; i < result.left.size(); ++i) {
    step.detail += (i == 0 ? "; left as they are: " : ", ") + Printable(result.left[i]);
  }
  return step;
}

}  // namespace

Graph TransformNetwork(Graph graph, const CalibrationSet& samples, const QuantizeOptions& options,
                       ChannelMomentsMap& moments, MomentPasses& passes,
                       QuantizeObserver* observer) {
  const auto tell = [&](const TransformStep& step) {
    if (observer != nullptr) observer->OnTransform(step, graph);
  };
  if (options.transform.equalize) tell(Equalize(samples, graph, moments));
  if (options.transform.absorb_bias) {
    tell(AbsorbBias(samples, options, graph, moments, passes, observer));
  }
  if (options.transform.split_outliers > 0.0) tell(SplitOutliers(options, graph));
  return graph;
}

}  // namespace adaround
