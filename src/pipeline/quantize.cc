#include "adaround/pipeline/quantize.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <memory>
#include <optional>

#include "adaround/base/error.h"
#include "adaround/base/peak_memory.h"
#include "adaround/rounding/rounding_method.h"
#include "base/parallel_for.h"
#include "base/progress_counter.h"
#include "pipeline/activation_calibration.h"
#include "pipeline/activation_points.h"
#include "pipeline/activation_store.h"
#include "pipeline/bias_correction.h"
#include "pipeline/bias_quantization.h"
#include "pipeline/chosen_layer.h"
#include "pipeline/finished_layer.h"
#include "pipeline/layer_capture.h"
#include "pipeline/layer_search.h"
#include "pipeline/measure_moments.h"
#include "pipeline/memory_need.h"
#include "pipeline/prepared_network.h"
#include "pipeline/shard_plan.h"
#include "pipeline/task_loss_hessian.h"
#include "pipeline/work_plan.h"
#include "rounding/rounding_solver.h"

namespace adaround {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// One run of QuantizeModel.
class NetworkQuantizer {
 public:
  NetworkQuantizer(PreparedNetwork network, const CalibrationSet& samples,
                   const QuantizeOptions& options, QuantizeObserver* observer,
                   Checkpoint* checkpoint, std::optional<ShardShare> share = std::nullopt)
      : network_(std::move(network)),
        edges_(network_.graph),
        samples_(samples),
        options_(options),
        observer_(observer),
        checkpoint_(checkpoint),
        share_(std::move(share)),
        split_(SplitSamples(samples.num_samples(), options.held_out_fraction)),
        memory_(PlanMemory(network_, split_, options)),
        work_(PlanWork(network_, memory_.segments, split_, options)),
        store_(memory_.store_bytes, options.spill_directory, samples.num_samples()),
        float_executor_(network_.run_graph),
        quantized_executor_(network_.run_graph),
        captures_(network_.layers.size()),
        float_captures_(network_.layers.size()) {
    ADAROUND_CHECK(!share_ || checkpoint != nullptr);
    for (size_t i = 0; i < network_.layers.size(); ++i) {
      layer_at_node_[network_.layers[i].linear.node] = i;
      if (network_.layers[i].first_with_weight != i) continue;
      const bool is_ours = !share_ || share_->layers.contains(i);
      if (is_ours) ++num_layers_;
      if (IsToBeSearched(i)) {
        ++num_unfinished_;
      } else {
        work_.total -= work_.layers[i];
      }
    }
    FindNeeded();
  }

  QuantizeResult Run() {
    for (const std::string& warning : LimitWarnings(memory_, options_)) {
      if (observer_ != nullptr) observer_->OnWarning(warning);
    }
    if (!FindRoundingMethod(options_.method).row_wise) {
      task_loss_ = std::make_unique<TaskLossHessian>(network_, float_executor_, samples_,
                                                     options_.task_hessian, options_.seed);
    }
    result_.left = network_.left;
    result_.plan = network_.plan;
    result_.float_graph = network_.graph;
    result_.num_folded_batch_norms = network_.num_folded_batch_norms;
    result_.num_samples = samples_.num_samples();
    result_.num_held_out_samples = split_.num_held_out;
    result_.macs_per_sample = network_.macs_per_sample;
    result_.num_segments = static_cast<int64_t>(memory_.segments.boundaries.size()) - 1;
    result_.model.graph = network_.graph;
    result_.nearest.graph = network_.graph;
    for (const ChosenLayer& layer : network_.layers) {
      result_.model.graph.initializers.erase(layer.linear.weight);
      result_.nearest.graph.initializers.erase(layer.linear.weight);
    }
    if (options_.act_bits) QuantizeActivations();
    if (options_.bias_correction == BiasCorrection::kAnalytic) FindExpectedInputs();
    search_.emplace(network_, split_, options_, task_loss_.get(), expected_inputs_, observer_);
    const std::vector<size_t>& boundaries = memory_.segments.boundaries;
    for (size_t s = 0; s + 1 < boundaries.size(); ++s) {
      RunSegment(boundaries[s], boundaries[s + 1]);
    }
    SortLayers();
    ReportSharedLayers();
    // The first forward pass of shapes counts too.
    result_.forward_macs = network_.macs_per_sample + network_.moment_passes.num_macs +
                           float_executor_.num_macs() + quantized_executor_.num_macs();
    result_.peak_stored_bytes = store_.peak_memory_bytes();
    result_.spilled_bytes = store_.spilled_bytes();
    return std::move(result_);
  }

