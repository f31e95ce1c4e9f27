#include "pipeline/bias_correction.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numbers>

#include "adaround/base/error.h"
#include "graph/channel_constant.h"
#include "graph/passes/channel_reach.h"
#include "graph/passes/find_activation.h"

namespace adaround {
namespace {

double Density(double x) {
  return std::exp(-0.5 * x * x) / std::sqrt(2.0 * std::numbers::pi);
}

double Distribution(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }

// E[clip(z, a, b)]
double ClippedMean(double mean, double std, double a, double b) {
  if (std == 0.0) return std::min(std::max(mean, a), b);
  const double alpha = (a - mean) / std;
  const double beta = (b - mean) / std;
  // A bound at infinity has no mass: 0, not infinity times 0.
  const double at_a = std::isinf(a) ? 0.0 : a * Distribution(alpha);
  const double at_b = std::isinf(b) ? 0.0 : b * Distribution(-beta);
  return at_a + at_b + mean * (Distribution(beta) - Distribution(alpha)) +
         std * (Density(alpha) - Density(beta));
}

// Fills in E[x] of the layer at the end of the path.
void Expect(const Graph& graph, const LinearLayer& source, const LayerActivation& found,
            const ChannelMoments& moments, const ChannelPath& path, ExpectedInput& input) {
  // The activation's nodes come first, then what keeps means.
  size_t next = 0;
  if (!found.node.empty()) {
    while (next < path.nodes.size() && graph.nodes[path.nodes[next]].name != found.node) ++next;
    // An activation that is no step of the path: other readers, or no member of the family.
    if (next == path.nodes.size()) return;
    ++next;
  }
  for (; next < path.nodes.size(); ++next) {
    const Node& node = graph.nodes[path.nodes[next]];
    const ChannelStep step = StepOf(node);
    if (step == ChannelStep::kKeeps || step == ChannelStep::kMean) continue;
    input.unknown_because = "its input passes through " + node.op + " '" + Printable(node.name) +
                            "', behind which the distribution is not known";
    return;
  }
  std::vector<double> mean;
  for (int64_t c = 0; c < source.num_rows; ++c) {
    const auto at = static_cast<size_t>(c);
    const std::optional<double> expected =
        NormalExpectation(found.activation.Of(c), moments.mean[at], moments.std[at]);
    if (!expected) {
      input.unknown_because = "its input passes through " + found.activation.Name() +
                              ", whose mean is not known in closed form";
      return;
    }
    for (int64_t i = 0; i < path.inputs_per_channel; ++i) mean.push_back(*expected);
  }
  input.mean = std::move(mean);
  input.unknown_because.clear();
}

// Product of a transposed convolution's strides; nothing where one does not divide the kernel.
std::optional<int64_t> DividingStrides(const Graph& graph, const LinearLayer& layer) {
  std::vector<int64_t> ones(layer.kernel_shape.size(), 1);
  const std::vector<int64_t> strides = graph.nodes[layer.node].GetInts("strides", ones);
  int64_t product = 1;
  for (size_t d = 0; d < layer.kernel_shape.size() && d < strides.size(); ++d) {
    if (strides[d] < 1 || layer.kernel_shape[d] % strides[d] != 0) return std::nullopt;
    product *= strides[d];
  }
  return product;
}

// A network whose layers read what Gathers of channels before them read.
struct WithoutGathers {
  Graph graph;
  std::vector<LinearLayer> layers;
  // Per layer: the channel that each of its inputs is; empty where no Gather was taken away.
  std::vector<std::vector<int64_t>> sources;
};

// The channels that a Gather before the layer puts in a row, of how many.
std::optional<std::pair<std::vector<int64_t>, int64_t>> GatheredChannels(
    const Graph& graph, const Node& node, const LinearLayer& layer,
    const std::map<std::string, TensorFacts>& tensors) {
  if (node.op != "Gather" || layer.num_groups != 1 || node.inputs.size() != 2) return std::nullopt;
  const auto indices = graph.initializers.find(node.inputs[1]);
  const auto read = tensors.find(node.inputs[0]);
  if (indices == graph.initializers.end() || indices->second.rank() != 1 ||
      indices->second.dtype() != DType::kInt64 || read == tensors.end()) {
    return std::nullopt;
  }
  const Shape& shape = read->second.shape;
  const auto rank = static_cast<int64_t>(shape.size());
  const int64_t given = node.GetInt("axis", 0);
  const int64_t axis = given < 0 ? given + rank : given;
  const bool is_product = layer.kind == LinearKind::kMatMul || layer.kind == LinearKind::kGemm;
  if (axis < 1 || axis >= rank || axis != (is_product ? rank - 1 : 1)) return std::nullopt;
  const int64_t extent = shape[static_cast<size_t>(axis)];
  std::vector<int64_t> sources = ToInt64Vector(indices->second);
  for (int64_t& source : sources) {
    if (source < 0) source += extent;
    if (source < 0 || source >= extent) return std::nullopt;
  }
  return std::make_pair(std::move(sources), extent);
}

WithoutGathers LookThroughGathers(const Graph& graph, const std::vector<LinearLayer>& layers,
                                  const std::map<std::string, TensorFacts>& tensors) {
  WithoutGathers result{graph, layers, std::vector<std::vector<int64_t>>(layers.size())};
  const auto producers = graph.Producers();
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto producer = producers.find(layers[i].input);
    if (producer == producers.end()) continue;
    const Node& gather = graph.nodes[producer->second];
    const auto gathered = GatheredChannels(graph, gather, layers[i], tensors);
    if (!gathered) continue;
    // Only the weight's shape is looked at.
    LinearLayer& layer = result.layers[i];
    Shape shape = graph.initializers.at(layer.weight).shape();
    const auto [sources, extent] = *gathered;
    int64_t& inputs = shape[layer.weight_axis == 0 ? 1 : 0];
    if (inputs != static_cast<int64_t>(sources.size())) continue;
    layer.row_length = layer.row_length / inputs * extent;
    inputs = extent;
    layer.input = gather.inputs[0];
    layer.weight += " (as gathered by node " + std::to_string(layer.node) + ")";
    result.graph.initializers[layer.weight] = Tensor(DType::kFloat32, shape);
    result.graph.nodes[layer.node].inputs[0] = layer.input;
    result.graph.nodes[layer.node].inputs[1] = layer.weight;
    result.sources[i] = sources;
  }
  return result;
}

}  // namespace

