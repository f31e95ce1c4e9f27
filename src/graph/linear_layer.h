// Which nodes of a graph are linear layers whose weights can be quantized, and how their weights,
// inputs and outputs form the matrix product W x + b.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "adaround/graph/graph.h"

namespace adaround {

enum class LinearKind { kConv, kConvTranspose, kGemm, kMatMul };

struct LinearLayer {
  std::string name;  // the node's
  LinearKind kind = LinearKind::kConv;
  size_t node = 0;         // index in graph.nodes
  std::string input;       // tensor x
  std::string weight;      // initializer
  std::string bias;        // initializer, "" where there is none
  double bias_factor = 1;  // Gemm's beta
  double input_factor = 1; // Gemm's alpha
  // The tensor that holds W x + b: the node's output, or the output of a bias Add behind it.
  std::string output;
  // Dimension of the weight that holds the output channels, and the parts of a ConvTranspose's
  // dimension 0 (see ChannelLayout, which the graph does not know).
  int64_t weight_axis = 0;
  int64_t weight_groups = 1;
  int64_t num_rows = 0;    // output channels of all groups
  int64_t row_length = 0;  // weights per output channel
  int64_t num_groups = 1;  // of channels: each reads its own inputs
  std::vector<int64_t> kernel_shape;  // spatial extents; empty for Gemm and MatMul
};

// A node with a constant weight that is left in float, and why: also of the operators Einsum, LSTM,
// GRU, RNN and DeformConv.
struct SkippedLayer {
  std::string name;
  std::string op;
  std::string reason;
};

struct LinearLayers {
  std::vector<LinearLayer> layers;  // in node order
  std::vector<SkippedLayer> skipped;
};

// Layers that share an initializer are all listed. Conv, ConvTranspose, Gemm and MatMul nodes whose
// weight is computed from activations are not layers and not listed.
// REQUIRES: sorted, validated graph with constants folded.
LinearLayers FindLinearLayers(const Graph& graph);

// One bias per row, zeros where the layer has none.  Throws Error(kUnsupported) where the bias
// initializer's size is not the number of rows.
std::vector<float> LayerBias(const Graph& graph, const LinearLayer& layer);

}  // namespace adaround