 private:
  void ThrowIfStopped() const {
    if (observer_ != nullptr && observer_->ShouldStop()) {
      throw Error(ErrorCode::kCancelled, "stopped on request");
    }
  }

  void QuantizeActivations() {
    const Clock::time_point start = Clock::now();
    std::set<std::string> float_layers;
    for (const LeftLayer& left : network_.left) float_layers.insert(left.name);
    ActivationRangeOptions range;
    range.estimator = options_.act_range_estimator;
    range.bit_width = *options_.act_bits;
    range.percentile = options_.act_percentile;
    range.power_of_two_scales = options_.power_of_two_scales;
    activations_ = CalibrateActivations(float_executor_, samples_,
                                        FindActivationPoints(network_.graph, float_layers), range,
                                        options_.num_threads, observer_);
    HookActivations(activations_, quantized_executor_);
    result_.model.activations = activations_;
    result_.nearest.activations = activations_;
    result_.forward_seconds += SecondsSince(start);
  }

  // What the analytic correction knows of each layer's input.
  void FindExpectedInputs() {
    const Clock::time_point start = Clock::now();
    const std::vector<LinearLayer> layers = FindLinearLayers(network_.graph).layers;
    MeasureMoments(network_.graph, layers, samples_, split_, options_.num_threads, observer_,
                   network_.moments, network_.moment_passes);
    const std::vector<ExpectedInput> inputs =
        ExpectedInputs(network_.graph, layers, network_.moments, network_.tensors);
    for (size_t i = 0; i < layers.size(); ++i) expected_inputs_[layers[i].node] = inputs[i];
    result_.forward_seconds += SecondsSince(start);
  }

  bool IsFinished(size_t index) const {
    return checkpoint_ != nullptr && checkpoint_->Has(network_.layers[index].linear.name);
  }

  // The rows that the shard is to search apart; none = the layer, as ever.
  std::vector<RowSpan> RowsApart(size_t index) const {
    return share_ ? share_->layers.at(index) : std::vector<RowSpan>();
  }

  // That it is ours, and that some of it is not in the checkpoint yet.
  bool IsToBeSearched(size_t index) const {
    if (share_ && !share_->layers.contains(index)) return false;
    const std::vector<RowSpan> apart = RowsApart(index);
    if (apart.empty()) return !IsFinished(index);
    return std::any_of(apart.begin(), apart.end(),
                       [&](const RowSpan& rows) { return !HasRows(index, rows); });
  }

  bool HasRows(size_t index, const RowSpan& rows) const {
    return checkpoint_->HasRows(network_.layers[index].linear.name, rows.begin, rows.size());
  }

  // The tensors that lie before some layer that is to be searched.
  void FindNeeded() {
    std::vector<bool> needed(network_.nodes.size(), false);
    for (size_t p = network_.nodes.size(); p-- > 0;) {
      const auto layer = layer_at_node_.find(network_.nodes[p]);
      const bool searched = network_.planned[p].is_layer && IsToBeSearched(layer->second);
      if (needed[p]) {
        const Node& node = network_.run_graph.nodes[network_.nodes[p]];
        needed_.insert(node.outputs.begin(), node.outputs.end());
      }
      if (!needed[p] && !searched) continue;
      for (const size_t predecessor : network_.planned[p].predecessors) needed[predecessor] = true;
    }
  }

  // What both streams keep at a cut.
  std::set<std::string> KeptAt(size_t cut) const {
    std::set<std::string> kept;
    std::set_intersection(network_.live[cut].begin(), network_.live[cut].end(), needed_.begin(),
                          needed_.end(), std::inserter(kept, kept.end()));
    return kept;
  }

