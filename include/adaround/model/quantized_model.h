// A network whose weights are integers on grids: what quantization makes, files hold, and the
// executor is given dequantized.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "adaround/graph/graph.h"
#include "adaround/quant/quant_grid.h"

namespace adaround {

struct QuantizedTensor {
  Shape shape;           // of the weight in the graph
  ChannelLayout layout;  // where its output channels are
  QuantGrid grid;
  // One integer in [q_min, q_max] per element, in the tensor's own row-major order.
  std::vector<int16_t> integers;

  // Every violation (sizes, grid, integers off the grid); empty = sound.
  std::vector<std::string> Validate() const;
  // scale * (q - zero_point), float32, in the tensor's shape.
  Tensor Dequantize() const;
  // Bytes that the packed integers, scales and zero points take in a file.
  int64_t PackedBytes() const;
};

// The grid of an activation tensor: one scale and zero point for all of it, unsigned integers.
//   q = clip(round_half_to_even(x / scale) + zero_point, 0, 2^bit_width - 1)
// Zero lies on the grid: 0 <= zero_point < 2^bit_width.
struct ActivationGrid {
  int bit_width = 8;
  float scale = 1.0F;  // > 0, finite, normal
  int32_t zero_point = 0;

  int32_t q_max() const { return (1 << bit_width) - 1; }
  // Every violation; empty = sound.
  std::vector<std::string> Validate() const;
  // scale * (q - zero_point) of each element, as QuantizeLinear and DequantizeLinear make it.
  // REQUIRES: float32.
  Tensor QuantizeDequantize(const Tensor& x) const;
};

// A layer's bias as integers of scale s_x * s_w, which integer kernels add to their accumulators.
struct QuantizedBias {
  std::vector<int32_t> integers;  // one per output channel
  std::vector<float> scale;       // likewise; one for all where the weight has one scale

  Tensor Dequantize() const;  // float32 [integers.size()]
};

struct QuantizedModel {
  // The tensors named in `weights` and `biases` are absent from graph.initializers.
  Graph graph;
  std::map<std::string, QuantizedTensor> weights;
  // Tensors whose every reader, the network's caller included, sees them through a grid.
  std::map<std::string, ActivationGrid> activations;
  std::map<std::string, QuantizedBias> biases;
  // What determines the result (version, method, options, seed, instruction set, digests of model
  // and calibration data), as key and value; written to the files, and nothing else is.
  std::map<std::string, std::string> provenance;

  // The graph with every weight and bias dequantized into its initializers: what runs, with
  // `activations` as the executor's hooks.
  Graph Dequantized() const;
};

}  // namespace adaround
