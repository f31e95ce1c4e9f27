#include "pipeline/prepared_network.h"

#include <algorithm>
#include <utility>

#include "adaround/base/did_you_mean.h"
#include "adaround/base/error.h"
#include "graph/name_book.h"
#include "graph/passes/find_activation.h"
#include "graph/passes/fold_batch_norm.h"
#include "graph/passes/own_bias.h"
#include "pipeline/layer_pattern.h"
#include "pipeline/transform_network.h"

namespace adaround {
namespace {

bool AnyMatches(std::vector<LayerPattern>& patterns, const std::string& name) {
  bool matched = false;
  // Each is asked, so that each learns whether it is of use.
  for (LayerPattern& pattern : patterns) matched = pattern.Matches(name) || matched;
  return matched;
}

// The entries of a plan by layer, once each is known to name one.
std::map<std::string, const LayerPlan*> PlanByLayer(const std::vector<LayerPlan>& plan,
                                                    const LinearLayers& found) {
  std::vector<std::string> names;
  for (const LinearLayer& layer : found.layers) names.push_back(layer.name);
  std::map<std::string, const LayerPlan*> by_layer;
  std::vector<std::string> violations;
  for (const LayerPlan& entry : plan) {
    by_layer[entry.name] = &entry;
    if (std::find(names.begin(), names.end(), entry.name) != names.end()) continue;
    const auto skipped =
        std::find_if(found.skipped.begin(), found.skipped.end(),
                     [&](const SkippedLayer& layer) { return layer.name == entry.name; });
    const std::string place = entry.place.empty() ? "plan" : entry.place;
    if (skipped == found.skipped.end()) {
      violations.push_back(place + ": the model has no layer '" + Printable(entry.name) + "'" +
                           DidYouMean(entry.name, names));
    } else if (!entry.keep_float) {
      violations.push_back(place + ": layer '" + Printable(entry.name) +
                           "' cannot be quantized: " + skipped->reason);
    }
  }
  ThrowIfAny(ErrorCode::kMalformed, violations);
  return by_layer;
}

// The grid that a plan's entry gives a layer.
LayerGrid PlannedGrid(const LayerPlan& entry, const QuantizeOptions& options) {
  const LayerGrid grid = entry.AppliedTo(options.DefaultGrid());
  const auto refuse = [&](const std::string& why) {
    throw Error(ErrorCode::kMalformed, (entry.place.empty() ? "plan" : entry.place) + ": layer '" +
                                           Printable(entry.name) + "' " + why);
  };
  if (entry.group_size && grid.granularity != Granularity::kPerGroup) {
    refuse("has a group_size, but granularity " + std::string(GranularityName(grid.granularity)));
  }
  if (entry.percentile && grid.range_estimator != RangeEstimator::kPercentile) {
    refuse("has a percentile, but range_estimator " +
           std::string(RangeEstimatorName(grid.range_estimator)));
  }
  if (!grid.symmetric && options.narrow_range) {
    refuse("is asymmetric, but --narrow-range needs symmetric grids");
  }
  return grid;
}

// Anew, whatever was chosen before.
void ChooseLayers(const QuantizeOptions& options, PreparedNetwork& network) {
  network.layers.clear();
  network.left.clear();
  network.plan.clear();
  const LinearLayers found = FindLinearLayers(network.graph);
  const std::map<std::string, const LayerPlan*> planned = PlanByLayer(options.plan, found);
  for (const SkippedLayer& skipped : found.skipped) {
    network.left.push_back({skipped.name, skipped.op, skipped.reason});
  }
  std::vector<LayerPattern> include = MakePatterns("--include", options.include);
  std::vector<LayerPattern> exclude = MakePatterns("--exclude", options.exclude);
  std::vector<std::string> width_expressions;
  for (const auto& entry : options.layer_bits) width_expressions.push_back(entry.first);
  std::vector<LayerPattern> widths = MakePatterns("--layer-bits", width_expressions);

  const auto consumers = network.graph.Consumers();
  std::map<std::string, size_t> first_with_weight;
  std::vector<std::pair<LinearLayer, LeftLayer>> left_out;
  std::vector<std::string> violations;
  for (const LinearLayer& linear : found.layers) {
    const std::string& op = network.graph.nodes[linear.node].op;
    const bool included = include.empty() || AnyMatches(include, linear.name);
    const bool excluded = AnyMatches(exclude, linear.name);
    const auto entry = planned.find(linear.name);
    const bool kept_float = entry != planned.end() && entry->second->keep_float;
    if (!included || excluded || kept_float) {
      left_out.push_back({linear,
                          {linear.name, op,
                           kept_float ? "kept in float by the plan"
                           : excluded ? "excluded"
                                      : "not included"}});
      LayerPlan decision;
      decision.name = linear.name;
      decision.keep_float = true;
      network.plan.push_back(std::move(decision));
      continue;
    }
    ChosenLayer layer;
    layer.grid = options.DefaultGrid();
    for (size_t i = 0; i < widths.size(); ++i) {
      if (widths[i].Matches(linear.name)) layer.grid.bits = options.layer_bits[i].second;
    }
    if (entry != planned.end()) layer.grid = PlannedGrid(*entry->second, options);
    layer.linear = linear;
    layer.activation =
        FindActivation(network.graph, consumers, linear.output, OutputChannels(linear)).activation;
    const size_t index = network.layers.size();
    layer.first_with_weight = first_with_weight.emplace(linear.weight, index).first->second;
    const ChosenLayer& first =
        layer.first_with_weight == index ? layer : network.layers[layer.first_with_weight];
    network.plan.push_back(LayerPlan::Of(linear.name, layer.grid));
    if (!first.grid.SameAs(layer.grid)) {
      const std::string layers = "layers '" + Printable(first.linear.name) + "' and '" +
                                 Printable(linear.name) + "' share a weight, but ";
      violations.push_back(options.plan.empty()
                               ? layers + "--layer-bits gives them " +
                                     std::to_string(first.grid.bits) + " and " +
                                     std::to_string(layer.grid.bits) + " bits"
                               : layers + "the plan gives them different grids: " +
                                     LayerPlan::Of(first.linear.name, first.grid).ToText() + ", " +
                                     LayerPlan::Of(linear.name, layer.grid).ToText());
    }
    if (first.linear.weight_axis != linear.weight_axis ||
        first.linear.weight_groups != linear.weight_groups ||
        first.linear.num_groups != linear.num_groups) {
      network.left.push_back({linear.name, op,
                              "it reads a weight of layer '" + Printable(first.linear.name) +
                                  "' in another layout and uses that layer's integers"});
      continue;
    }
    network.layers.push_back(std::move(layer));
  }
  for (auto& [linear, left] : left_out) {
    const auto shared = first_with_weight.find(linear.weight);
    if (shared != first_with_weight.end()) {
      violations.push_back("layer '" + Printable(linear.name) + "' is " + left.reason +
                           ", but shares its weight with layer '" +
                           Printable(network.layers[shared->second].linear.name) +
                           "', which is quantized; choose both or neither");
    }
    network.left.push_back(std::move(left));
  }
  for (const auto* patterns : {&include, &exclude, &widths}) {
    for (const LayerPattern& pattern : *patterns) pattern.CheckUsed(violations);
  }
  ThrowIfAny(ErrorCode::kInvalidArgument, violations);
  if (found.layers.empty()) {
    std::string reasons;
    for (const SkippedLayer& skipped : found.skipped) {
      reasons += "; '" + Printable(skipped.name) + "' (" + skipped.op + "): " + skipped.reason;
    }
    throw Error(ErrorCode::kUnsupported,
                "the model has no Conv, ConvTranspose, Gemm or MatMul with a constant weight that "
                "can be quantized" +
                    reasons);
  }
  if (network.layers.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                options.plan.empty() ? "--include and --exclude leave no layer to quantize"
                                     : "the plan keeps every layer in float; quantize some");
  }
}

void SeparateGivenOutputs(const CalibrationSet& samples, PreparedNetwork& network) {
  network.run_graph = network.graph;
  NameBook names = TensorNames(network.graph);
  for (ChosenLayer& layer : network.layers) {
    std::string& output = layer.linear.output;
    if (!samples.Has(output)) continue;
    const std::string computed = names.Fresh(output + " (computed)");
    for (Node& node : network.run_graph.nodes) {
      std::replace(node.outputs.begin(), node.outputs.end(), output, computed);
    }
    output = computed;
  }
  // The given tensor has no maker now; as an input it stays known to the graph.
  for (const std::string& name : samples.names()) {
    GraphInput input;
    input.name = name;
    network.run_graph.inputs.push_back(std::move(input));
  }
}

// Nodes that are no layers, but read a layer's weight: a Gather whose table an output layer shares.
// Behind the layer they wait for its integers; before it they keep to the float weight. Otherwise
// which of the two they read would hang on which layers are searched together.
void OrderReadersOfWeights(const std::map<size_t, size_t>& position, PreparedNetwork& network) {
  NameBook names = TensorNames(network.run_graph);
  std::map<std::string, size_t> layer_with_weight;  // its position
  std::set<size_t> layers;
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const ChosenLayer& layer = network.layers[i];
    layers.insert(layer.linear.node);
    if (layer.first_with_weight != i) continue;
    layer_with_weight[layer.linear.weight] = position.at(layer.linear.node);
  }
  for (size_t p = 0; p < network.nodes.size(); ++p) {
    if (layers.contains(network.nodes[p])) continue;
    for (std::string& input : network.run_graph.nodes[network.nodes[p]].inputs) {
      const auto layer = layer_with_weight.find(input);
      if (layer == layer_with_weight.end()) continue;
      if (layer->second < p) {
        network.planned[p].waits_for.push_back(layer->second);
      } else {
        const Tensor weight = network.graph.initializers.at(input);
        input = names.Fresh(input + " (float)");
        network.run_graph.initializers.emplace(input, weight);
      }
    }
  }
}