  // Layers of the segment that are optimized, wave by wave.
  std::vector<std::vector<size_t>> WavesOf(size_t begin, size_t end) const {
    std::vector<std::vector<size_t>> waves;
    for (const std::vector<size_t>& positions : LayerWaves(network_.planned, begin, end)) {
      std::vector<size_t> layers;
      for (const size_t position : positions) {
        layers.push_back(layer_at_node_.at(network_.nodes[position]));
      }
      waves.push_back(std::move(layers));
    }
    return waves;
  }

  void RunSegment(size_t begin, size_t end) {
    std::vector<std::vector<size_t>> waves = WavesOf(begin, end);
    for (std::vector<size_t>& wave : waves) {
      for (const size_t index : wave) {
        if (IsFinished(index)) TakeFinished(index);
      }
      std::erase_if(wave, [&](size_t index) { return !IsToBeSearched(index); });
    }
    if (num_unfinished_ == 0) return;
    const std::set<std::string> kept = KeptAt(end);
    for (const std::string& name : NewlyKept(begin, end)) {
      const TensorFacts& facts = network_.tensors.at(name);
      store_.Reserve(Stream::kFloat, name, facts.dtype, facts.shape);
      store_.Reserve(Stream::kQuantized, name, facts.dtype, facts.shape);
    }
    FloatPass(begin, end, waves);
    for (const std::vector<size_t>& wave : waves) {
      for (const std::vector<size_t>& batch : Batches(wave)) {
        InputPass(begin, batch, Stream::kQuantized, captures_);
        if (!options_.asymmetric_reconstruction) {
          InputPass(begin, batch, Stream::kFloat, float_captures_);
        }
        for (const size_t layer : batch) {
          if (RowsApart(layer).empty()) {
            SolveLayer(layer);
          } else {
            SolveRowsApart(layer);
          }
        }
      }
    }
    QuantizedPass(begin, end);
    for (const std::string& name : KeptAt(begin)) {
      if (kept.contains(name)) continue;
      store_.Drop(Stream::kFloat, name);
      store_.Drop(Stream::kQuantized, name);
    }
    // Tensors of the next segment have other sizes, and would not fit where these have been.
    // Getting the pages again takes time, a third of MobileNetV2's passes: only where there is a
    // limit.
    if (options_.memory_limit) ReturnFreedMemory();
  }

  // The wave in parts whose columns fit side by side: a bound by shape, as the result must not
  // depend on memory. (Any split gives the same result, at the price of another pass.)
  std::vector<std::vector<size_t>> Batches(const std::vector<size_t>& wave) const {
    std::vector<std::vector<size_t>> batches;
    int64_t bytes = 0;
    for (const size_t index : wave) {
      const LayerCapture& capture = *captures_[index];
      const int64_t columns = capture.search().num_samples + capture.held_out().num_samples;
      const LinearLayer& linear = network_.layers[index].linear;
      const int64_t own = columns * linear.num_groups * linear.row_length * 4;
      if (batches.empty() || bytes + own > kMaxPoolBytes) {
        batches.emplace_back();
        bytes = 0;
      }
      batches.back().push_back(index);
      bytes += own;
    }
    return batches;
  }

  // Tensors that a pass from this cut starts from: stored ones and given ones.
  std::set<std::string> AvailableAt(size_t cut) const {
    std::set<std::string> available = samples_.names();
    available.merge(KeptAt(cut));
    return available;
  }

  TensorMap StartValues(const ExecutionPlan& plan, Stream stream, int64_t sample) const {
    TensorMap values = GivenTensors(samples_, plan.needed, sample, stream == Stream::kQuantized);
    for (const std::string& name : plan.needed) {
      if (!values.contains(name)) values[name] = store_.Get(stream, name, sample);
    }
    return values;
  }

