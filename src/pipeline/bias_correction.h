// Corrects biases for the shift that rounding gives the mean of a layer's outputs.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "adaround/graph/graph.h"
#include "graph/channel_moments.h"
#include "graph/linear_layer.h"
#include "pipeline/prepared_network.h"
#include "rounding/rounding_problem.h"
#include "tensor/activation.h"

namespace adaround {

// Empirical correction (Nagel et al. 2019, arXiv:1906.04721, section 4.2 and appendix D; table 8 of
// arXiv:2004.10568): E[W x + b] - E[W_hat x_hat + b] per row, over the samples, which hold what the
// float network makes of x and the inputs x_hat that the quantized layers before make. Added to the
// bias, it makes the mean error before the activation zero on these samples.
// `rounded_weights` is W_hat, [M, K]; `bias` is b, [M].
std::vector<double> EmpiricalCorrection(const SampledColumns& samples,
                                        const std::vector<float>& rounded_weights,
                                        const std::vector<float>& bias);

// E[f(z)] for z normal with this mean and standard deviation (>= 0): for bounds a and b, with
// alpha = (a - mean) / std, beta = (b - mean) / std, density phi and distribution Phi,
//   a Phi(alpha) + b (1 - Phi(beta)) + mean (Phi(beta) - Phi(alpha)) + std (phi(alpha) - phi(beta))
// (the clipped normal distribution, arXiv:1906.04721, appendix C), and for a slope on one side
// slope * E[min(z, 0)] + E[max(z, 0)]. Nothing for functions outside of the piecewise linear
// family, and for a slope together with bounds.
std::optional<double> NormalExpectation(const Activation& f, double mean, double std);

// What a layer's inputs are on average, as far as that follows from the layer before.
struct ExpectedInput {
  // E[x] of each input channel, of all groups together; empty where it cannot be derived.
  std::vector<double> mean;
  std::string unknown_because;
  // Part of the kernel's weights that meet an input at one position of the output, on average: a
  // transposed convolution with strides puts zeros between its inputs.
  double kernel_share = 1.0;
};

// Per layer: its inputs must be outputs of one layer with `moments`, behind an activation of the
// piecewise linear family (per channel or not), behind which only means over positions and changes
// of shape follow. Sums, concatenations, other pools and padding nodes change the distribution.
// The zeros that pad a convolution are not counted, as in the paper. Transposed convolutions need
// strides that divide the kernel: all outputs then meet equally many of its weights.
// A Gather of channels directly before a layer, as SplitOutlierChannels() makes, is looked through.
// `layers` are FindLinearLayers(graph).layers; `tensors` holds the shapes of what such a Gather
// reads (layers behind others are unknown).
std::vector<ExpectedInput> ExpectedInputs(const Graph& graph,
                                          const std::vector<LinearLayer>& layers,
                                          const ChannelMomentsMap& moments,
                                          const std::map<std::string, TensorFacts>& tensors);

// Analytic correction (arXiv:1906.04721, section 4.2.1): -(W_hat - W) E[x] per row, times the
// input's kernel_share. Both weights lie in the layer's own order, as in the graph.
// REQUIRES: the input's mean is known.
std::vector<double> AnalyticCorrection(const LinearLayer& layer, const Tensor& weight,
                                       const Tensor& rounded_weight, const ExpectedInput& input);

}  // namespace adaround
