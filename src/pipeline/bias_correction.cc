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
                                          const ChannelMomentsMap& moments) {
  const auto consumers = graph.Consumers();
  std::vector<ExpectedInput> inputs(layers.size());
  for (ExpectedInput& input : inputs) {
    input.unknown_because = "its input is not the activated output of one layer";
  }
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto known = moments.find(layers[i].output);
    const LayerActivation found =
        FindActivation(graph, consumers, layers[i].output, OutputChannels(layers[i]));
    for (const ChannelPath& path : FollowChannels(graph, layers, consumers, i, {}).paths) {
      ExpectedInput& input = inputs[path.reader];
      if (known == moments.end()) {
        input.unknown_because =
            "the calibration data does not reach layer '" + Printable(layers[i].name) + "'";
      } else {
        Expect(graph, layers[i], found, known->second, path, input);
      }
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
                           layer.input_factor * sum * input.mean[static_cast<size_t>(in)];
                     });
  return correction;
}

}  // namespace adaround