// Runs one sample through all nodes that some layer needs, and records what it sees.
void TraceShapes(const CalibrationSet& samples, PreparedNetwork& network) {
  Executor executor(network.run_graph);
  std::set<std::string> wanted;
  for (const ChosenLayer& layer : network.layers) wanted.insert(layer.linear.output);
  ExecutionPlan plan;
  try {
    plan = executor.PlanAndFree(samples.names(), wanted);
  } catch (const Error& error) {
    throw error.WithContext("the calibration data does not reach every layer");
  }
  const auto observe = [&](const std::string& name, const Tensor& value) {
    network.tensors[name] = {value.dtype(), value.shape(), static_cast<int64_t>(value.num_bytes())};
  };
  executor.Run(plan, GivenTensors(samples, plan.needed, 0, false), observe);
  network.macs_per_sample = executor.num_macs();
  network.nodes = plan.nodes;
  std::map<size_t, size_t> position;
  std::map<std::string, size_t> made_by;
  for (size_t p = 0; p < plan.nodes.size(); ++p) {
    const Node& node = network.run_graph.nodes[plan.nodes[p]];
    PlannedNode planned;
    planned.cost = executor.NodeMacs(plan.nodes[p]);
    for (const std::string& output : node.outputs) {
      if (output.empty()) continue;
      planned.cost += network.tensors.at(output).bytes / 2;
      if (!samples.Has(output)) made_by[output] = p;
    }
    for (const std::string& input : node.inputs) {
      const auto maker = made_by.find(input);
      if (maker != made_by.end()) planned.predecessors.push_back(maker->second);
    }
    network.planned.push_back(std::move(planned));
    position[plan.nodes[p]] = p;
  }
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const size_t here = position.at(network.layers[i].linear.node);
    const size_t first =
        position.at(network.layers[network.layers[i].first_with_weight].linear.node);
    if (first == here) {
      network.planned[here].is_layer = true;
    } else {
      network.planned[here].waits_for.push_back(first);
    }
  }

  OrderReadersOfWeights(position, network);

  // A tensor is alive at every cut between its maker and its last reader.
  const size_t n = plan.nodes.size();
  network.live.resize(n + 1);
  network.live_bytes.assign(n + 1, 0);
  std::map<std::string, size_t> last_reader;
  for (size_t p = 0; p < n; ++p) {
    for (const std::string& input : network.run_graph.nodes[plan.nodes[p]].inputs) {
      last_reader[input] = p;
    }
  }
  for (const auto& [name, maker] : made_by) {
    const auto last = last_reader.find(name);
    if (last == last_reader.end()) continue;
    for (size_t cut = maker + 1; cut <= last->second; ++cut) {
      network.live[cut].insert(name);
      network.live_bytes[cut] += network.tensors.at(name).bytes;
    }
  }
  for (size_t p = 0; p < n; ++p) {
    int64_t at_once = network.live_bytes[p];
    for (const std::string& output : network.run_graph.nodes[plan.nodes[p]].outputs) {
      if (!output.empty()) at_once += network.tensors.at(output).bytes;
    }
    network.peak_sample_bytes = std::max(network.peak_sample_bytes, at_once);
  }
}

}  // namespace