  // Runs `plan` for every sample. `observe(sample, name, value)` sees each tensor as it appears,
  // `keep` are stored for the next segment.
  template <typename Observe>
  void Pass(const Executor& executor, const ExecutionPlan& plan, Stream stream,
            const std::set<std::string>& keep, const char* stage, Observe observe) {
    const Clock::time_point start = Clock::now();
    ProgressCounter progress(samples_.num_samples(), ReportTo(observer_, stage));
    ParallelFor(samples_.num_samples(), options_.num_threads, [&](int64_t sample) {
      ThrowIfStopped();
      const auto on_tensor = [&](const std::string& name, const Tensor& value) {
        observe(sample, name, value);
        if (keep.contains(name)) store_.Put(stream, name, sample, value);
      };
      executor.Run(plan, StartValues(plan, stream, sample), on_tensor);
      progress.Advance();
    });
    result_.forward_seconds += SecondsSince(start);
  }

  std::set<std::string> NewlyKept(size_t begin, size_t end) const {
    std::set<std::string> names;
    for (const std::string& name : KeptAt(end)) {
      if (!network_.live[begin].contains(name)) names.insert(name);
    }
    return names;
  }

  // Targets of all the segment's layers, and the float side of what the next segment starts from.
  void FloatPass(size_t begin, size_t end, const std::vector<std::vector<size_t>>& waves) {
    const std::set<std::string> keep = NewlyKept(begin, end);
    std::set<std::string> wanted = keep;
    std::multimap<std::string, size_t> targets;
    for (const std::vector<size_t>& wave : waves) {
      for (const size_t index : wave) {
        targets.emplace(network_.layers[index].linear.output, index);
        wanted.insert(network_.layers[index].linear.output);
        MakeCapture(index);
      }
    }
    if (wanted.empty()) return;
    ExecutionPlan plan = float_executor_.PlanAndFree(AvailableAt(begin), wanted);
    Pass(float_executor_, plan, Stream::kFloat, keep, "float pass",
         [&](int64_t sample, const std::string& name, const Tensor& value) {
           const auto [first, last] = targets.equal_range(name);
           for (auto at = first; at != last; ++at) {
             captures_[at->second]->CaptureTarget(sample, value);
             if (float_captures_[at->second]) {
               float_captures_[at->second]->CaptureTarget(sample, value);
             }
           }
         });
  }

  // Inputs of one wave of layers, on one of the streams.
  void InputPass(size_t begin, const std::vector<size_t>& wave, Stream stream,
                 const std::vector<std::unique_ptr<LayerCapture>>& captures) {
    std::set<std::string> wanted;
    std::multimap<std::string, size_t> inputs;
    for (const size_t index : wave) {
      inputs.emplace(network_.layers[index].linear.input, index);
      wanted.insert(network_.layers[index].linear.input);
    }
    const bool is_quantized = stream == Stream::kQuantized;
    const Executor& executor = is_quantized ? quantized_executor_ : float_executor_;
    ExecutionPlan plan = executor.PlanAndFree(AvailableAt(begin), wanted);
    Pass(executor, plan, stream, {}, is_quantized ? "quantized pass" : "float pass",
         [&](int64_t sample, const std::string& name, const Tensor& value) {
           const auto [first, last] = inputs.equal_range(name);
           for (auto at = first; at != last; ++at)
             captures[at->second]->CaptureInput(sample, value);
         });
  }

  void QuantizedPass(size_t begin, size_t end) {
    const std::set<std::string> keep = NewlyKept(begin, end);
    if (keep.empty()) return;
    ExecutionPlan plan = quantized_executor_.PlanAndFree(AvailableAt(begin), keep);
    Pass(quantized_executor_, plan, Stream::kQuantized, keep, "quantized pass",
         [](int64_t, const std::string&, const Tensor&) {});
  }

  void MakeCapture(size_t index) {
    const LinearLayer& linear = network_.layers[index].linear;
    const auto make = [&] {
      return std::make_unique<LayerCapture>(network_.graph.nodes[linear.node], linear,
                                            network_.tensors.at(linear.input).shape,
                                            network_.graph.initializers.at(linear.weight).shape(),
                                            network_.tensors.at(linear.output).shape, split_,
                                            LimitsOf(linear, options_), options_.seed, index);
    };
    captures_[index] = make();
    if (!options_.asymmetric_reconstruction) float_captures_[index] = make();
  }

