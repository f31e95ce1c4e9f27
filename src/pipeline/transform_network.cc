#include "pipeline/transform_network.h"

#include <cmath>

#include "adaround/base/error.h"
#include "graph/passes/split_outlier_channels.h"

namespace adaround {
namespace {

void Report(const std::string& name, const std::string& detail, const Graph& graph,
            QuantizeObserver* observer) {
  if (observer != nullptr) observer->OnTransform({name, detail}, graph);
}

void SplitOutliers(const QuantizeOptions& options, Graph& graph, QuantizeObserver* observer) {
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
  std::string detail = std::to_string(num_channels) + " channels of " +
                       std::to_string(result.layers.size()) + " layers split, " +
                       std::to_string(num_weights) + " weights added";
  for (size_t i = 0; i < result.left.size(); ++i) {
    detail += (i == 0 ? "; left as they are: " : ", ") + Printable(result.left[i]);
  }
  Report("split-outliers", detail, graph, observer);
}

}  // namespace

Graph TransformNetwork(Graph graph, const CalibrationSet&, const QuantizeOptions& options,
                       QuantizeObserver* observer) {
  if (options.transform.split_outliers > 0.0) SplitOutliers(options, graph, observer);
  return graph;
}

}  // namespace adaround
