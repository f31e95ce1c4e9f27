#include <algorithm>

#include "adaround/pipeline/quantize.h"
#include "adaround/rounding/rounding_method.h"
#include "pipeline/activation_calibration.h"
#include "pipeline/chosen_layer.h"
#include "pipeline/layer_capture.h"
#include "pipeline/measure_moments.h"
#include "pipeline/memory_need.h"
#include "pipeline/prepared_network.h"
#include "pipeline/shard_plan.h"
#include "pipeline/task_loss_hessian.h"
#include "pipeline/work_plan.h"
#include "quant/activation_range.h"

namespace adaround {

QuantizePrediction PredictQuantization(Graph graph, const CalibrationSet& samples,
                                       const QuantizeOptions& options) {
  // Of channels' moments nothing but the steps that they cost is asked for.
  PreparedNetwork network = PrepareNetwork(std::move(graph), samples, options, nullptr, 1);
  CheckLayerSizes(network, options);
  if (!FindRoundingMethod(options.method).row_wise) {
    const Executor executor(network.run_graph);
    const TaskLossHessian refuses_what_cannot_be_done(network, executor, samples,
                                                      options.task_hessian, options.seed);
  }
  QuantizePrediction prediction;
  prediction.left = network.left;
  prediction.macs_per_sample = network.macs_per_sample;
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const ChosenLayer& layer = network.layers[i];
    LayerReport report = DescribeLayer(network, layer);
    report.shares_weight = layer.first_with_weight != i;
    if (!report.shares_weight) {
      const int64_t rows = layer.linear.num_rows;
      const int64_t length = layer.linear.row_length;
      QuantizedTensor tensor;
      tensor.grid = GridOf(layer, options);
      tensor.integers.resize(static_cast<size_t>(rows * length));
      tensor.grid.scale.resize(static_cast<size_t>(tensor.grid.NumScales(rows, length)));
      prediction.quantized_bytes += tensor.PackedBytes();
      prediction.float_bytes += rows * length * 4;
    }
    prediction.layers.push_back(report);
  }
  const SampleSplit split = SplitSamples(samples.num_samples(), options.held_out_fraction);
  const MemoryPlan memory = PlanMemory(network, split, options);
  prediction.warnings = LimitWarnings(memory, options);
  const SegmentPlan& plan = memory.segments;
  prediction.search_work = PlanWork(network, plan, split, options).search;
  if (options.bias_correction == BiasCorrection::kAnalytic) {
    MeasureMoments(network.graph, FindLinearLayers(network.graph).layers, samples, split,
                   options.num_threads, nullptr, network.moments, network.moment_passes);
  }
  prediction.forward_macs = plan.cost * samples.num_samples() +
                            network.moment_passes.num_macs * split.num_search;
  if (options.act_bits) {
    const int64_t passes = NeedsHistogram(options.act_range_estimator) ? 2 : 1;
    prediction.forward_macs += passes * network.macs_per_sample * samples.num_samples();
  }
  int64_t stored = 0;
  for (size_t s = 0; s + 1 < plan.boundaries.size(); ++s) {
    stored = std::max(stored, 2 * samples.num_samples() *
                                  (network.live_bytes[plan.boundaries[s]] +
                                   network.live_bytes[plan.boundaries[s + 1]]));
  }
  prediction.peak_memory_bytes = memory.working_bytes + memory.most_target_bytes +
                                 std::min(stored, memory.store_bytes);
  return prediction;
}

std::vector<ShardContents> PredictShards(Graph graph, const CalibrationSet& samples,
                                         const QuantizeOptions& options, int64_t count) {
  const PreparedNetwork network = PrepareNetwork(std::move(graph), samples, options, nullptr, 1);
  CheckLayerSizes(network, options);
  const SampleSplit split = SplitSamples(samples.num_samples(), options.held_out_fraction);
  const std::vector<ShardShare> shares = PlanShards(network, split, options, count);
  std::vector<ShardContents> shards;
  for (size_t i = 0; i < shares.size(); ++i) shards.push_back(DescribeShare(network, shares, i));
  return shards;
}

}  // namespace adaround