  LayerColumns ColumnsFor(size_t index) const {
    return {*captures_[index], float_captures_[index].get()};
  }

  void SolveLayer(size_t index) {
    const Clock::time_point start = Clock::now();
    std::vector<FinishedRows> parts;
    if (checkpoint_ != nullptr) parts = checkpoint_->FindRows(network_.layers[index].linear.name);
    FinishedLayer finished = search_->Search(index, ColumnsFor(index), std::move(parts));
    finished.report.seconds = Finish(index, start);
    if (checkpoint_ != nullptr) checkpoint_->Add(finished);
    Take(index, std::move(finished));
    if (observer_ != nullptr) {
      const auto done = static_cast<int64_t>(result_.layers.size());
      observer_->OnLayer(result_.layers.back(), done, num_layers_,
                         done == num_layers_ ? 1.0 : work_done_ / work_.total);
    }
  }

  // Of a layer that no other one of the network needs.
  void SolveRowsApart(size_t index) {
    const Clock::time_point start = Clock::now();
    std::vector<RowSpan> rows = RowsApart(index);
    std::erase_if(rows, [&](const RowSpan& span) { return HasRows(index, span); });
    search_->SearchRows(index, ColumnsFor(index), rows,
                        [this](const FinishedRows& found) { checkpoint_->AddRows(found); });
    Finish(index, start);
  }

  // Lets the layer's columns go and counts its work as done; returns the seconds since `start`.
  double Finish(size_t index, Clock::time_point start) {
    captures_[index].reset();
    float_captures_[index].reset();
    const double seconds = SecondsSince(start);
    result_.solve_seconds += seconds;
    work_done_ += work_.layers[index];
    --num_unfinished_;
    return seconds;
  }

  // Puts a finished layer into both models and the quantized stream.
  void Take(size_t index, FinishedLayer finished) {
    const LinearLayer& layer = network_.layers[index].linear;
    quantized_executor_.SetInitializer(layer.weight, finished.weight.Dequantize());
    result_.model.weights[layer.weight] = std::move(finished.weight);
    result_.nearest.weights[layer.weight] = std::move(finished.nearest);
    if (finished.bias) {
      quantized_executor_.SetInitializer(layer.bias, *finished.bias);
      result_.model.graph.initializers[layer.bias] = std::move(*finished.bias);
      result_.nearest.graph.initializers[layer.bias] = std::move(*finished.nearest_bias);
    }
    if (options_.act_bits) QuantizeBiases(index);
    result_.layers.push_back(std::move(finished.report));
  }

  // What an earlier run found.
  void TakeFinished(size_t index) {
    FinishedLayer finished = *checkpoint_->Find(network_.layers[index].linear.name);
    CheckFinishedLayer(finished, network_, network_.layers[index], options_);
    Take(index, std::move(finished));
  }

  // Of the layer and of all that share its weight.
  void QuantizeBiases(size_t first) {
    const QuantGrid& grid = result_.model.weights.at(network_.layers[first].linear.weight).grid;
    for (const ChosenLayer& layer : network_.layers) {
      if (layer.first_with_weight != first || layer.linear.bias.empty()) continue;
      const std::string& name = layer.linear.bias;
      // They differ where they are corrected.
      for (QuantizedModel* model : {&result_.model, &result_.nearest}) {
        const BiasQuantization quantized =
            QuantizeBias(model->graph, edges_, layer.linear, grid, activations_);
        const bool is_result = model == &result_.model;
        if (!quantized.bias) {
          if (!is_result) continue;
          result_.float_biases.push_back({layer.linear.name,
                                          network_.graph.nodes[layer.linear.node].op,
                                          quantized.left_because});
          continue;
        }
        if (is_result) {
          quantized_executor_.SetInitializer(
              name, quantized.bias->Dequantize().Reshaped(
                        network_.graph.initializers.at(name).shape()));
        }
        model->biases[name] = *quantized.bias;
        model->graph.initializers.erase(name);
      }
    }
  }