std::vector<double> EmpiricalCorrection(const SampledColumns& samples,
                                        const std::vector<float>& rounded_weights,
                                        const std::vector<float>& bias) {
  std::vector<double> correction;
  // The mean of W_hat x_hat is W_hat times the mean of x_hat.
  std::vector<double> mean(static_cast<size_t>(samples.row_length));
  const double count = static_cast<double>(samples.num_samples);
  for (int64_t group = 0; group < samples.num_groups; ++group) {
    std::fill(mean.begin(), mean.end(), 0.0);
    const float* column = samples.GroupColumns(group);
    for (int64_t n = 0; n < samples.num_samples; ++n) {
      for (double& sum : mean) sum += *column++;
    }
    for (double& sum : mean) sum /= count;
    for (int64_t r = 0; r < samples.RowsPerGroup(); ++r) {
      const int64_t row = group * samples.RowsPerGroup() + r;
      const float* weights = rounded_weights.data() + row * samples.row_length;
      double quantized = bias[static_cast<size_t>(row)];
      for (size_t k = 0; k < mean.size(); ++k) quantized += weights[k] * mean[k];
      double target = 0.0;
      for (int64_t n = 0; n < samples.num_samples; ++n) target += samples.RowTarget(row)[n];
      correction.push_back(target / count - quantized);
    }
  }
  return correction;
}

std::optional<double> NormalExpectation(const Activation& f, double mean, double std) {
  if (f.kind != Activation::Kind::kPiecewiseLinear) return std::nullopt;
  if (f.negative_slope == 1.0F) return ClippedMean(mean, std, f.lower, f.upper);
  if (std::isfinite(f.lower) || std::isfinite(f.upper)) return std::nullopt;
  const double positive = ClippedMean(mean, std, 0.0, std::numeric_limits<double>::infinity());
  return positive + f.negative_slope * (mean - positive);
}

std::vector<ExpectedInput> ExpectedInputs(const Graph& graph,
                                          const std::vector<LinearLayer>& layers,
                                          const ChannelMomentsMap& moments,
                                          const std::map<std::string, TensorFacts>& tensors) {
  const WithoutGathers seen = LookThroughGathers(graph, layers, tensors);
  const auto consumers = seen.graph.Consumers();
  std::vector<ExpectedInput> inputs(layers.size());
  for (ExpectedInput& input : inputs) {
    input.unknown_because = "its input is not the activated output of one layer";
  }
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto known = moments.find(layers[i].output);
    const LayerActivation found =
        FindActivation(seen.graph, consumers, layers[i].output, OutputChannels(layers[i]));
    for (const ChannelPath& path :
         FollowChannels(seen.graph, seen.layers, consumers, i, {}).paths) {
      ExpectedInput& input = inputs[path.reader];
      if (known == moments.end()) {
        input.unknown_because =
            "the calibration data does not reach layer '" + Printable(layers[i].name) + "'";
      } else {
        Expect(seen.graph, layers[i], found, known->second, path, input);
      }
    }
  }
  for (size_t i = 0; i < layers.size(); ++i) {
    ExpectedInput& input = inputs[i];
    if (input.mean.empty()) continue;
    if (!seen.sources[i].empty()) {
      std::vector<double> mean;
      for (const int64_t source : seen.sources[i]) {
        mean.push_back(input.mean[static_cast<size_t>(source)]);
      }
      input.mean = std::move(mean);
    }
    if (layers[i].kind != LinearKind::kConvTranspose) continue;
    if (const std::optional<int64_t> strides = DividingStrides(graph, layers[i])) {
      input.kernel_share = 1.0 / static_cast<double>(*strides);
    } else {
      input.mean.clear();
      input.unknown_because =
          "its strides do not divide its kernel, so that outputs meet unequal parts of it";
    }
  }
  return inputs;
}

std::vector<double> AnalyticCorrection(const LinearLayer& layer, const Tensor& weight,
                                       const Tensor& rounded_weight, const ExpectedInput& input) {
  std::vector<double> correction(static_cast<size_t>(layer.num_rows), 0.0);
  const float* w = weight.data<float>();
  const float* w_hat = rounded_weight.data<float>();
  ForEachChannelPair(layer, weight.shape(),
                     [&](int64_t out, int64_t in, int64_t offset, int64_t length) {
                       double sum = 0.0;
                       for (int64_t k = offset; k < offset + length; ++k) {
                         sum += static_cast<double>(w[k]) - w_hat[k];
                       }
                       correction[static_cast<size_t>(out)] +=
                           layer.input_factor * input.kernel_share * sum *
                           input.mean[static_cast<size_t>(in)];
                     });
  return correction;
}

}  // namespace adaround
