// A network whose weights are integers on grids: what quantization makes, files hold, and the
// executor is given dequantized.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "adaround/graph/graph.h"
#include "adaround/quant/activation_grid.h"
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

// A layer's bias as integers of scale s_x * s_w, which integer kernels add to their accumulators.
struct QuantizedBias {
  std::vector<int32_t> integers;  // one per output channel
  std::vector<float> scale;       // likewise; one for all where the weight has one scale

  // Every violation; empty = sound.
  std::vector<std::string> Validate() const;
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