  // In the network's order: layers of one wave may have been finished in any.
  void SortLayers() {
    std::map<std::string, size_t> place;
    for (size_t i = 0; i < network_.layers.size(); ++i) place[network_.layers[i].linear.name] = i;
    const auto by_place = [&](const auto& a, const auto& b) {
      return place.at(a.name) < place.at(b.name);
    };
    std::sort(result_.layers.begin(), result_.layers.end(), by_place);
    std::sort(result_.float_biases.begin(), result_.float_biases.end(), by_place);
  }

  void ReportSharedLayers() {
    for (size_t i = 0; i < network_.layers.size(); ++i) {
      const ChosenLayer& layer = network_.layers[i];
      if (layer.first_with_weight == i) continue;
      LayerReport report = DescribeLayer(network_, layer);
      report.bits = network_.layers[layer.first_with_weight].grid.bits;
      report.shares_weight = true;
      if (options_.bias_correction != BiasCorrection::kNone) {
        report.bias_uncorrected_because = "it shares its weight with an earlier layer";
      }
      result_.layers.push_back(report);
    }
  }

  PreparedNetwork network_;
  GraphEdges edges_;
  const CalibrationSet& samples_;
  const QuantizeOptions& options_;
  QuantizeObserver* observer_;
  Checkpoint* checkpoint_;
  std::optional<ShardShare> share_;  // where this is one shard of a run
  SampleSplit split_;
  MemoryPlan memory_;
  WorkPlan work_;
  ActivationStore store_;
  Executor float_executor_;
  Executor quantized_executor_;
  std::map<std::string, ActivationGrid> activations_;
  std::map<size_t, ExpectedInput> expected_inputs_;  // by the layer's node
  std::vector<std::unique_ptr<LayerCapture>> captures_;  // x_hat
  // x, where asymmetric reconstruction is turned off: for the search alone.
  std::vector<std::unique_ptr<LayerCapture>> float_captures_;
  std::unique_ptr<TaskLossHessian> task_loss_;  // where the method minimizes it
  std::optional<LayerSearch> search_;           // once what it needs is known
  std::map<size_t, size_t> layer_at_node_;
  std::set<std::string> needed_;  // see FindNeeded()
  int64_t num_layers_ = 0;  // that are optimized
  int64_t num_unfinished_ = 0;  // of them
  double work_done_ = 0.0;
  QuantizeResult result_;
};

}  // namespace

void QuantizeObserver::OnTransform(const TransformStep&, const Graph&) {}

std::vector<int64_t> HeldOutSamples(int64_t num_samples, const QuantizeOptions& options) {
  return SamplesOf(SplitSamples(num_samples, options.held_out_fraction), true);
}

QuantizeResult QuantizeModel(Graph graph, const CalibrationSet& samples,
                             const QuantizeOptions& options, QuantizeObserver* observer,
                             Checkpoint* checkpoint) {
  PreparedNetwork network = PrepareNetwork(std::move(graph), samples, options, observer);
  CheckLayerSizes(network, options);
  return NetworkQuantizer(std::move(network), samples, options, observer, checkpoint).Run();
}

ShardContents QuantizeShard(Graph graph, const CalibrationSet& samples,
                            const QuantizeOptions& options, const Shard& shard,
                            QuantizeObserver* observer, Checkpoint& checkpoint) {
  ADAROUND_CHECK(1 <= shard.index && shard.index <= shard.count);
  PreparedNetwork network = PrepareNetwork(std::move(graph), samples, options, observer);
  CheckLayerSizes(network, options);
  const std::vector<ShardShare> shares =
      PlanShards(network, SplitSamples(samples.num_samples(), options.held_out_fraction), options,
                 shard.count);
  const auto index = static_cast<size_t>(shard.index - 1);
  ShardContents contents = DescribeShare(network, shares, index);
  NetworkQuantizer(std::move(network), samples, options, observer, &checkpoint, shares[index])
      .Run();
  return contents;
}

}  // namespace adaround