TensorMap GivenTensors(const CalibrationSet& samples, const std::vector<std::string>& needed,
                       int64_t sample, bool quantized) {
  TensorMap values;
  for (const std::string& name : needed) {
    if (!samples.Has(name)) continue;
    values[name] =
        quantized ? samples.QuantizedSample(name, sample) : samples.FloatSample(name, sample);
  }
  return values;
}

void HookActivations(const std::map<std::string, ActivationGrid>& activations, Executor& executor) {
  for (const auto& [name, grid] : activations) {
    executor.SetHook(name, [name = name, grid = grid](const Tensor& x) {
      if (x.dtype() != DType::kFloat32) {
        throw Error(ErrorCode::kMalformed,
                    "tensor '" + Printable(name) + "' has a grid for activations, but is " +
                        std::string(DTypeName(x.dtype())) + ", wanted float32");
      }
      return grid.QuantizeDequantize(x);
    });
  }
}

PreparedNetwork PrepareNetwork(Graph graph, const CalibrationSet& samples,
                               const QuantizeOptions& options, QuantizeObserver* observer,
                               std::optional<int64_t> max_moment_samples) {
  ThrowIfAny(ErrorCode::kInvalidArgument, options.Validate());
  samples.CheckUsable();
  PreparedNetwork network;
  FoldConstants(graph);
  network.num_folded_batch_norms = FoldBatchNorm(graph, &network.moments);
  network.moment_passes.max_samples = max_moment_samples;
  network.graph = TransformNetwork(std::move(graph), samples, options, network.moments,
                                   network.moment_passes, observer);
  ChooseLayers(options, network);
  if (options.transform.split_outliers > 0.0) {
    std::map<std::string, LayerGrid> grids;
    for (const ChosenLayer& layer : network.layers) grids[layer.linear.name] = layer.grid;
    network.graph = SplitOutliers(std::move(network.graph), grids,
                                  options.transform.split_outliers, observer);
    ChooseLayers(options, network);
  }
  if (options.bias_correction != BiasCorrection::kNone) {
    std::vector<LinearLayer> chosen;
    for (size_t i = 0; i < network.layers.size(); ++i) {
      if (network.layers[i].first_with_weight == i) chosen.push_back(network.layers[i].linear);
    }
    GiveOwnBiases(network.graph, chosen);
    ChooseLayers(options, network);
  }
  const auto producers = network.graph.Producers();
  for (const std::string& name : samples.names()) {
    const bool is_input = std::any_of(network.graph.inputs.begin(), network.graph.inputs.end(),
                                      [&](const GraphInput& input) { return input.name == name; });
    if (!is_input && !producers.contains(name)) {
      throw Error(ErrorCode::kMalformed,
                  "calibration tensor '" + Printable(name) +
                      "' is gone once constants, BatchNormalization and constant factors and terms "
                      "are folded; give the tensor behind them instead");
    }
  }
  SeparateGivenOutputs(samples, network);
  TraceShapes(samples, network);
  return network;
}

}  // namespace adaround
